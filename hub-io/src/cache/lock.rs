//! One process at a time fetches a file; Python's `huggingface_hub` takes the same lock.

use std::fs::{self, File, TryLockError};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Between attempts to take a lock that another process holds.
const PAUSE: Duration = Duration::from_millis(50);
/// After this long, say what is being waited for.
const LONG: Duration = Duration::from_secs(5);

/// Held until dropped; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    /// None on a file system that knows no locks.
    _file: Option<File>,
}

impl Lock {
    /// Waits until the lock is free, or until `waiting`, which is called now and then, breaks off: then there is none.
    pub(super) fn take(
        path: &Path,
        mut waiting: impl FnMut() -> ControlFlow<()>,
    ) -> io::Result<Option<Self>> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let (start, mut told) = (Instant::now(), false);
        loop {
            let options = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .clone();
            let file = options.open(path)?;
            match file.try_lock() {
                Ok(()) if is_gone(&file) => {}
                Ok(()) => return Ok(Some(Self { _file: Some(file) })),
                Err(TryLockError::WouldBlock) => {
                    if !told && start.elapsed() > LONG {
                        told = true;
                        tracing::warn!(
                            "{} is locked: another process downloads this file; waiting for it",
                            path.display()
                        );
                    }
                    if waiting().is_break() {
                        return Ok(None);
                    }
                    thread::sleep(PAUSE);
                }
                Err(TryLockError::Error(error)) => {
                    tracing::debug!(lock = %path.display(), %error, "no locks here: going on without");
                    return Ok(Some(Self { _file: None }));
                }
            }
        }
    }
}

/// Some versions of Python's `filelock` delete the file when they let go: a lock on what nobody else can open is none.
#[cfg(unix)]
fn is_gone(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|found| found.nlink() == 0)
}

#[cfg(not(unix))]
fn is_gone(_: &File) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.lock");
        let never = || ControlFlow::Break(());
        let first = Lock::take(&path, never).unwrap().unwrap();
        assert!(Lock::take(&path, never).unwrap().is_none());
        drop(first);
        assert!(Lock::take(&path, never).unwrap().is_some());
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_on_a_deleted_file_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.lock");
        let file = File::create(&path).unwrap();
        assert!(!is_gone(&file));
        fs::remove_file(&path).unwrap();
        assert!(is_gone(&file));
    }
}
