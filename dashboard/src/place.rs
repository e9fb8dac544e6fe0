//! Where output goes.

use std::path::Path;

/// Whether a folder cannot take its place: an empty folder gives way.
pub(crate) fn is_taken(path: &Path) -> bool {
    match std::fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => path.symlink_metadata().is_ok(),
    }
}
