//! A file from the Hub that is read from its start and stays in the cache.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::digest::Digest;
use super::download::{blob_name, is_whole, open};
use super::lock::Lock;
use super::{Cache, CacheError, link};
use crate::file::RemoteFile;
use crate::hub::repo::Repo;
use crate::net::head;

/// A file's bytes in order, which the cache keeps as they come.
///
/// Bytes that are in the cache are read from there: the whole file, or the part that an earlier reader has left, after which the server is asked for
/// the rest. Once the end has been read the bytes have their name, if they have the hash that the Hub names them by. Bytes arrive even when
/// keeping them cannot: while another process keeps the same file, or on a disk that is full, they come from the server alone.
///
/// # Errors
/// [`Read::read`] gives [`FetchError`](crate::FetchError) as [`RemoteFile`] does, and [`CacheError::Hash`], both inside [`io::Error`].
pub struct KeptFile {
    from: From,
}

impl fmt::Debug for KeptFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = match &self.from {
            From::Disk(_) => "disk",
            From::Server { .. } => "server",
        };
        f.debug_struct("KeptFile")
            .field("from", &from)
            .finish_non_exhaustive()
    }
}

enum From {
    Disk(File),
    Server {
        remote: RemoteFile,
        keep: Option<Box<Keep>>,
    },
}

/// Where the bytes go.
struct Keep {
    partial: File,
    partial_path: PathBuf,
    blob: PathBuf,
    snapshot: PathBuf,
    /// In the repository.
    path: String,
    /// Of the blob.
    name: String,
    url: String,
    digest: Digest,
    at: u64,
    /// Bytes that were there.
    before: u64,
    _lock: Lock,
}

impl Repo {
    /// The bytes of a file, read from the cache as far as it has them and kept there as they come.
    ///
    /// # Errors
    /// [`CacheError::Hub`] for a file that is not there or may not be read, [`CacheError::Io`] if the cache cannot be written at all.
    pub fn open_kept(&self, path: &str, cache: &Cache) -> Result<KeptFile, CacheError> {
        let target = self.file_target(path)?;
        let folder = cache.folder(self.kind, self.id());
        let snapshot = folder.snapshot(self.sha());
        if let Ok(file) = File::open(snapshot.join(path)) {
            return Ok(KeptFile {
                from: From::Disk(file),
            });
        }
        self.hub.online(&target.shown)?;
        let head = head::head(&self.hub.client, &target)?;
        let client = self.hub.client.clone();
        let remote = |at| RemoteFile::described(client, target.clone(), &head, at);
        let name = match blob_name(&head) {
            Ok(name) => name,
            Err(reason) => {
                tracing::warn!("{}: not kept: {reason}", target.shown);
                return Ok(KeptFile::unkept(remote(0)));
            }
        };
        let blob = folder.blob(name);
        let lock_path = folder.lock(name);
        let lock = Lock::take(&lock_path, || ControlFlow::Break(()))
            .map_err(|error| CacheError::io(&lock_path, "locking", error))?;
        let Some(lock) = lock else {
            tracing::info!(
                path,
                "another process keeps this file; it is not kept twice"
            );
            return Ok(KeptFile::unkept(remote(0)));
        };
        if is_whole(&blob, &head) {
            let linked = link::link(&blob, &snapshot, path)
                .and_then(File::open)
                .map_err(|error| CacheError::io(&blob, "opening", error))?;
            return Ok(KeptFile {
                from: From::Disk(linked),
            });
        }
        let partial_path = folder.blob(&format!("{name}.incomplete"));
        let opened = fs::create_dir_all(partial_path.parent().unwrap_or(&partial_path))
            .and_then(|()| open(&partial_path))
            .and_then(|partial| {
                let found = partial.metadata()?.len();
                // Without a size nobody could tell a partial file from a whole one.
                let before = head.size.filter(|&size| found <= size).map_or(0, |_| found);
                if before < found {
                    partial.set_len(before)?;
                }
                Ok((partial, before))
            });
        let (partial, before) =
            opened.map_err(|error| CacheError::io(&partial_path, "opening", error))?;
        let keep = Keep {
            partial,
            partial_path,
            blob,
            snapshot,
            path: path.to_owned(),
            name: name.to_owned(),
            url: target.shown.clone(),
            digest: Digest::of(name, head.size),
            at: 0,
            before,
            _lock: lock,
        };
        Ok(KeptFile {
            from: From::Server {
                remote: remote(before),
                keep: Some(Box::new(keep)),
            },
        })
    }
}

impl KeptFile {
    fn unkept(remote: RemoteFile) -> Self {
        let keep = None;
        Self {
            from: From::Server { remote, keep },
        }
    }
}

impl Read for KeptFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let (remote, keep) = match &mut self.from {
            From::Disk(file) => return file.read(buf),
            From::Server { remote, keep } => (remote, keep),
        };
        if buf.is_empty() {
            return Ok(0);
        }
        if let Some(keep) = keep
            && keep.at < keep.before
        {
            return keep.read_again(buf);
        }
        let n = remote.read(buf)?;
        if n == 0 {
            if let Some(keep) = keep.take() {
                keep.finish()?;
            }
        } else if let Some(kept) = keep
            && let Err(error) = kept.append(&buf[..n])
        {
            tracing::warn!(
                "{}: read on without being kept: {error}",
                kept.partial_path.display()
            );
            *keep = None;
        }
        Ok(n)
    }
}

impl Keep {
    /// Reads bytes that were in the cache before.
    fn read_again(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = (self.before - self.at).min(buf.len() as u64) as usize;
        let n = self.partial.read(&mut buf[..most])?;
        if n == 0 {
            let message = format!("{}: somebody shortened it", self.partial_path.display());
            return Err(io::Error::other(message));
        }
        self.digest.update(&buf[..n]);
        self.at += n as u64;
        Ok(n)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.partial.write_all(bytes)?;
        self.digest.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// All bytes have arrived. Bytes that are not the Hub's have been read by now, which is an error; a name that cannot be given is none.
    fn finish(self) -> io::Result<()> {
        let Self {
            partial,
            partial_path,
            blob,
            digest,
            ..
        } = self;
        if let Some((kind, got)) = digest.differs(&self.name) {
            drop(partial);
            // Kept, it would be wrong again.
            let _ = fs::remove_file(&partial_path);
            return Err(io::Error::other(CacheError::Hash {
                url: self.url,
                kind,
                got,
                expected: self.name,
            }));
        }
        let named = partial
            .sync_all()
            .and_then(|()| fs::rename(&partial_path, &blob))
            .and_then(|()| link::link(&blob, &self.snapshot, &self.path));
        if let Err(error) = named {
            tracing::warn!("{}: not kept: {error}", blob.display());
        }
        Ok(())
    }
}
