//! Contexts and the vocabulary, as dashboards see them.

use dataset_stream::{TokenTable, Tokenizer};
use sae_dashboard::{Contexts, page::Vocabulary};
use std::borrow::Cow;

/// The rows of a table.
pub(crate) struct Rows<'a>(pub(crate) &'a TokenTable);

impl Contexts for Rows<'_> {
    fn tokens(&self, context: u64) -> Option<Cow<'_, [u32]>> {
        let row = self.0.row(usize::try_from(context).ok()?);
        row.ok().map(Cow::Owned)
    }
}

/// What a tokenizer's ids stand for.
pub(crate) struct Spelling<'a>(pub(crate) &'a Tokenizer);

impl Vocabulary for Spelling<'_> {
    fn bytes(&self, token: u32) -> Option<Cow<'_, [u8]>> {
        self.0.token_bytes(token).map(Cow::Owned)
    }
}
