//! Contexts and the vocabulary, as dashboards see them.

use dataset_stream::{TokenTable, Tokenizer};
use sae_dashboard::{Contexts, page::Vocabulary};
use std::borrow::Cow;

/// The rows of a table, as contexts.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a>(pub &'a TokenTable);

impl Contexts for Rows<'_> {
    fn tokens(&self, context: u64) -> Option<Cow<'_, [u32]>> {
        let row = self.0.row(usize::try_from(context).ok()?);
        row.ok().map(Cow::Owned)
    }
}

/// A tokenizer, as the spelling of ids.
#[derive(Debug, Clone, Copy)]
pub struct Spelling<'a>(pub &'a Tokenizer);

impl Vocabulary for Spelling<'_> {
    fn bytes(&self, token: u32) -> Option<Cow<'_, [u8]>> {
        self.0.token_bytes(token).map(Cow::Owned)
    }
}
