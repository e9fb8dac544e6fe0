//! SAELens' packing: `concat_and_batch_sequences` of `sae_lens.tokenization_and_batching` (6.54), id for id.
//!
//! The tokens that a row or a document starts with ("the prefix") are built back to front, and a token that would only repeat the one
//! after it is left out. A prefix may be cut by the row's end; then only a missing begin-of-sequence is made up for in the
//! next row.

use super::{DocumentProgress, PackerState, empty_row};

/// [`SaeLensPacking`](super::SaeLensPacking) with the tokens looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SaeLensIds {
    /// First in each row.
    pub begin_batch: Option<u32>,
    /// First of each document.
    pub begin_sequence: Option<u32>,
    /// Between documents that share a row.
    pub separator: Option<u32>,
    /// Each document gives one row or none.
    pub disable_concat: bool,
}

#[derive(Debug, Clone)]
pub(super) struct SaeLens {
    context_size: usize,
    ids: SaeLensIds,
    /// The row being filled; `None` between rows.
    row: Option<Vec<u32>>,
}

impl SaeLens {
    pub(super) fn new(context_size: usize, ids: SaeLensIds) -> Self {
        Self {
            context_size,
            ids,
            row: None,
        }
    }

    pub(super) fn next_row(
        &mut self,
        document: &[u32],
        progress: &mut DocumentProgress,
    ) -> Option<Vec<u32>> {
        if self.ids.disable_concat {
            return if std::mem::replace(&mut progress.begun, true) {
                None
            } else {
                self.single(document)
            };
        }
        while progress.offset < document.len() {
            self.add(document, progress);
            if self
                .row
                .as_ref()
                .is_some_and(|row| row.len() == self.context_size)
            {
                return self.row.take();
            }
        }
        None
    }

    pub(super) fn state(&self) -> PackerState {
        PackerState {
            row: self.row.clone().unwrap_or_default(),
            any: self.row.is_some(),
        }
    }

    pub(super) fn restore(&mut self, state: PackerState) {
        self.row = state.any.then_some(state.row);
    }

    /// The one row of a document that is not joined with others.
    fn single(&self, document: &[u32]) -> Option<Vec<u32>> {
        let begin = self.ids.begin_sequence.or(self.ids.begin_batch);
        let &first = document.first()?;
        match begin {
            Some(begin) if first != begin && document.len() + 1 >= self.context_size => {
                let mut row = empty_row(self.context_size);
                row.push(begin);
                row.extend_from_slice(&document[..self.context_size - 1]);
                Some(row)
            }
            _ => document.get(..self.context_size).map(<[u32]>::to_vec),
        }
    }

    /// Puts the prefix that is due and as much of the document as fits into the row.
    fn add(&mut self, document: &[u32], progress: &mut DocumentProgress) {
        let new_row = self.row.is_none();
        let row = self.row.get_or_insert_with(|| empty_row(self.context_size));
        let mut next = document[progress.offset];
        let mut prefix = [0; 2];
        let mut n = 0;
        // Back to front: a token equal to the one that follows is not repeated.
        let mut put_before = |token: Option<u32>| {
            let put = token.filter(|&token| token != next);
            if let Some(token) = put {
                prefix[n] = token;
                n += 1;
                next = token;
            }
            put.is_some()
        };
        let begins = !progress.begun && put_before(self.ids.begin_sequence);
        put_before(if new_row {
            self.ids.begin_batch
        } else {
            self.ids.separator
        });

        let room = self.context_size - row.len();
        let prefix = &mut prefix[..n];
        prefix.reverse();
        row.extend_from_slice(&prefix[..n.min(room)]);
        let taken = room.saturating_sub(n).min(document.len() - progress.offset);
        row.extend_from_slice(&document[progress.offset..progress.offset + taken]);
        progress.offset += taken;
        // A begin-of-sequence that did not fit any more is still due.
        progress.begun = !(begins && n > room);
    }
}
