//! Errors between documents and rows.

use thiserror::Error;

use crate::source::ReadError;
use crate::tokenizer::EncodeError;
use crate::{Location, TokenRef};

/// Why a stream of rows stopped, or could not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// A row of the data set could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A row of the data set could not be tokenised.
    #[error("{location}: {source}")]
    Encode {
        /// The row.
        location: Location,
        /// The tokenizer's message.
        source: EncodeError,
    },
    /// Ids that the tokenizer does not have.
    #[error(
        "{location}: token id {id} at position {position} is outside the vocabulary of {vocab_size}; \
         was the data set made with another tokenizer?"
    )]
    OutsideVocabulary {
        /// The row.
        location: Location,
        /// The id.
        id: u32,
        /// Where in the row.
        position: usize,
        /// The tokenizer's.
        vocab_size: usize,
    },
    /// A tokenised row with too few ids.
    #[error(
        "{location}: the row has {found} ids, fewer than the context size of {context_size}; {}",
        remedy(*found)
    )]
    RowTooShort {
        /// The row.
        location: Location,
        /// Its ids.
        found: usize,
        /// The context size asked for.
        context_size: usize,
    },
    /// A packing that needs a token which the tokenizer does not name.
    #[error(
        "the packing needs the tokenizer's {token}, and none is named beside {tokenizer:?} \
         (tokenizer_config.json, special_tokens_map.json, config.json){hint}"
    )]
    NoSuchToken {
        /// The role.
        token: TokenRef,
        /// `tokenizer.json`.
        tokenizer: std::path::PathBuf,
        /// What to do about it.
        hint: &'static str,
    },
    /// Rows that have no room for text.
    #[error("a context size of {context_size} has no room for text; it must be at least {least}")]
    ContextTooSmall {
        /// The context size asked for.
        context_size: usize,
        /// The smallest that works.
        least: usize,
    },
    /// Rows longer than anything reads.
    #[error(
        "a context size of {context_size} is more than rows may have, {most} tokens; is the number right?"
    )]
    ContextTooLarge {
        /// The context size asked for.
        context_size: usize,
        /// The largest that works.
        most: usize,
    },
    /// A budget that not even one row fits.
    #[error("a budget of {tokens} tokens is less than one row of {context_size}")]
    BudgetTooSmall {
        /// The budget.
        tokens: u64,
        /// The row.
        context_size: usize,
    },
    /// A state that the stream cannot resume from.
    #[error(transparent)]
    State(#[from] super::StateError),
    /// More bad rows than are to be left out.
    #[error(
        "{bad} of {rows} rows cannot be used, more than {at_most_percent} %; the first: {first}"
    )]
    TooManyBadRows {
        /// Rows left out.
        bad: u64,
        /// Rows read, these included.
        rows: u64,
        /// What was accepted.
        at_most_percent: u8,
        /// What is wrong with the first.
        first: String,
    },
    /// The operating system gave no thread.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// A bug, here or in a library: not the user's fault.
    #[error("a {role} thread panicked{during}: {message}")]
    Panicked {
        /// What the thread does.
        role: &'static str,
        /// On what, if that is known.
        during: String,
        /// The panic's message.
        message: String,
    },
}

/// What to try where a tokenised row is too short.
fn remedy(found: usize) -> String {
    match found {
        0 => "leave out bad rows, read another column, or have the rows packed anew as documents"
            .into(),
        _ => format!(
            "choose a context size of at most {found}, or have the rows packed anew as documents"
        ),
    }
}

impl StreamError {
    /// The row that this is about, if it is about a row.
    pub(crate) fn row(&self) -> Option<&Location> {
        match self {
            Self::Read(error) => error.row(),
            Self::Encode { location, .. }
            | Self::OutsideVocabulary { location, .. }
            | Self::RowTooShort { location, .. } => Some(location),
            _ => None,
        }
    }
}
