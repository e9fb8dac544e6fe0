//! Files.

use crate::{WriteError, WriteErrorKind, folder_of, follow, is_pipe};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file under a temporary name beside its own, which it gets when it is finished. Dropped before, it leaves nothing.
#[derive(Debug)]
pub struct WholeFile {
    /// As it was given, for messages.
    path: PathBuf,
    /// With links followed.
    real: PathBuf,
    file: NamedTempFile,
}

impl WholeFile {
    /// Begins a file; one of the same name stays as it is until the new one is finished.
    ///
    /// # Errors
    /// If no file can be made in its folder.
    pub fn create(path: &Path) -> Result<Self, WriteError> {
        let real = follow(path);
        let file = temporary_beside(&real).map_err(|error| WriteErrorKind::from(error).of(path))?;
        Ok(Self {
            path: path.to_owned(),
            real,
            file,
        })
    }

    /// The name that the file will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file under its temporary name.
    pub fn as_file(&self) -> &std::fs::File {
        self.file.as_file()
    }

    /// Gives the file its name, in place of one that has it.
    ///
    /// # Errors
    /// If it cannot be renamed.
    pub fn finish(self) -> Result<(), WriteError> {
        let Self { path, real, file } = self;
        match file.persist(real) {
            Ok(_) => Ok(()),
            Err(error) => Err(WriteErrorKind::from(error.error).of(path)),
        }
    }

    /// The error while writing, with the name of the file.
    pub fn error(&self, error: io::Error) -> WriteError {
        WriteErrorKind::from(error).of(&self.path)
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for WholeFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Writes a file; into a pipe or a device, writes without replacing it.
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    if !is_pipe(path) {
        return write_all(&[(path, bytes)]);
    }
    let write = || {
        let mut pipe = std::fs::File::options().write(true).open(path)?;
        pipe.write_all(bytes)
    };
    write().map_err(|error| WriteErrorKind::from(error).of(path))
}

/// Writes files that belong together: none gets its name before all are complete.
///
/// # Errors
/// If one cannot be written.
pub fn write_all<P: AsRef<Path>, B: AsRef<[u8]>>(files: &[(P, B)]) -> Result<(), WriteError> {
    let mut complete = Vec::with_capacity(files.len());
    for (path, bytes) in files {
        let mut file = WholeFile::create(path.as_ref())?;
        if let Err(error) = file.write_all(bytes.as_ref()) {
            return Err(file.error(error));
        }
        complete.push(file);
    }
    complete.into_iter().try_for_each(WholeFile::finish)
}

/// Makes sure that a file can be written there, before the work that is to fill it. Nothing is left behind.
///
/// # Errors
/// If it cannot.
pub fn check(path: &Path) -> Result<(), WriteError> {
    let real = follow(path);
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => return Err(WriteErrorKind::IsFolder.of(path)),
        Ok(found) if !found.is_file() => return Err(WriteErrorKind::IsPipe.of(path)),
        _ => {}
    }
    if real.is_symlink() {
        return Err(WriteErrorKind::LinkCircle.of(path));
    }
    let folder = folder_of(&real);
    if !folder.is_dir() {
        return Err(WriteErrorKind::NoFolder(folder.to_owned()).of(path));
    }
    WholeFile::create(path).map(drop)
}

const PREFIX: &str = ".sae-";

/// Whether this is the name of a file or folder that is not finished: a process that was killed leaves them behind.
pub fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(PREFIX))
}

/// A temporary file in the folder of `path`, with the permissions that a new file has.
fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    temporary(0o666).tempfile_in(folder_of(path))
}

/// Permissions are narrowed by the umask, as for anything new; a temporary file's own would be for its owner alone.
pub(crate) fn temporary(mode: u32) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = mode;
    builder
}

#[cfg(test)]
mod tests {
    use super::{WholeFile, check, is_temporary, write, write_all};
    use std::io::Write;

    #[test]
    fn a_file_appears_when_it_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, "old").unwrap();
        let mut file = WholeFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert!(is_temporary(file.file.path()) && !is_temporary(&path));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        file.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        drop(WholeFile::create(&path).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn files_that_belong_together_appear_together_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let (good, bad) = (dir.path().join("good"), dir.path().join("no/bad"));
        let error = write_all(&[(&good, b"x"), (&bad, b"y")]).unwrap_err();
        assert_eq!(error.path, bad);
        assert!(!good.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_has_the_mode_that_the_umask_gives() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (ours, plain) = (dir.path().join("ours"), dir.path().join("plain"));
        write(&ours, b"x").unwrap();
        std::fs::write(&plain, b"x").unwrap();
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (link, file) = (dir.path().join("link"), dir.path().join("file"));
        std::os::unix::fs::symlink("file", &link).unwrap();
        write(&link, b"x").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(file).unwrap(), b"x");
    }

    #[test]
    fn an_impossible_place_is_found_early_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        check(&path("x")).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let message = |name: &str| check(&path(name)).unwrap_err().to_string();
        assert!(message("no/x").ends_with("make it first, or choose another place"));
        assert!(message("").ends_with("is a folder; give the name of a file"));
        write(&path("file"), b"content").unwrap();
        assert!(message("file/x").contains("there is no folder"));
    }
}
