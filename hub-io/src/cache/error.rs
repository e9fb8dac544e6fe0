//! Why a file is not in the cache.

use std::io;
use std::path::{Path, PathBuf};

use crate::hub::HubError;
use crate::net::error::FetchError;

/// Why a file could not be brought to the disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// Offline, and the cache has nothing.
    #[error(
        "{repo} is not in the cache {} and HF_HUB_OFFLINE is set; unset it, or give a local folder",
        cache.display()
    )]
    Offline {
        /// `organisation/name@revision`.
        repo: String,
        /// Where it was looked for.
        cache: PathBuf,
    },
    /// The server cannot be reached, and the cache has only a part.
    #[error("{repo} is in the cache {} in part: there is no {path}, and {why}", cache.display())]
    Missing {
        /// `organisation/name@revision`.
        repo: String,
        /// The commit's files.
        cache: PathBuf,
        /// The missing file.
        path: String,
        /// Why it cannot be downloaded.
        why: String,
    },
    /// The repository has other files.
    #[error("{repo} has no file {path}; it has {files}")]
    NoFile {
        /// `organisation/name@revision`.
        repo: String,
        /// The file asked for.
        path: String,
        /// The files that exist.
        files: String,
    },
    /// The bytes are not those that the Hub names.
    #[error(
        "{url}: the {kind} of the bytes that came is {got}, the Hub names {expected}; they are thrown away: try again, and if it stays so, a proxy or mirror is at fault"
    )]
    Hash {
        /// The address.
        url: String,
        /// Which hash.
        kind: &'static str,
        /// Of the bytes.
        got: String,
        /// The Hub's.
        expected: String,
    },
    /// The disk is full.
    #[error(
        "{}: no room left on the disk after {done} bytes{}; free some, or set HF_HUB_CACHE to a folder on another disk (what has arrived is kept, and the next call goes on from there)",
        path.display(),
        total.map_or(String::new(), |total| format!(" of {total}"))
    )]
    NoRoom {
        /// The file that was being written.
        path: PathBuf,
        /// Bytes that are written.
        done: u64,
        /// Bytes of the file, if known.
        total: Option<u64>,
    },
    /// The cache cannot be read or written.
    #[error("{}: {doing} failed: {error}; check the folder's owner and permissions, or set HF_HUB_CACHE to another", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operation that failed.
        doing: &'static str,
        /// The system's word.
        error: io::Error,
    },
    /// The observer said so.
    #[error("{path}: stopped; what has arrived is kept, and the next call goes on from there")]
    Stopped {
        /// The file.
        path: String,
    },
    /// The Hub refused or did not answer.
    #[error(transparent)]
    Hub(#[from] HubError),
}

impl CacheError {
    pub(super) fn io(path: &Path, doing: &'static str, error: io::Error) -> Self {
        let path = path.to_owned();
        if matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ) {
            let (done, total) = (0, None);
            return Self::NoRoom { path, done, total };
        }
        Self::Io { path, doing, error }
    }

    /// Whether the server could not be reached or did not do its work, so that asking later may help.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Hub(error) if unavailable(error))
    }
}

pub(super) fn unavailable(error: &HubError) -> bool {
    matches!(
        error,
        HubError::Fetch(FetchError::GaveUp { .. } | FetchError::Certificate { .. })
    )
}

impl From<FetchError> for CacheError {
    fn from(error: FetchError) -> Self {
        Self::Hub(error.into())
    }
}
