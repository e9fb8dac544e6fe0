//! Why activations or features cannot be recorded.

use dataset_stream::TableError;
use llama_hooked::{ForwardError, HookPoint, LayerOutOfRange};
use sae_progress::Stopped;
use std::io;
use std::path::PathBuf;
use whole_file::TensorFileError;

/// Activations or features that cannot be recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The output cannot be written.
    #[error(transparent)]
    Output(#[from] TensorFileError),
    /// A row of tokens cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The model refuses the input.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// The model has fewer layers than a hook says.
    #[error(transparent)]
    Layer(#[from] LayerOutOfRange),
    /// The observer stopped the work; nothing was written.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A token beyond the vocabulary.
    #[error(
        "row {row} has token {id}, which is outside the model's vocabulary ({vocab_size}); were the tokens made by its tokenizer?"
    )]
    UnknownToken {
        /// The row.
        row: usize,
        /// The token.
        id: u32,
        /// The size of the vocabulary.
        vocab_size: usize,
    },
    /// A layer to stop at that the model does not have.
    #[error("layer {layer}: the model has {n_layers} blocks; expected -{n_layers} to {n_layers}")]
    NoSuchLayer {
        /// The layer, as given.
        layer: isize,
        /// How many there are.
        n_layers: usize,
    },
    /// A hook above the layer to stop at.
    #[error("layer {layer}: {point} would not fire; give a higher layer, or none")]
    DoesNotFire {
        /// The layer, as given.
        layer: isize,
        /// The hook.
        point: HookPoint,
    },
    /// The input cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The input is something else.
    #[error("{}: {problem}", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
}
