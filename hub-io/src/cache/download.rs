//! One file from the Hub into the cache.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::digest::Digest;
use super::lock::Lock;
use super::{Cache, CacheError, Folder, link, many};
use crate::file::RemoteFile;
use crate::hub::repo::{Repo, bad_answer};
use crate::net::error::FetchError;
use crate::net::head::{self, Head};
use crate::net::redirect::Target;

/// Read, hashed and written at a time, in bytes.
const PIECE: usize = 256 << 10;

/// How far the download of a file has come.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadProgress {
    /// From the root of the repository.
    pub path: String,
    /// Bytes that are on the disk, those of an earlier call included.
    pub done: u64,
    /// Bytes of the whole file, if the server says.
    pub total: Option<u64>,
}

/// Hears of progress, and can break off.
pub(super) type Observer<'a> = &'a mut dyn sae_progress::Observer<DownloadProgress>;

impl Repo {
    /// The file in the cache, downloaded if it is not there yet.
    ///
    /// Resumes from what an earlier call has left, and takes turns with other processes. The bytes get their name only when
    /// there are as many as the Hub says, and when they have the hash that it names them by. `observer` is told of every
    /// piece and of those that another process fetches, and asked several times a second while nothing arrives; the bytes that have
    /// arrived when it breaks off are kept.
    ///
    /// # Errors
    /// [`CacheError`]: refused, not found, no connection, other bytes than the Hub's, no room, or broken off.
    pub fn download(
        &self,
        path: &str,
        cache: &Cache,
        observer: Observer<'_>,
    ) -> Result<PathBuf, CacheError> {
        self.file_target(path)?;
        let pointer = cache
            .folder(self.kind, self.id())
            .snapshot(self.sha())
            .join(path);
        if !pointer.is_file() {
            many::download(self, cache, &[path], observer)?;
        }
        Ok(pointer)
    }

    /// As [`download`](Self::download), on this thread, where a server that says nothing holds it up.
    pub(super) fn download_here(
        &self,
        path: &str,
        cache: &Cache,
        observer: Observer<'_>,
    ) -> Result<PathBuf, CacheError> {
        let target = self.file_target(path)?;
        let folder = cache.folder(self.kind, self.id());
        let snapshot = folder.snapshot(self.sha());
        let pointer = snapshot.join(path);
        if pointer.is_file() {
            return Ok(pointer);
        }
        self.hub.online(&target.shown)?;
        let head = head::head(&self.hub.client, &target)?;
        let name = blob_name(&head).map_err(|reason| bad_answer(&target, reason))?;
        let blob = folder.blob(name);
        let partial = folder.blob(&format!("{name}.incomplete"));
        let file = OneFile {
            repo: self,
            path,
            target: &target,
            head: &head,
            name,
            partial: &partial,
        };
        let Some(_lock) = file.lock(&folder, observer)? else {
            return Err(file.stopped());
        };
        if !is_whole(&blob, &head) {
            file.fetch(observer)?;
            fs::rename(&partial, &blob)
                .map_err(|error| CacheError::io(&blob, "renaming the download", error))?;
        }
        link::link(&blob, &snapshot, path)
            .map_err(|error| CacheError::io(&pointer, "linking to the download", error))
    }
}

/// The tag as the name of a file: the Hub's are hashes, but another server may answer.
pub(super) fn blob_name(head: &Head) -> Result<&str, String> {
    let Some(name) = head.name() else {
        return Err("there is no ETag, which files in the cache are named by".to_owned());
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.+=".contains(&b);
    let ours = name.ends_with(".incomplete") || name.starts_with('.');
    if name.is_empty() || name.len() > 200 || !name.bytes().all(plain) || ours {
        return Err(format!(
            "the ETag {name:.80?} cannot be the name of a file in the cache"
        ));
    }
    Ok(name)
}

/// Whether the bytes are here. Under their name they are whole unless the machine went down at the wrong moment.
pub(super) fn is_whole(blob: &Path, head: &Head) -> bool {
    let Ok(found) = fs::metadata(blob) else {
        return false;
    };
    let whole = head.size.is_none_or(|size| size == found.len());
    if !whole {
        tracing::warn!(
            blob = %blob.display(),
            "has another size than the Hub says: downloading it again"
        );
    }
    whole
}

/// A download that is under way.
struct OneFile<'a> {
    repo: &'a Repo,
    path: &'a str,
    target: &'a Target,
    head: &'a Head,
    name: &'a str,
    partial: &'a Path,
}

