//! A table's record of how it was made.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::manifest::sha256_of;
use crate::{Packing, SaeLensPacking, StreamOptions, TokenRef, Tokenizer};

/// How a table was made, in the words of SAELens' `sae_lens.json`; kept as JSON in the file's header.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TableMetadata {
    /// SAELens' version, of a table that SAELens made.
    pub sae_lens_version: Option<String>,
    /// The tokenizer's path or name.
    pub tokenizer_name: Option<String>,
    /// The SHA-256 of its `tokenizer.json`, in hexadecimal. Not SAELens'.
    pub tokenizer_sha256: Option<String>,
    /// The data set's path or name.
    pub original_dataset: Option<String>,
    /// Its configuration on the Hub, if one was named.
    pub original_dataset_name: Option<String>,
    /// Its split, if one was named.
    pub original_split: Option<String>,
    /// Its files, if they were named one by one.
    pub original_data_files: Option<Vec<String>>,
    /// The column that was read, if one was named.
    pub original_column_name: Option<String>,
    /// Ids in a row.
    pub context_size: usize,
    /// Whether documents were shuffled.
    pub shuffled: bool,
    /// What their order depends on.
    pub seed: Option<u64>,
    /// First in each row.
    pub begin_batch_token: Option<u32>,
    /// First of each document.
    pub begin_sequence_token: Option<u32>,
    /// Between documents.
    pub sequence_separator_token: Option<u32>,
    /// Whether each document gave one row or none.
    pub disable_concat_sequences: bool,
    /// `notebook` or `saelens`. Not SAELens'.
    pub packing: Option<String>,
    /// The tokenizer's vocabulary. Not SAELens'.
    pub vocab_size: Option<usize>,
}

impl TableMetadata {
    /// Whether a `tokenizer.json` is the one that the table was made with, by its hash; `None` if the table has none recorded or
    /// the file cannot be read.
    pub fn is_of_tokenizer(&self, path: impl AsRef<Path>) -> Option<bool> {
        let recorded = self.tokenizer_sha256.as_ref()?;
        let found = sha256_of(path.as_ref()).ok()?;
        Some(found.eq_ignore_ascii_case(recorded))
    }

    /// Describes what a [`TokenStream`](crate::TokenStream) of these options gives.
    pub fn new(options: &StreamOptions, tokenizer: &Tokenizer) -> Self {
        let id = |token: TokenRef| match token {
            TokenRef::Bos => tokenizer.bos(),
            TokenRef::Eos => tokenizer.eos(),
            TokenRef::Sep => tokenizer.special().sep,
            TokenRef::Id(id) => Some(id),
        };
        let bos = tokenizer.bos().filter(|_| options.prepend_bos);
        let common = Self {
            tokenizer_name: Some(tokenizer.path().to_string_lossy().into_owned()),
            // One that has gone since it was loaded has none.
            tokenizer_sha256: sha256_of(tokenizer.path()).ok(),
            context_size: options.context_size,
            shuffled: options.shuffle.is_some(),
            seed: options.shuffle.map(|shuffle| shuffle.seed),
            begin_batch_token: bos,
            vocab_size: Some(tokenizer.vocab_size()),
            ..Self::default()
        };
        match options.packing {
            Packing::Notebook => Self {
                sequence_separator_token: tokenizer.eos(),
                packing: Some("notebook".into()),
                ..common
            },
            Packing::SaeLens(SaeLensPacking {
                begin_batch,
                begin_sequence,
                separator,
                disable_concat,
            }) => Self {
                begin_batch_token: begin_batch.and_then(id).or(bos),
                begin_sequence_token: begin_sequence.and_then(id),
                sequence_separator_token: separator.and_then(id),
                disable_concat_sequences: disable_concat,
                packing: Some("saelens".into()),
                ..common
            },
        }
    }
}
