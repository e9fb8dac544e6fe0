//! The files that a call writes: links are followed, no file is written twice, and none that is read is written.

use crate::args::Global;
use crate::error::UsageError;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use whole_file::{folder_of, follow, is_pipe};

/// The files that the options of a call name for its results.
pub(crate) struct Targets(Vec<Target>);

struct Target {
    option: &'static str,
    /// As it was given.
    path: PathBuf,
    /// The same for every spelling of one file.
    identity: PathBuf,
}

impl Targets {
    /// Takes the files of a command's own options, and that of `--json`.
    ///
    /// # Errors
    /// If two of them are one file: the second would silently replace the first.
    pub(crate) fn new<'a>(
        global: &'a Global,
        own: impl IntoIterator<Item = (&'static str, &'a Path)>,
    ) -> Result<Self> {
        let json = global.json.as_deref().map(|path| ("--json", path));
        let mut targets: Vec<Target> = Vec::new();
        for (option, path) in own.into_iter().chain(json) {
            // Text goes into a pipe or to stdout without replacing anything.
            if path == Path::new("-") || is_pipe(path) {
                continue;
            }
            let identity = identity(path);
            let same = |other: &&Target| other.identity == identity;
            if let Some(same) = targets.iter().find(same) {
                bail!(UsageError(format!(
                    "{} {} and {option} {} are the same file; give one of them another name",
                    same.option,
                    same.path.display(),
                    path.display()
                )));
            }
            let lies_in = |other: &&Target| {
                identity.starts_with(&other.identity) || other.identity.starts_with(&identity)
            };
            if let Some(other) = targets.iter().find(lies_in) {
                bail!(UsageError(format!(
                    "{} {} and {option} {} lie in one another; the folder would take the file with it when it is replaced",
                    other.option,
                    other.path.display(),
                    path.display()
                )));
            }
            targets.push(Target {
                option,
                path: path.to_owned(),
                identity,
            });
        }
        Ok(Self(targets))
    }

    /// Makes sure that none of these files, which the call reads, would be replaced by what it writes.
    ///
    /// # Errors
    /// If one would.
    pub(crate) fn spare(&self, read: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<()> {
        for path in read {
            let path = path.as_ref();
            let Ok(read) = path.canonicalize() else {
                continue;
            };
            let is_in = |target: &&Target| {
                read.starts_with(&target.identity)
                    || (read.is_dir() && target.identity.starts_with(&read))
            };
            if let Some(target) = self.0.iter().find(is_in) {
                bail!(UsageError(format!(
                    "{} {}: is a file that this call reads ({}), and would be replaced; choose another name",
                    target.option,
                    target.path.display(),
                    path.display()
                )));
            }
        }
        Ok(())
    }
}

fn identity(path: &Path) -> PathBuf {
    let path = follow(path);
    path.canonicalize().unwrap_or_else(|_| {
        let name = path.file_name().unwrap_or_default();
        let folder = folder_of(&path);
        folder
            .canonicalize()
            .unwrap_or_else(|_| folder.to_owned())
            .join(name)
    })
}

#[cfg(test)]
mod tests {
    use super::identity;

    #[cfg(unix)]
    #[test]
    fn links_lead_to_files_that_need_not_be_there() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        symlink("b", path("a")).unwrap();
        symlink(path("sub/file"), path("b")).unwrap();
        std::fs::create_dir(path("sub")).unwrap();
        assert_eq!(identity(&path("a")), identity(&path("sub/../sub/file")));
    }
}
