//! Why prompts cannot be read.

use crate::{Location, ReadError, SourceError};
use std::path::PathBuf;

/// Prompts that cannot be read: the file, the line, and what is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is larger than prompts that are all kept in memory may be.
    #[error("{}: has {bytes} bytes, more than the {limit} that a file of prompts may have; split it", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The largest size.
        limit: u64,
    },
    /// The file is not text.
    #[error("{}: is not UTF-8 text (byte {at}); expected one prompt a line, JSON Lines or Parquet", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first byte that is not.
        at: usize,
    },
    /// A compressed file.
    #[error("{}: is compressed; unpack it first (prompts are read from text, JSON Lines or Parquet)", .0.display())]
    Compressed(PathBuf),
    /// A line is not a prompt.
    #[error("{}, line {line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The problem.
        problem: String,
    },
    /// There is nothing in the file.
    #[error("{}: has no prompts", .0.display())]
    Empty(PathBuf),
    /// A table cannot be opened.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A row of a table cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A row of token ids.
    #[error("{0}: has token ids, expected text; name a column of text, `text` for one")]
    Ids(Location),
}
