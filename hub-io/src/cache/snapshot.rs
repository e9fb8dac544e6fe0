//! A repository at one commit, as files on disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::download::Observer;
use super::error::unavailable;
use super::{Cache, CacheError, Folder, many};
use crate::hub::repo::{self, Repo, RepoKind, is_commit};
use crate::hub::{Hub, HubError};

/// Tries to learn what a revision is now: fewer than for bytes, and fewer still where the cache has an answer.
const TRIES: u32 = 4;
const TRIES_WITH_CACHE: u32 = 2;
/// Files that a message lists.
const LISTED: usize = 20;
/// Files and folders that are looked at to list what the cache has.
const MOST_ENTRIES: usize = 100_000;

/// A repository at one commit, whose files are on disk or are brought there when they are wanted.
///
/// All files are of the same commit, so a push in between cannot mix two states. A commit whose files are all in the cache
/// needs no request. Where the server cannot be reached (`HF_HUB_OFFLINE`, no connection), the commit that the revision named
/// when it was last looked up is used.
#[derive(Debug)]
pub struct Snapshot {
    cache: Cache,
    hub: Hub,
    folder: Folder,
    kind: RepoKind,
    id: String,
    revision: String,
    commit: String,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The server has said what there is.
    Online(Repo, Arc<[String]>),
    /// A commit that was named and is in the cache: no request was needed so far.
    Named,
    /// The cache is all there is, for a reason.
    Cached(String),
}

impl Cache {
    /// A repository at the commit that a revision (a branch, tag or commit) names now or, if the server cannot be reached, at the one
    /// in the cache.
    ///
    /// # Errors
    /// [`CacheError::Hub`] for invalid names and for what the server refuses, [`CacheError::Offline`] if requests are not
    /// asked and the cache has nothing.
    pub fn snapshot(
        &self,
        hub: &Hub,
        kind: RepoKind,
        id: &str,
        revision: &str,
    ) -> Result<Snapshot, CacheError> {
        repo::check_id(id)?;
        repo::check_revision(revision)?;
        let folder = self.folder(kind, id);
        let cached = folder.commit(revision);
        let mut snapshot = Snapshot {
            cache: self.clone(),
            hub: hub.clone(),
            folder,
            kind,
            id: id.to_owned(),
            revision: revision.to_owned(),
            commit: cached.clone().unwrap_or_default(),
            state: State::Named,
        };
        if hub.options.offline {
            if cached.is_none() {
                return Err(CacheError::Offline {
                    repo: snapshot.name(),
                    cache: self.root.clone(),
                });
            }
            snapshot.state = State::Cached("HF_HUB_OFFLINE is set".to_owned());
        } else if cached.is_none() || !is_commit(revision) {
            snapshot.ask()?;
        }
        Ok(snapshot)
    }
}

impl Snapshot {
    /// The folder of the commit's files. Those that were [fetched](Self::fetch) are in it.
    pub fn dir(&self) -> PathBuf {
        self.folder.snapshot(&self.commit)
    }

