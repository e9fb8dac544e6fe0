//! How rows are made.

use std::num::NonZeroUsize;

use super::error::StreamError;
use super::{Shard, Shuffle};
use crate::packing::{Packer, Packing, SaeLensIds, SaeLensPacking};
use crate::{TokenRef, Tokenizer};

/// The longest row: more than any model reads, and few enough ids that a mistyped number cannot fill the memory.
const MAX_CONTEXT: usize = 1 << 24;
/// Threads that tokenise where the machine has fewer cores: more of them only wait, and each costs memory.
const MAX_THREADS: usize = 64;

/// How documents become rows, and how much is made of them.
///
/// ```
/// use dataset_stream::{Budget, StreamOptions};
///
/// let mut options = StreamOptions::new(128);
/// options.budget = Budget::Sequences(32);
/// assert!(options.prepend_bos);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamOptions {
    /// Ids in a row, at most 2^24.
    pub context_size: usize,
    /// How documents are joined and cut.
    pub packing: Packing,
    /// Whether each row starts with BOS.
    pub prepend_bos: bool,
    /// What becomes of documents that are tokenised already.
    pub pretokenized: Pretokenized,
    /// Whether documents come in another order than that of the data set.
    pub shuffle: Option<Shuffle>,
    /// The part of the data set that is read; all of it by default.
    pub shard: Option<Shard>,
    /// Where to stop.
    pub budget: Budget,
    /// Threads that tokenise, besides one that reads; 0 for as many as the machine has. More than it has are started up to 64, no
    /// further. Rows do not depend on it.
    pub threads: usize,
    /// Bytes of text and ids that may be under way between the reader and the caller. Memory stays below this plus one
    /// block (1 MiB, or one longer row), the blocks that the threads work on, 16 MiB fetched ahead over a network and, where documents are shuffled, a window of them. 256 MiB by default.
    pub bytes_in_flight: usize,
}

impl StreamOptions {
    /// Rows of `context_size`, the notebook's packing with BOS, everything there is.
    pub fn new(context_size: usize) -> Self {
        Self {
            context_size,
            packing: Packing::Notebook,
            prepend_bos: true,
            pretokenized: Pretokenized::Rows,
            shuffle: None,
            shard: None,
            budget: Budget::Everything,
            threads: 0,
            bytes_in_flight: 256 << 20,
        }
    }

    pub(super) fn packer(&self, tokenizer: &Tokenizer) -> Result<Packer, StreamError> {
        let look_up = |token: TokenRef, hint: &'static str| {
            let id = match token {
                TokenRef::Bos => tokenizer.bos(),
                TokenRef::Eos => tokenizer.eos(),
                TokenRef::Sep => tokenizer.special().sep,
                TokenRef::Id(id) => Some(id),
            };
            id.ok_or_else(|| StreamError::NoSuchToken {
                token,
                tokenizer: tokenizer.path().to_owned(),
                hint,
            })
        };
        let bos = if self.prepend_bos {
            Some(look_up(TokenRef::Bos, "; or pack without BOS")?)
        } else {
            None
        };
        match self.packing {
            Packing::Notebook => {
                let eos = look_up(
                    TokenRef::Eos,
                    "; or use SAELens' packing with another separator",
                )?;
                self.check_room(bos.is_some())?;
                Ok(Packer::notebook(self.context_size, bos, eos))
            }
            Packing::SaeLens(SaeLensPacking {
                begin_batch,
                begin_sequence,
                separator,
                disable_concat,
            }) => {
                let look_up =
                    |token: Option<TokenRef>| token.map(|token| look_up(token, "")).transpose();
                let ids = SaeLensIds {
                    begin_batch: look_up(begin_batch)?.or(bos),
                    begin_sequence: look_up(begin_sequence)?,
                    separator: look_up(separator)?,
                    disable_concat,
                };
                self.check_room(ids.begin_batch.is_some())?;
                Ok(Packer::saelens(self.context_size, ids))
            }
        }
    }

    fn check_room(&self, first_is_fixed: bool) -> Result<(), StreamError> {
        let least = 1 + usize::from(first_is_fixed);
        if self.context_size < least {
            return Err(StreamError::ContextTooSmall {
                context_size: self.context_size,
                least,
            });
        }
        if self.context_size > MAX_CONTEXT {
            return Err(StreamError::ContextTooLarge {
                context_size: self.context_size,
                most: MAX_CONTEXT,
            });
        }
        Ok(())
    }

    /// The number of rows that the budget allows.
    pub(super) fn most_rows(&self) -> Result<u64, StreamError> {
        match self.budget {
            Budget::Everything => Ok(u64::MAX),
            Budget::Sequences(rows) => Ok(rows),
            Budget::Tokens(tokens) => match tokens / self.context_size as u64 {
                0 => Err(StreamError::BudgetTooSmall {
                    tokens,
                    context_size: self.context_size,
                }),
                rows => Ok(rows),
            },
        }
    }

    pub(super) fn threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        match self.threads {
            0 => cores,
            n => n.min(cores.max(MAX_THREADS)),
        }
    }
}

/// Where a stream stops, if the data does not end before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Budget {
    /// Nowhere.
    #[default]
    Everything,
    /// After as many whole rows as have at most this many ids together, BOS included.
    Tokens(u64),
    /// After this many rows.
    Sequences(u64),
}

/// What becomes of documents that are tokenised already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pretokenized {
    /// Each is a row: its first `context_size` ids, as they are. A shorter one is an error. This is what SAELens does.
    #[default]
    Rows,
    /// Each is a document, packed like a text.
    Documents,
}
