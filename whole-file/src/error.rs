//! Why something cannot be written.

use std::io;
use std::path::PathBuf;

/// An output that cannot be written: which one, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
#[non_exhaustive]
pub struct WriteError {
    /// The output, as it was given.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub kind: WriteErrorKind,
}

/// Why an output cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteErrorKind {
    /// A folder where a file is to be.
    #[error("is a folder; give the name of a file")]
    IsFolder,
    /// A device or a pipe where a file is to be.
    #[error("is a device or a pipe; give the name of a file")]
    IsPipe,
    /// A file where a folder is to be.
    #[error("is not a folder; give another name")]
    NotAFolder,
    /// A link that leads to itself.
    #[error("is a link that leads in a circle; give another name")]
    LinkCircle,
    /// `..`, `/` and the like.
    #[error("is not a name that a folder can have")]
    NoName,
    /// The folder around it is missing.
    #[error("there is no folder {}; make it first, or choose another place", .0.display())]
    NoFolder(PathBuf),
    /// The system refuses.
    #[error("cannot be written; may you write to its folder, and is there room on the disk?")]
    Io(#[from] io::Error),
}

impl WriteErrorKind {
    pub(crate) fn of(self, path: impl Into<PathBuf>) -> WriteError {
        WriteError {
            path: path.into(),
            kind: self,
        }
    }
}
