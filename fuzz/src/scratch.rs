//! Files in memory, for readers that take paths.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Between the files of an input that is several.
pub const PART: &[u8] = b"\n=====\n";

thread_local! {
    static FOLDER: OnceCell<TempDir> = const { OnceCell::new() };
}

/// The folder of this thread, in memory where the system has such a place.
pub(crate) fn folder() -> PathBuf {
    let make = || {
        let memory = Path::new("/dev/shm");
        let made = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        made.expect("a temporary folder can be made")
    };
    FOLDER.with(|folder| folder.get_or_init(make).path().to_owned())
}

/// A file with these bytes, in the place of an earlier one of its name.
pub(crate) fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    // A reader may still have the old one mapped, so it is never cut short under it.
    let _ = fs::remove_file(&path);
    fs::write(&path, bytes).expect("a temporary file can be written");
    path
}

/// A folder with these files, of which the input has one after the other; those that it lacks are not there.
pub(crate) fn files(folder_name: &str, names: &[&str], data: &[u8]) -> PathBuf {
    let folder = folder().join(folder_name);
    fs::create_dir_all(&folder).expect("a temporary folder can be made");
    let mut parts = parts(data);
    for name in names {
        let path = folder.join(name);
        let _ = fs::remove_file(&path);
        if let Some(part) = parts.next() {
            fs::write(&path, part).expect("a temporary file can be written");
        }
    }
    folder
}

/// The input, split at [`PART`].
pub(crate) fn parts(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(data);
    std::iter::from_fn(move || {
        let now = rest?;
        match now.windows(PART.len()).position(|window| window == PART) {
            Some(at) => {
                rest = Some(&now[at + PART.len()..]);
                Some(&now[..at])
            }
            None => rest.take(),
        }
    })
}
