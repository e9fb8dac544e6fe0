//! The bytes under their name in a commit.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A name in `blobs` that nobody else uses.
pub(super) fn temporary_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(".{}-{n}.tmp", std::process::id())
}

/// Makes `snapshots/<commit>/<path>` a relative link to `blobs/<name>`, in place of what has that name. Where the file system
/// has no symbolic links it becomes a hard link, or else a copy.
pub(super) fn link(blob: &Path, snapshot: &Path, path: &str) -> io::Result<PathBuf> {
    link_by(symlink, blob, snapshot, path)
}

fn link_by(
    symlink: fn(&Path, &Path) -> io::Result<()>,
    blob: &Path,
    snapshot: &Path,
    path: &str,
) -> io::Result<PathBuf> {
    let pointer = snapshot.join(path);
    if let Some(folder) = pointer.parent() {
        fs::create_dir_all(folder)?;
    }
    let temporary = blob.with_file_name(temporary_name());
    // From the folder of the pointer through `snapshots/<commit>`, two levels, to the repository's.
    let up = path.matches('/').count() + 2;
    let mut target: PathBuf = std::iter::repeat_n("..", up).collect();
    target.push("blobs");
    target.extend(blob.file_name());
    symlink(&target, &temporary)
        .or_else(|_| fs::hard_link(blob, &temporary))
        .or_else(|_| fs::copy(blob, &temporary).map(drop))
        .and_then(|()| fs::rename(&temporary, &pointer))
        .inspect_err(|_| {
            // The rest of a copy that failed.
            let _ = fs::remove_file(&temporary);
        })?;
    Ok(pointer)
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target, link)
}

#[cfg(not(any(unix, windows)))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_relative_and_replace_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let (blobs, snapshot) = (dir.path().join("blobs"), dir.path().join("snapshots/c"));
        fs::create_dir_all(&blobs).unwrap();
        for (path, content) in [("a", "1"), ("d/e/f", "2"), ("a", "3")] {
            let blob = blobs.join(content);
            fs::write(&blob, content).unwrap();
            let pointer = link(&blob, &snapshot, path).unwrap();
            assert_eq!(pointer, snapshot.join(path));
            assert_eq!(fs::read_to_string(&pointer).unwrap(), content);
        }
        #[cfg(unix)]
        assert_eq!(
            fs::read_link(snapshot.join("d/e/f")).unwrap(),
            Path::new("../../../../blobs/2")
        );
        assert_eq!(
            fs::read_dir(&blobs).unwrap().count(),
            3,
            "nothing temporary"
        );
    }

    #[test]
    fn without_symbolic_links_there_is_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let (blob, snapshot) = (dir.path().join("blobs/1"), dir.path().join("snapshots/c"));
        fs::create_dir_all(blob.parent().unwrap()).unwrap();
        fs::write(&blob, "1").unwrap();
        let refuse = |_: &Path, _: &Path| Err(io::ErrorKind::PermissionDenied.into());
        let pointer = link_by(refuse, &blob, &snapshot, "x/y").unwrap();
        assert!(!pointer.is_symlink());
        assert_eq!(fs::read_to_string(pointer).unwrap(), "1");
        fs::remove_file(&blob).unwrap();
        assert!(link_by(refuse, &blob, &snapshot, "z").is_err());
    }
}
