//! Pages that show features: one HTML file, or a folder whose shards the page loads when they are wanted.
//!
//! A page needs no network and no server: everything is in it, compressed, and text from data sets is only ever text. What its files hold
//! is in `docs/formats.md`; the page itself is in `ui/`.

mod compact;
mod contents;
mod document;
mod error;
mod overview;
mod pack;
mod tokens;
mod writer;

pub(crate) use contents::read as read_contents;
pub use contents::{ContentsError, PageContents};
pub use document::live_page;
pub use error::PageError;
pub use tokens::Vocabulary;
pub use writer::{PageForm, PageWriter};

use crate::{Feature, Overview};

/// Features that share a shard, and with it a table of tokens.
const FEATURES_PER_SHARD: usize = 64;

/// The answer of a live page's server to `GET api/overview`, as `application/octet-stream`.
///
/// # Errors
/// When a column has not one entry per feature, or `shown` is not ascending below `d_sae`.
pub fn overview_bytes(
    overview: &Overview,
    vocabulary: &(impl Vocabulary + ?Sized),
) -> Result<Vec<u8>, PageError> {
    overview::encode(overview, vocabulary)
}

/// The answer of a live page's server to `GET api/features/INDEX`, as `application/octet-stream`.
///
/// # Errors
/// When an example has not one activation per token.
pub fn feature_bytes(
    feature: &Feature,
    vocabulary: &(impl Vocabulary + ?Sized),
) -> Result<Vec<u8>, PageError> {
    compact::encode(std::slice::from_ref(feature), vocabulary)
}
