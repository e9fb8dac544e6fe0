//! Why a model's files were not found.

use std::path::PathBuf;

/// A model whose files cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file that every model has.
    #[error("{}: there is no {name}; a model's directory has config.json and model.safetensors (or model.safetensors.index.json)", dir.display())]
    Missing {
        /// Where it was looked for.
        dir: PathBuf,
        /// The file.
        name: &'static str,
    },
    /// The list of shards is not usable.
    #[error("{}: {reason}", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// In words.
        reason: String,
    },
}
