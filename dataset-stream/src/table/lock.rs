//! One writer at a time: a lock that the operating system lets go of when its process ends, however it ends.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::token_files::TableError;

/// Locks a partial file, so that a second call does not write into it.
///
/// # Errors
/// When another process holds it, and when the file has lost its name since it was opened: the other process has just finished.
pub(super) fn lock(file: &File, path: &Path) -> Result<(), TableError> {
    match file.try_lock() {
        Ok(()) if !has_name(file, path) => Err(at_work(path)),
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(at_work(path)),
        // Some network file systems have no locks.
        Err(TryLockError::Error(error)) => {
            tracing::debug!(%error, ?path, "no lock");
            Ok(())
        }
    }
}

/// Locks a partial folder, as long as the file that is returned is open. Where folders cannot be opened, there is no lock.
pub(super) fn lock_folder(path: &Path) -> Result<Option<File>, TableError> {
    match File::open(path) {
        Ok(folder) => lock(&folder, path).map(|()| Some(folder)),
        Err(error) => {
            tracing::debug!(%error, ?path, "no lock");
            Ok(None)
        }
    }
}

fn at_work(path: &Path) -> TableError {
    TableError::AtWork {
        path: path.to_owned(),
    }
}

#[cfg(unix)]
fn has_name(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |found: std::fs::Metadata| (found.dev(), found.ino());
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => identity(open) == identity(named),
        _ => false,
    }
}

#[cfg(not(unix))]
fn has_name(_: &File, path: &Path) -> bool {
    path.exists()
}
