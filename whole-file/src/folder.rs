//! Folders.

use crate::file::temporary;
use crate::{WriteError, WriteErrorKind, folder_of, follow};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder under a temporary name beside its own, which it gets when it is finished. Dropped before, it leaves nothing.
#[derive(Debug)]
pub struct WholeFolder {
    path: PathBuf,
    real: PathBuf,
    folder: TempDir,
}

impl WholeFolder {
    /// Begins a folder.
    ///
    /// # Errors
    /// If none can be made beside it.
    pub fn create(path: &Path) -> Result<Self, WriteError> {
        let real = follow(path);
        let folder = temporary(0o777).tempdir_in(folder_of(&real));
        Ok(Self {
            folder: folder.map_err(|error| WriteErrorKind::from(error).of(path))?,
            path: path.to_owned(),
            real,
        })
    }

    /// The temporary name, below which to write.
    pub fn temporary(&self) -> &Path {
        self.folder.path()
    }

    /// Gives the folder its name. An empty folder gives way, one with files in it does not.
    ///
    /// # Errors
    /// If it cannot be renamed.
    pub fn finish(self) -> Result<(), WriteError> {
        let Self { path, real, folder } = self;
        std::fs::rename(folder.path(), real)
            .map_err(|error| WriteErrorKind::from(error).of(path))?;
        // It has moved: there is nothing to remove.
        let _ = folder.keep();
        Ok(())
    }
}

/// Makes sure that a folder can be written there, as [`check`](crate::check) does for a file; its parent folder must exist.
///
/// # Errors
/// If it cannot.
pub fn check_folder(path: &Path) -> Result<(), WriteError> {
    let real = follow(path);
    let folder = folder_of(&real);
    if real.is_symlink() {
        return Err(WriteErrorKind::LinkCircle.of(path));
    }
    if real.file_name().is_none() {
        return Err(WriteErrorKind::NoName.of(path));
    }
    if real.exists() && !real.is_dir() {
        return Err(WriteErrorKind::NotAFolder.of(path));
    }
    if !folder.is_dir() {
        return Err(WriteErrorKind::NoFolder(folder.to_owned()).of(path));
    }
    WholeFolder::create(path).map(drop)
}

#[cfg(test)]
mod tests {
    use super::{WholeFolder, check_folder};

    #[test]
    fn a_folder_appears_with_all_that_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let folder = WholeFolder::create(&path).unwrap();
        std::fs::write(folder.temporary().join("x"), "y").unwrap();
        assert!(!path.exists());
        folder.finish().unwrap();
        assert_eq!(std::fs::read(path.join("x")).unwrap(), b"y");
        let again = WholeFolder::create(&path).unwrap();
        assert!(again.finish().is_err(), "what is there is not replaced");
    }

    #[test]
    fn an_impossible_folder_is_found_early() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        check_folder(&path("x")).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        std::fs::write(path("file"), "").unwrap();
        let message = |name: &str| check_folder(&path(name)).unwrap_err().to_string();
        assert!(message("file").ends_with("is not a folder; give another name"));
        assert!(message("no/x").contains("there is no folder"));
        assert!(message("..").ends_with("is not a name that a folder can have"));
    }
}
