//! Why training stops.

use crate::checkpoint::CheckpointError;
use crate::trainer::Diverged;
use std::error::Error;

/// Training that cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// Activations cannot be made or read.
    #[error(transparent)]
    Activations(Box<dyn Error + Send + Sync>),
    /// The data has ended before the run.
    #[error("the data has ended after {epochs} passes, with {rows} tokens left in the buffer")]
    OutOfData {
        /// Times that it was read.
        epochs: u64,
        /// Tokens left, fewer than a batch.
        rows: usize,
    },
    /// A loss is not finite.
    #[error("{run}: {source}")]
    Diverged {
        /// Which run.
        run: String,
        /// How.
        source: Diverged,
    },
    /// A run reads a hook that there is not, or one of another width.
    #[error("{run}: {problem}")]
    Run {
        /// Which.
        run: String,
        /// What is wrong.
        problem: String,
    },
    /// A checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}
