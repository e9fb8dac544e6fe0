//! Files that appear whole or not at all.

use std::io;
use std::path::Path;
use tempfile::NamedTempFile;

/// Writes a file under a temporary name in the same folder, and renames it when it is complete.
pub(crate) fn write_atomic(
    path: &Path,
    write: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let file = NamedTempFile::new_in(dir)?;
    write(file.path())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