    /// The commit, in hexadecimal.
    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// The first of these files that is on disk, else the first that the repository has, else none. Files that a commit lacks are noted, where Python
    /// notes them too, so that nobody is asked for them again.
    ///
    /// # Errors
    /// As [`Cache::snapshot`], if it has to ask.
    pub fn first_of<'n>(&mut self, paths: &[&'n str]) -> Result<Option<&'n str>, CacheError> {
        if let Some(path) = paths.iter().find(|path| self.on_disk(path)) {
            return Ok(Some(path));
        }
        if paths.iter().all(|path| self.lacks(path)) {
            return Ok(None);
        }
        let names = self.names()?;
        let has = |path: &&&str| names.iter().any(|name| name == *path);
        let found = paths.iter().find(has).copied();
        if matches!(self.state, State::Online(..)) {
            paths.iter().filter(|path| !has(path)).for_each(|path| {
                self.note_lack(path);
            });
        }
        Ok(found)
    }

    /// The names of all files; where the server cannot be reached, of those on disk.
    ///
    /// # Errors
    /// As [`Cache::snapshot`], if it has to ask.
    pub fn names(&mut self) -> Result<Arc<[String]>, CacheError> {
        if matches!(self.state, State::Named) {
            self.ask()?;
        }
        match &self.state {
            State::Online(_, names) => Ok(Arc::clone(names)),
            State::Named | State::Cached(_) => Ok(on_disk(&self.dir()).into()),
        }
    }

    /// Brings these files to the disk, several at a time, those that are not there yet. `observer` is told of every piece and
    /// can break off.
    ///
    /// # Errors
    /// As [`Repo::download`]; [`CacheError::NoFile`] for a file that the repository does not have, [`CacheError::Missing`]
    /// for one that is not in the cache while the server cannot be reached.
    pub fn fetch(&mut self, paths: &[&str], observer: Observer<'_>) -> Result<(), CacheError> {
        let missing = paths.iter().copied().filter(|path| !self.on_disk(path));
        let missing: Vec<_> = missing.collect();
        let Some(first) = missing.first() else {
            return Ok(());
        };
        if matches!(self.state, State::Named) {
            self.ask()?;
        }
        match &self.state {
            State::Online(repo, names) => {
                let unknown = |path: &&&str| !names.iter().any(|name| name == *path);
                if let Some(path) = missing.iter().find(unknown) {
                    return Err(CacheError::NoFile {
                        repo: self.name(),
                        path: (*path).to_owned(),
                        files: listed(names),
                    });
                }
                many::download(repo, &self.cache, &missing, observer)
            }
            State::Cached(why) => Err(CacheError::Missing {
                repo: self.name(),
                cache: self.dir(),
                path: (*first).to_owned(),
                why: why.clone(),
            }),
            State::Named => unreachable!("the server was asked"),
        }
    }

    /// Notes which commit the revision named, so that it is found when the server cannot be reached: worth it once all files that are
    /// needed have been fetched.
    ///
    /// # Errors
    /// [`CacheError::Io`] if the note cannot be written.
    pub fn remember(&self) -> Result<(), CacheError> {
        match self.state {
            State::Online(..) => self.folder.remember(&self.revision, &self.commit),
            State::Named | State::Cached(_) => Ok(()),
        }
    }

    /// As [`remember`](Self::remember), but leaves a note of a commit whose files are in the cache as it is: for callers that need a few
    /// files only, and should not put a commit that has nothing else in the place of a whole one.
    ///
    /// # Errors
    /// As [`remember`](Self::remember).
    pub fn remember_if_new(&self) -> Result<(), CacheError> {
        match self.folder.commit(&self.revision) {
            Some(_) => Ok(()),
            None => self.remember(),
        }
    }

    /// Asks the server, and makes do with the cache if there is no answer.
    fn ask(&mut self) -> Result<(), CacheError> {
        let cached = !self.commit.is_empty();
        let mut brief = self.hub.clone();
        let tries = if cached { TRIES_WITH_CACHE } else { TRIES };
        brief.client = brief.client.with_attempts(tries);
        let look_up = || -> Result<_, HubError> {
            let mut repo = Repo::look_up(&brief, self.kind, &self.id, &self.revision)?;
            let names = repo.names()?;
            repo.hub = self.hub.clone();
            Ok((repo, names))
        };
        match look_up() {
            Ok((repo, names)) => {
                repo.sha().clone_into(&mut self.commit);
                self.state = State::Online(repo, names);
            }
            Err(error) if cached && unavailable(&error) => {
                tracing::warn!(
                    "{}: {error}; going on with what the cache has, commit {}",
                    self.name(),
                    self.commit
                );
                self.state = State::Cached(error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// As people write it.
    fn name(&self) -> String {
        format!("{}@{}", self.id, self.revision)
    }

    /// The note that this commit has no such file, as `huggingface_hub` leaves it.
    fn note_of(&self, path: &str) -> Option<PathBuf> {
        crate::net::address::check_path(path).ok()?;
        let folder = self.dir().parent()?.parent()?.join(".no_exist");
        (!self.commit.is_empty()).then(|| folder.join(&self.commit).join(path))
    }

    fn lacks(&self, path: &str) -> bool {
        self.note_of(path).is_some_and(|note| note.is_file())
    }

    /// Without the note the next call asks again, which is no error.
    fn note_lack(&self, path: &str) {
        if let Some(note) = self.note_of(path)
            && let Some(folder) = note.parent()
            && fs::create_dir_all(folder).is_ok()
        {
            let _ = fs::File::create(&note);
        }
    }

    fn on_disk(&self, path: &str) -> bool {
        crate::net::address::check_path(path).is_ok() && self.dir().join(path).is_file()
    }
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(LISTED).cloned().collect::<Vec<_>>();
    match names.len().saturating_sub(LISTED) {
        0 if names.is_empty() => "none".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The files below a folder, by their paths from there, in order.
fn on_disk(dir: &Path) -> Vec<String> {
    let (mut found, mut folders, mut seen) = (Vec::new(), vec![dir.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            seen += 1;
            if seen > MOST_ENTRIES {
                break;
            }
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if path.is_file()
                && let Ok(path) = path.strip_prefix(dir)
            {
                let parts = path.iter().map(|part| part.to_string_lossy());
                found.push(parts.collect::<Vec<_>>().join("/"));
            }
        }
    }
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut() {
        let names = |n| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
        assert_eq!(listed(&names(0)), "none");
        assert_eq!(listed(&names(3)), "0, 1, 2");
        assert!(listed(&names(LISTED)).ends_with(", 19"));
        assert!(listed(&names(LISTED + 7)).ends_with(", 19 and 7 more"));
    }

    #[test]
    fn what_is_on_disk_is_listed_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["b", "a/x", "a/y/z"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        assert_eq!(on_disk(dir.path()), ["a/x", "a/y/z", "b"]);
        assert!(on_disk(&dir.path().join("none")).is_empty());
    }
}
