//! What dashboards need from a Llama and an SAE.

mod logging;
mod tokens;

pub use logging::{Logging, LoggingError, LoggingProgress};
pub use tokens::{Rows, Spelling};

use crate::SplitLlama;
use burn::tensor::Tensor;
use llama_hooked::Llama;
use sae_core::Sae;
use sae_dashboard::assemble::{LensOptions, ShownWeights};
use sae_dashboard::weights::Unembedding;
use std::ops::Range;

/// A model's unembedding.
struct Unembed<'a>(&'a Llama);

impl Unembedding for Unembed<'_> {
    fn vocab_size(&self) -> usize {
        self.0.config().vocab_size
    }

    fn entries(&self, directions: Tensor<2>, entries: Range<usize>) -> Tensor<2> {
        self.0.unembed_entries(directions, entries)
    }
}

/// Figures from the weights of an SAE in its model, for these features: the logit lens, with the final norm's weight folded in or `raw`,
/// neighbours by decoder direction, and the neurons they are aligned with. `norms` of the decoder rows are computed unless they are
/// already known.
pub fn shown_weights(
    split: &SplitLlama,
    sae: &Sae,
    features: &[u32],
    raw: bool,
    norms: Option<Vec<f32>>,
) -> ShownWeights {
    let model = split.model();
    let directions = |directions| split.directions(directions);
    let unembedding = Unembed(model);
    let mut options = LensOptions::new(&directions, &unembedding);
    options.gamma = (!raw).then(|| model.ln_final_weight());
    let w_dec = sae.w_dec();
    match norms {
        Some(norms) => ShownWeights::with_norms(&w_dec, features, &options, norms),
        None => ShownWeights::of(&w_dec, features, &options),
    }
}
