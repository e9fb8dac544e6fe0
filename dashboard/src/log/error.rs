//! Errors of logs.

use std::path::PathBuf;

use thiserror::Error;

/// Why a log cannot be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LogError {
    /// It cannot be begun or named.
    #[error(transparent)]
    Output(#[from] whole_file::WriteError),
    /// The file system refused.
    #[error("cannot {verb} {path}: {source}")]
    Io {
        /// The operation that failed.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Something exists at the path already.
    #[error("{path} holds a log already; go on with it, or remove it")]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// No log, or a damaged one.
    #[error("{path} is not a readable activation log: {reason}; create it again")]
    Damaged {
        /// The folder or file.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
    /// A log that was interrupted.
    #[error("the log in {path} is not finished ({contexts} contexts so far); go on with it first")]
    Unfinished {
        /// The folder.
        path: PathBuf,
        /// How many contexts it has.
        contexts: u64,
    },
    /// Logs that do not belong together.
    #[error(
        "the logs in {first} and {other} are not of the same work: {key} is {is} in one and {was} in the other"
    )]
    Different {
        /// One log.
        first: PathBuf,
        /// The other.
        other: PathBuf,
        /// The difference.
        key: String,
        /// In the first.
        is: String,
        /// In the other.
        was: String,
    },
    /// A context twice.
    #[error("context {context} is logged twice (in {path}); logs of shards must not overlap")]
    Twice {
        /// Its number.
        context: u64,
        /// The second log.
        path: PathBuf,
    },
    /// An activation that is infinite.
    #[error(
        "feature {feature} is {value} at position {position} of context {context}: the SAE or the model overflows; try f32"
    )]
    NotFinite {
        /// The feature.
        feature: u32,
        /// Its value.
        value: f32,
        /// Position in the context.
        position: usize,
        /// The context.
        context: u64,
    },
    /// Nothing was logged.
    #[error("the log has no context")]
    Empty,
}

/// An input or output error with its file.
pub(super) fn io(
    verb: &'static str,
    path: &std::path::Path,
) -> impl FnOnce(std::io::Error) -> LogError {
    move |source| LogError::Io {
        verb,
        path: path.to_owned(),
        source,
    }
}
