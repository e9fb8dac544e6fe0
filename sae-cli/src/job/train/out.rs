//! The folder that a call writes: one run, or one folder for each of several.

use crate::error::UsageError;
use anyhow::{Context, Result, bail, ensure};
use sae_train::{RunFolder, checkpoints};
use std::fs::File;
use std::path::{Path, PathBuf};

const LOCK: &str = ".lock";

/// `--out`, held by this call alone.
pub(crate) struct OutFolder {
    path: PathBuf,
    single: bool,
    /// Whether this call has made it.
    is_new: bool,
    /// Locked as long as this lives.
    _lock: File,
}

impl OutFolder {
    /// Makes the folder. One that holds something is refused, unless the call is to go on with it.
    pub(crate) fn open(path: &Path, single: bool, resume: bool) -> Result<Self> {
        let what = || format!("--out {}", path.display());
        ensure!(!path.is_file(), "{}: is a file; a run is a folder", what());
        let is_new = !path.exists();
        let holds_something = path
            .read_dir()
            .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name() != LOCK));
        if holds_something && !resume {
            bail!(UsageError(format!(
                "{}: holds something already; give --resume to go on with it, or another name",
                what()
            )));
        }
        std::fs::create_dir_all(path).with_context(what)?;
        let lock = path.join(LOCK);
        let lock = File::create(&lock).with_context(|| lock.display().to_string())?;
        if lock.try_lock().is_err() {
            bail!("{}: another process is training there", what());
        }
        let folder = Self {
            path: path.to_owned(),
            single,
            is_new,
            _lock: lock,
        };
        tidy(path)?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a run.
    pub(crate) fn run(&self, name: &str) -> RunFolder {
        if self.single {
            RunFolder::new(&self.path)
        } else {
            RunFolder::new(self.path.join(name))
        }
    }

    pub(crate) fn checkpoints(&self) -> PathBuf {
        RunFolder::new(&self.path).checkpoints()
    }

    pub(crate) fn page(&self) -> PathBuf {
        self.path.join("training.html")
    }

    /// The latest checkpoint.
    pub(crate) fn latest(&self) -> Result<Option<PathBuf>> {
        Ok(checkpoints(&self.checkpoints())?
            .pop()
            .map(|(_, path)| path))
    }
}

/// Removes what a call that was killed had not finished writing.
fn tidy(folder: &Path) -> Result<()> {
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        let (is_folder, is_temporary) = (path.is_dir(), whole_file::is_temporary(&path));
        let done = match (is_folder, is_temporary) {
            (true, true) => std::fs::remove_dir_all(&path),
            (false, true) => std::fs::remove_file(&path),
            (true, false) => {
                tidy(&path)?;
                Ok(())
            }
            (false, false) => Ok(()),
        };
        done.with_context(|| path.display().to_string())?;
    }
    Ok(())
}

impl Drop for OutFolder {
    fn drop(&mut self) {
        // Nothing depends on either.
        let _ = std::fs::remove_file(self.path.join(LOCK));
        if self.is_new {
            // Where nothing was written into it.
            let _ = std::fs::remove_dir(&self.path);
        }
    }
}
