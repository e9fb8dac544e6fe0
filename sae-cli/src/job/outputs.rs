//! Outputs that options name: whether they can be written, before the work that is to fill them.

use crate::error::UsageError;
use anyhow::{Result, anyhow, bail};
use std::path::Path;
use whole_file::{WriteError, WriteErrorKind, is_pipe};

/// Makes sure that a file can be written there. `option` is what named it.
pub(crate) fn check_file(option: &str, path: &Path) -> Result<()> {
    if path == Path::new("-") {
        bail!(UsageError(format!(
            "{option} -: this is not text and does not go to stdout; give the name of a file"
        )));
    }
    whole_file::check(path).map_err(|error| in_flags(option, error))
}

/// As [`check_file`], for a folder; its parent folder must exist.
pub(crate) fn check_folder(option: &str, path: &Path) -> Result<()> {
    whole_file::check_folder(path).map_err(|error| in_flags(option, error))
}

/// As [`check_file`] for text, which may also go to stdout (`-`) or into a pipe.
pub(crate) fn check_text_file(option: &str, path: &Path) -> Result<()> {
    if path == Path::new("-") || is_pipe(path) {
        return Ok(());
    }
    check_file(option, path)
}

/// A message that names the option to change.
pub(crate) fn in_flags(option: &str, error: WriteError) -> anyhow::Error {
    let shown = error.path.display();
    match &error.kind {
        WriteErrorKind::IsFolder => {
            anyhow!("{shown}: is a folder; {option} takes the name of a file")
        }
        WriteErrorKind::IsPipe => {
            anyhow!("{shown}: is a device or a pipe; {option} takes the name of a file")
        }
        WriteErrorKind::NotAFolder => {
            anyhow!("{shown}: is not a folder; give {option} another name")
        }
        WriteErrorKind::LinkCircle => {
            anyhow!("{shown}: is a link that leads in a circle; give {option} another name")
        }
        WriteErrorKind::NoName => {
            anyhow!("{shown}: is not a name that could be given to a folder; {option} makes one")
        }
        WriteErrorKind::NoFolder(folder) => anyhow!(
            "{shown}: there is no folder {}; make it first, or choose another place with {option}",
            folder.display()
        ),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::check_file;

    #[test]
    fn messages_name_the_option() {
        let dir = tempfile::tempdir().unwrap();
        let message = |name: &str| {
            let error = check_file("--out", &dir.path().join(name));
            error.unwrap_err().to_string()
        };
        assert!(message("no/x").ends_with("make it first, or choose another place with --out"));
        assert!(message("").ends_with("is a folder; --out takes the name of a file"));
    }
}