impl OneFile<'_> {
    fn lock(&self, folder: &Folder, observer: Observer<'_>) -> Result<Option<Lock>, CacheError> {
        let path = folder.lock(self.name);
        let waiting = || {
            let done = fs::metadata(self.partial).map_or(0, |found| found.len());
            self.tell(done, observer)
        };
        Lock::take(&path, waiting).map_err(|error| CacheError::io(&path, "locking", error))
    }

    /// Fills the partial file, from where it ends.
    fn fetch(&self, observer: Observer<'_>) -> Result<(), CacheError> {
        let opened = fs::create_dir_all(self.partial.parent().unwrap_or(self.partial))
            .and_then(|()| open(self.partial));
        let mut file = opened.map_err(|error| self.failed("opening", 0, error))?;
        let before = file.metadata().map_or(0, |found| found.len());
        // Without a size nobody could tell a partial file from a whole one.
        let mut keep = match self.head.size {
            Some(size) if before <= size => before,
            _ => 0,
        };
        loop {
            match self.fill(&mut file, keep, observer) {
                // The bytes may be those of another file, or of a disk that lost power.
                Err(CacheError::Hash { .. }) if keep > 0 => {
                    tracing::warn!(
                        file = self.path,
                        "what an earlier download left does not belong to the file: starting anew"
                    );
                    keep = 0;
                }
                Err(error @ CacheError::Hash { .. }) => {
                    // Kept, it would fail again.
                    drop(file);
                    let _ = fs::remove_file(self.partial);
                    return Err(error);
                }
                other => return other,
            }
        }
    }

    /// Writes what comes after the first `keep` bytes, and checks the hash of all.
    fn fill(&self, file: &mut File, keep: u64, observer: Observer<'_>) -> Result<(), CacheError> {
        let mut digest = Digest::of(self.name, self.head.size);
        let mut piece = vec![0; PIECE];
        let mut done = 0;
        let io = |done, error| self.failed("reading what has arrived", done, error);
        file.seek(SeekFrom::Start(0)).map_err(|e| io(0, e))?;
        while done < keep {
            let most = (keep - done).min(PIECE as u64) as usize;
            file.read_exact(&mut piece[..most])
                .map_err(|e| io(done, e))?;
            digest.update(&piece[..most]);
            done += most as u64;
            if self.tell(done, observer).is_break() {
                return Err(self.stopped());
            }
        }
        // Another length than this one's would be left where less comes now. A device has none.
        if file.metadata().is_ok_and(|found| found.len() > keep) {
            file.set_len(keep)
                .map_err(|error| self.failed("shortening", done, error))?;
        }
        let client = self.repo.hub.client.clone();
        let mut remote = RemoteFile::described(client, self.target.clone(), self.head, keep);
        loop {
            let got = match remote.read(&mut piece) {
                Ok(0) => break,
                Ok(got) => got,
                Err(error) => return Err(self.network(error)),
            };
            digest.update(&piece[..got]);
            file.write_all(&piece[..got])
                .map_err(|error| self.failed("writing", done, error))?;
            done += got as u64;
            if self.tell(done, observer).is_break() {
                return Err(self.stopped());
            }
        }
        if let Some((kind, got)) = digest.differs(self.name) {
            return Err(CacheError::Hash {
                url: self.target.shown.clone(),
                kind,
                got,
                expected: self.name.to_owned(),
            });
        }
        // The name says that the bytes are there, also after a power cut.
        file.sync_all()
            .map_err(|error| self.failed("writing", done, error))
    }

    fn tell(&self, done: u64, observer: Observer<'_>) -> ControlFlow<()> {
        observer.observe(&DownloadProgress {
            path: self.path.to_owned(),
            done,
            total: self.head.size,
        })
    }

    fn stopped(&self) -> CacheError {
        let path = self.path.to_owned();
        CacheError::Stopped { path }
    }

    fn failed(&self, doing: &'static str, done: u64, error: io::Error) -> CacheError {
        match CacheError::io(self.partial, doing, error) {
            CacheError::NoRoom { path, .. } => CacheError::NoRoom {
                path,
                done,
                total: self.head.size,
            },
            other => other,
        }
    }

    /// Errors of the stream have the network's inside.
    fn network(&self, error: io::Error) -> CacheError {
        match error.downcast::<FetchError>() {
            Ok(error) => error.into(),
            Err(error) => CacheError::io(self.partial, "downloading", error),
        }
    }
}

pub(super) fn open(partial: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    options.open(partial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_tags_name_files() {
        let name = |tag: &str| {
            let head = Head {
                linked: None,
                etag: Some(tag.to_owned()),
                size: None,
            };
            blob_name(&head).map(str::to_owned)
        };
        assert_eq!(name("\"0123-ab_c.d+e=\"").unwrap(), "0123-ab_c.d+e=");
        for bad in [
            "\"\"",
            "\"..\"",
            "\"../x\"",
            "\"a/b\"",
            "\"a\\b\"",
            "\".hidden\"",
            "\"x.incomplete\"",
            "\"a b\"",
            "\"é\"",
            &"a".repeat(201),
        ] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
