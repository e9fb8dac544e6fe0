//! Errors of measuring.

use thiserror::Error;

/// Why a protocol could not continue. `E` is the error of the rows it was given.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProtocolError<E: std::error::Error + 'static> {
    /// The rows could not be read.
    #[error("cannot read row {row} of the tokens")]
    Rows {
        /// Which row, from 0.
        row: u64,
        /// The source's message.
        #[source]
        source: E,
    },
    /// A row without tokens.
    #[error("row {row} of the tokens is empty")]
    EmptyRow {
        /// Which row, from 0.
        row: u64,
    },
    /// A token the model does not know.
    #[error(
        "token {token} at position {position} of row {row} is outside the model's vocabulary of {vocab_size}; were the tokens \
         made with another model's tokenizer?"
    )]
    UnknownToken {
        /// Which row, from 0.
        row: u64,
        /// Where in it, from 0.
        position: usize,
        /// The id found.
        token: u32,
        /// Ids are below this.
        vocab_size: usize,
    },
    /// The SAE and the hook do not fit.
    #[error(
        "{what}: expected width {expected}, found {found}; does this SAE belong to this model and hook?"
    )]
    Width {
        /// Which activation has the wrong width.
        what: &'static str,
        /// The width that the SAE or the hook asks for.
        expected: usize,
        /// The width found.
        found: usize,
    },
}
