//! The overview as the page holds it: a line of JSON, and the columns as bytes.

use std::collections::HashMap;

use serde::Serialize;

use super::compact::write_number;
use super::pack::framed;
use super::tokens::{TokenTable, Written};
use super::{FEATURES_PER_SHARD, PageError, Vocabulary};
use crate::labels::Label;
use crate::{Overview, Source};

/// Tokens of a feature in a list: its length is one byte.
const MOST_LISTED: usize = u8::MAX as usize;

#[derive(Debug, Serialize)]
struct Header<'a> {
    source: &'a Source,
    d_sae: u32,
    n_tokens: u64,
    n_contexts: u64,
    n_shown: usize,
    has_lens: bool,
    features_per_shard: usize,
    /// Whether lists of tokens follow the columns.
    has_lists: bool,
    labels: &'a [Label],
    tokens: Written<'a>,
}

/// A length (u32), that many bytes of JSON, and the columns `density`, `max`, `mean`, `decoder_norm` (f32), `top_token`, `lens_token` (u32, one more
/// than the number in the table, 0 for none), each `d_sae` long, and `shown` (u32, the differences): of each column the low bytes of all
/// entries, then the next ones, because bytes of one significance compress well. Then, where they are known, the lists `fires_on` and
/// `promotes`: of each the lengths (a byte for each feature), and the numbers of the tokens as shards have them.
pub(super) fn encode(
    overview: &Overview,
    vocabulary: &(impl Vocabulary + ?Sized),
) -> Result<Vec<u8>, PageError> {
    check(overview)?;
    let has_lens = !overview.lens_token.is_empty();
    let top = overview.top_token.iter().copied();
    let lens = overview.lens_token.iter().copied();
    let lists = [&overview.fires_on, &overview.promotes];
    let listed = lists.into_iter().flatten().flatten().copied();
    let table = TokenTable::of(top.clone().chain(lens.clone()).flatten().chain(listed));
    let has_lists = lists.iter().any(|lists| !lists.is_empty());
    let mut out = framed(&Header {
        source: &overview.source,
        d_sae: overview.d_sae,
        n_tokens: overview.n_tokens,
        n_contexts: overview.n_contexts,
        n_shown: overview.shown.len(),
        has_lens,
        features_per_shard: FEATURES_PER_SHARD,
        has_lists,
        labels: &overview.labels,
        tokens: table.written(vocabulary),
    })?;
    for column in floats(overview) {
        planes(&mut out, &column.1.iter().map(|value| value.to_bits()));
    }
    let number = |token: Option<u32>| token.map_or(0, |token| table.number(token) + 1);
    planes(&mut out, &top.map(number));
    if has_lens {
        planes(&mut out, &lens.map(number));
    } else {
        planes(&mut out, &(0..overview.d_sae).map(|_| 0));
    }
    let before = std::iter::once(0).chain(overview.shown.iter().copied());
    let shown = overview.shown.iter().zip(before);
    planes(&mut out, &shown.map(|(index, before)| index - before));
    if has_lists {
        for lists in lists {
            let of = |f| {
                lists.get(f).map_or(&[][..], |list: &Vec<u32>| {
                    &list[..list.len().min(MOST_LISTED)]
                })
            };
            let features = 0..overview.d_sae as usize;
            out.extend(features.clone().map(|f| of(f).len() as u8));
            for token in features.flat_map(of) {
                write_number(&mut out, table.number(*token));
            }
        }
    }
    Ok(out)
}

fn floats(overview: &Overview) -> [(&'static str, &[f32]); 4] {
    [
        ("density", &overview.density),
        ("max", &overview.max),
        ("mean", &overview.mean),
        ("decoder_norm", &overview.decoder_norm),
    ]
}

fn check(overview: &Overview) -> Result<(), PageError> {
    let d_sae = overview.d_sae;
    let mut lengths: HashMap<&'static str, usize> = floats(overview)
        .map(|(name, column)| (name, column.len()))
        .into();
    lengths.insert("top_token", overview.top_token.len());
    if !overview.lens_token.is_empty() {
        lengths.insert("lens_token", overview.lens_token.len());
    }
    for (name, lists) in [
        ("fires_on", &overview.fires_on),
        ("promotes", &overview.promotes),
    ] {
        if !lists.is_empty() {
            lengths.insert(name, lists.len());
        }
    }
    if let Some((column, found)) = lengths.into_iter().find(|(_, n)| *n != d_sae as usize) {
        return Err(PageError::Column {
            column,
            found,
            d_sae,
        });
    }
    let mut least = 0;
    for (at, index) in overview.shown.iter().copied().enumerate() {
        if index < least || index >= d_sae {
            return Err(PageError::Shown { index, at, d_sae });
        }
        least = index + 1;
    }
    Ok(())
}

/// The bytes of all entries, least significant first.
fn planes(out: &mut Vec<u8>, entries: &(impl Iterator<Item = u32> + Clone)) {
    for byte in 0..4 {
        out.extend(entries.clone().map(|entry| entry.to_le_bytes()[byte]));
    }
}
