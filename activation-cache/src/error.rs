//! Why a folder of activations cannot be read or written.

use std::io;
use std::path::{Path, PathBuf};
use whole_file::{TensorFileError, WriteError};

/// A folder of activations that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The system refuses.
    #[error("{}: cannot be {doing}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A shard cannot be written.
    #[error(transparent)]
    Tensors(#[from] TensorFileError),
    /// There is no such folder.
    #[error("{}: no such folder; `sae activations --shards` makes one", .0.display())]
    NoFolder(PathBuf),
    /// There is no manifest in it.
    #[error(
        "{}: has no manifest.json of activations: either it is something else, or it was not written to its end; the call that began it goes on with it", .0.display()
    )]
    NoManifest(PathBuf),
    /// The manifest says what cannot be.
    #[error("{}: {reason}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A shard is not as the manifest or the settings say.
    #[error("{}: {reason}", path.display())]
    Shard {
        /// The shard.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The settings cannot be.
    #[error("activations cannot be cached so: {0}")]
    Settings(String),
    /// What is there was made with other settings.
    #[error(
        "{}: holds activations of other settings: {difference}; give the settings of then, another folder, or remove this one", path.display()
    )]
    OtherSettings {
        /// The folder.
        path: PathBuf,
        /// The first that differs.
        difference: String,
    },
    /// The folder holds something else.
    #[error("{}: holds {name:.80?}, which is not of cached activations; give another folder", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// A file in it.
        name: String,
    },
    /// Another process is writing it.
    #[error("{}: another process is writing there", .0.display())]
    AtWork(PathBuf),
    /// The disk is too small.
    #[error("{}: the activations take {needed} bytes more, and the disk has {free} bytes free", path.display())]
    NoSpace {
        /// The folder.
        path: PathBuf,
        /// Bytes that are still to be written.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// A number that cannot be stored.
    #[error(
        "row {row}, position {position}: {hook} has a value that {dtype} cannot hold ({value})"
    )]
    NotFinite {
        /// The row.
        row: usize,
        /// The position in it.
        position: usize,
        /// The hook.
        hook: String,
        /// The number format.
        dtype: crate::CacheDtype,
        /// The value.
        value: f32,
    },
    /// Rows of another size than announced, or more of them.
    #[error("{0}")]
    Rows(String),
}

impl CacheError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    pub(crate) fn shard(path: &Path, reason: impl Into<String>) -> Self {
        Self::Shard {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
