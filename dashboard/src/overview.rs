//! What a page shows about the whole SAE.

use serde::{Deserialize, Serialize};

use crate::labels::Label;

/// The SAE as a whole: where its dashboards come from, and a line per feature, column by column.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// Where the dashboards come from.
    pub source: Source,
    /// Width of the dictionary; every column has as many entries, so that a feature's number is its index.
    pub d_sae: u32,
    /// Tokens that count.
    pub n_tokens: u64,
    /// Contexts they are in.
    pub n_contexts: u64,
    /// Firing tokens over kept tokens.
    pub density: Vec<f32>,
    /// The largest activation.
    pub max: Vec<f32>,
    /// The mean of the activations above zero.
    pub mean: Vec<f32>,
    /// Norm of the decoder direction.
    pub decoder_norm: Vec<f32>,
    /// The token it fires on most ([`firing_tokens`](crate::firing_tokens)); none where it never fires.
    pub top_token: Vec<Option<u32>>,
    /// The token its direction makes likeliest, where that is known; empty where there is no lens.
    pub lens_token: Vec<Option<u32>>,
    /// Which features have a page.
    pub shown: Vec<u32>,
    /// Tokens it fires on, for the search; empty where they are not known. Few: a page has them for every feature.
    pub fires_on: Vec<Vec<u32>>,
    /// Tokens its direction makes likelier, for the search; empty where they are not known.
    pub promotes: Vec<Vec<u32>>,
    /// What people have said of features, by ascending feature.
    pub labels: Vec<Label>,
}

/// Model, SAE and data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The model's name.
    pub model: String,
    /// The SAE's name or folder.
    pub sae: String,
    /// Its architecture.
    pub architecture: String,
    /// Where it reads.
    pub hook_name: String,
    /// The data set.
    pub dataset: String,
    /// Tokens in a context.
    pub context_size: u32,
    /// Which positions count, as text.
    pub convention: String,
}
