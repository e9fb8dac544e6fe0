//! Where output goes: a temporary name beside its own, until it is complete.

use std::path::Path;

use tempfile::{NamedTempFile, TempDir};

/// Whether a folder cannot take its place: an empty folder gives way.
pub(crate) fn is_taken(path: &Path) -> bool {
    match std::fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => path.symlink_metadata().is_ok(),
    }
}

fn folder_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

pub(crate) fn temporary_file(path: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sae-");
    permit(&mut builder, 0o666);
    builder.tempfile_in(folder_of(path))
}

pub(crate) fn temporary_folder(path: &Path) -> std::io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sae-");
    permit(&mut builder, 0o777);
    builder.tempdir_in(folder_of(path))
}

/// Gives a complete folder its name.
pub(crate) fn persist_folder(folder: TempDir, path: &Path) -> std::io::Result<()> {
    std::fs::rename(folder.path(), path)?;
    // It has moved: there is nothing to remove.
    let _ = folder.keep();
    Ok(())
}

/// The permissions of a new file, narrowed by the umask; a temporary one's would be the owner's alone.
fn permit(builder: &mut tempfile::Builder<'_, '_>, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = (builder, mode);
}
