//! Whole files in `huggingface_hub`'s cache, shared with Python.
//!
//! ```text
//! {HF_HUB_CACHE | HF_HOME/hub | ~/.cache/huggingface/hub}/
//!   models--org--name/                 datasets--… for data sets
//!     blobs/<etag>                     the bytes
//!     blobs/<etag>.incomplete          what has arrived so far
//!     snapshots/<commit>/<path>        a relative link to the bytes
//!     refs/<revision>                  which commit a branch or tag named
//!   .locks/models--org--name/<etag>.lock
//! ```

mod digest;
mod download;
mod error;
mod kept;
mod link;
mod lock;
mod many;
mod snapshot;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub(crate) use digest::hex;
pub use download::DownloadProgress;
pub use error::CacheError;
pub use kept::KeptFile;
pub use snapshot::Snapshot;

use crate::hub::options::{home, variable};
use crate::hub::repo::{RepoKind, is_commit};

/// A note of a commit is read up to this many bytes.
const MAX_REF: u64 = 256;

/// A directory of downloads in the layout of Python's `huggingface_hub`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache in this directory, which is made when there is something to put into it.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory that the environment names: `HF_HUB_CACHE`, else `$HF_HOME/hub`, else `huggingface/hub` in
    /// `$XDG_CACHE_HOME` or `~/.cache`. `None` if there is no home directory either.
    pub fn from_env() -> Option<Self> {
        Self::from_vars(variable, std::env::home_dir())
    }

    fn from_vars(var: impl Fn(&str) -> Option<String>, home_dir: Option<PathBuf>) -> Option<Self> {
        let root = var("HF_HUB_CACHE").map(PathBuf::from);
        let root = root.or_else(|| Some(home(&var, home_dir)?.join("hub")));
        root.map(Self::new)
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn folder(&self, kind: RepoKind, id: &str) -> Folder {
        let repo = hf_hub::Repo::new(id.to_owned(), kind.into());
        let name = repo.folder_name();
        Folder {
            locks: self.root.join(".locks").join(&name),
            root: self.root.join(name),
            layout: hf_hub::Cache::new(self.root.clone()),
            repo,
        }
    }
}

/// Where one repository's files are. Callers check the names before they make paths of them.
#[derive(Debug, Clone)]
struct Folder {
    root: PathBuf,
    locks: PathBuf,
    layout: hf_hub::Cache,
    repo: hf_hub::Repo,
}

impl Folder {
    fn blob(&self, name: &str) -> PathBuf {
        self.root.join("blobs").join(name)
    }

    fn lock(&self, name: &str) -> PathBuf {
        self.locks.join(format!("{name}.lock"))
    }

    fn snapshot(&self, commit: &str) -> PathBuf {
        self.layout.repo(self.repo.clone()).pointer_path(commit)
    }

    fn note(&self, revision: &str) -> PathBuf {
        self.root.join("refs").join(revision)
    }

    /// The commit that a revision named when it was last asked for, if some of its files are here.
    fn commit(&self, revision: &str) -> Option<String> {
        let commit = if is_commit(revision) {
            revision.to_owned()
        } else {
            let mut note = String::new();
            let file = fs::File::open(self.note(revision)).ok()?;
            file.take(MAX_REF).read_to_string(&mut note).ok()?;
            note.trim().to_owned()
        };
        (is_commit(&commit) && self.snapshot(&commit).is_dir()).then_some(commit)
    }

    /// Notes which commit a revision names.
    fn remember(&self, revision: &str, commit: &str) -> Result<(), CacheError> {
        let note = self.note(revision);
        if is_commit(revision) || fs::read(&note).is_ok_and(|known| known == commit.as_bytes()) {
            return Ok(());
        }
        let write = || -> io::Result<()> {
            fs::create_dir_all(note.parent().unwrap_or(&self.root))?;
            let temporary = self.blob(&link::temporary_name());
            fs::create_dir_all(temporary.parent().unwrap_or(&self.root))?;
            fs::write(&temporary, commit)?;
            fs::rename(&temporary, &note)
        };
        write().map_err(|error| CacheError::io(&note, "noting the commit", error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(vars: &[(&str, &str)]) -> Option<PathBuf> {
        let var = |name: &str| {
            let found = vars.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let cache = Cache::from_vars(var, Some(PathBuf::from("/home/ada")));
        cache.map(|cache| cache.root)
    }

    #[test]
    fn the_more_specific_variable_wins() {
        let is = |vars, path| assert_eq!(root(vars).unwrap(), Path::new(path));
        is(&[], "/home/ada/.cache/huggingface/hub");
        is(&[("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub");
        is(&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/h")], "/h/hub");
        is(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")], "/c");
        assert_eq!(Cache::from_vars(|_| None, None), None);
    }

    #[test]
    fn notes_lead_to_commits_that_are_here() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Cache::new(dir.path()).folder(RepoKind::Model, "org/net");
        assert_eq!(folder.root, dir.path().join("models--org--net"));
        let commit = "a".repeat(40);
        assert_eq!(folder.commit("main"), None);
        folder.remember("refs/pr/1", &commit).unwrap();
        let note = folder.root.join("refs/refs/pr/1");
        assert_eq!(fs::read_to_string(&note).unwrap(), commit);
        assert_eq!(folder.commit("refs/pr/1"), None, "without files");
        fs::create_dir_all(folder.snapshot(&commit)).unwrap();
        assert_eq!(folder.commit("refs/pr/1"), Some(commit.clone()));
        assert_eq!(folder.commit(&commit), Some(commit.clone()));
        folder.remember(&commit, &commit).unwrap();
        assert!(!folder.note(&commit).exists(), "a commit needs no note");
        for bad in ["", "..", "../../blobs", "main\n", &"a".repeat(300)] {
            fs::write(&note, bad).unwrap();
            assert_eq!(folder.commit("refs/pr/1"), None, "{bad:.80}");
        }
    }
}
