//! Paths as the writers see them.

use std::path::{Path, PathBuf};

/// Links are followed up to this many times; a longer chain is taken for a circle.
const MOST_LINKS: usize = 40;

/// The folder that a path lies in; `.` for a bare name.
pub fn folder_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Where a path leads if it is a link, so that what it points to is written and the link stays. The end of a chain need not exist; a
/// circle gives a path that is still a link.
pub fn follow(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(target) = path.read_link() else { break };
        path = folder_of(&path).join(target);
    }
    path
}

/// Whether text written there goes into something rather than replacing it: a pipe, a device, or a file that the caller has open.
pub fn is_pipe(path: &Path) -> bool {
    const OPEN: [&str; 4] = ["/dev/fd", "/dev/stdout", "/dev/stderr", "/proc/self/fd"];
    let is_open = OPEN.iter().any(|open| path.starts_with(open));
    std::fs::metadata(path).is_ok_and(|found| !found.is_dir() && (is_open || !found.is_file()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::{follow, is_pipe};
    use std::os::unix::fs::symlink;
    use std::path::Path;

    #[test]
    fn links_lead_to_what_they_name_even_if_it_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        symlink("b", path("a")).unwrap();
        symlink(path("c"), path("b")).unwrap();
        assert_eq!(follow(&path("a")), path("c"));
        assert_eq!(follow(&path("plain")), path("plain"));
        symlink("y", path("x")).unwrap();
        symlink("x", path("y")).unwrap();
        assert!(follow(&path("x")).is_symlink(), "a circle stays a link");
    }

    #[test]
    fn devices_are_pipes_and_files_are_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(is_pipe(Path::new("/dev/null")));
        assert!(!is_pipe(file.path()));
        assert!(!is_pipe(Path::new("/")));
    }
}
