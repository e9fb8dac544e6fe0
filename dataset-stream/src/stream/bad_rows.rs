//! Rows that are left out are counted, and are not to be too many.

use super::{StreamError, StreamProgress, TokenStream};
use crate::{BadRow, BadRows};

/// Rows from which on the share of bad ones means something.
const FEW_ROWS: u64 = 1000;

impl TokenStream {
    /// Counts the block's bad rows before a document and hands them on.
    pub(super) fn count_bad_rows(&mut self, before: u64) -> Result<(), StreamError> {
        let is_before = |bad: &BadRow| bad.location.place.ordinal() < before;
        while let Some(bad) = self
            .block
            .bad
            .get(self.bad_row)
            .filter(|bad| is_before(bad))
        {
            self.bad_row += 1;
            let place = (self.block.file, bad.location.place.ordinal());
            self.position = self.position.max((place.0, place.1 + 1));
            if place < self.counted {
                continue;
            }
            self.progress.bad_rows += 1;
            if let Some(sink) = &mut self.bad_row_sink {
                sink(bad);
            }
            if self.first_bad.is_none() {
                self.first_bad = Some(bad.reason.clone());
            }
        }
        let StreamProgress {
            documents,
            bad_rows: bad,
            ..
        } = self.progress;
        let rows = documents + bad;
        match self.bad_rows {
            BadRows::Skip { at_most_percent }
                if rows >= FEW_ROWS && 100 * bad > u64::from(at_most_percent) * rows =>
            {
                Err(StreamError::TooManyBadRows {
                    bad,
                    rows,
                    at_most_percent,
                    first: self.first_bad.clone().unwrap_or_default(),
                })
            }
            _ => Ok(()),
        }
    }
}
