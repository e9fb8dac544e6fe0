//! What follows from the SAE's weights, for the features that are shown.

use crate::adapters::SplitLlama;
use burn::tensor::Tensor;
use llama_hooked::Llama;
use sae_core::Sae;
use sae_dashboard::weights::{Unembedding, alignment, decoder_neighbours, decoder_norms, lens};
use sae_dashboard::{Feature, FeaturePart, Lens, Neighbour, Neighbours, NeuronWeight};
use std::ops::Range;

const N_NEIGHBOURS: usize = 10;
const N_NEURONS: usize = 3;
/// Bytes of logits at a time.
const LOGITS: usize = 256 << 20;
/// Directions that are mapped into the residual stream at a time.
const AT_ONCE: usize = 4096;

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

/// Of the features that are shown, in their order, but for the norms.
pub(crate) struct Weights {
    /// Of the whole dictionary.
    pub(crate) norms: Vec<f32>,
    /// None where the SAE writes at a point that is not mapped into the residual stream linearly.
    pub(crate) lenses: Vec<Option<Lens>>,
    neighbours: Vec<Vec<Neighbour>>,
    alignment: Vec<Vec<NeuronWeight>>,
}

impl Weights {
    /// With γ folded into the lens, or raw.
    pub(crate) fn of(
        model: &Llama,
        split: &SplitLlama<'_>,
        sae: &Sae,
        features: &[u32],
        raw_lens: bool,
    ) -> Self {
        let norms = decoder_norms(&sae.w_dec());
        Self::with_norms(model, split, sae, features, raw_lens, norms)
    }

    /// As [`of`](Self::of), for who has the norms already.
    pub(crate) fn with_norms(
        model: &Llama,
        split: &SplitLlama<'_>,
        sae: &Sae,
        features: &[u32],
        raw_lens: bool,
        norms: Vec<f32>,
    ) -> Self {
        let w_dec = sae.w_dec();
        let gamma = (!raw_lens).then(|| model.ln_final_weight());
        let mut lenses = Vec::with_capacity(features.len());
        for some in features.chunks(AT_ONCE) {
            let indices: Vec<i32> = some.iter().map(|f| f.cast_signed()).collect();
            let indices = Tensor::from_ints(indices.as_slice(), &w_dec.device());
            let directions = split.directions(w_dec.clone().select(0, indices));
            match directions {
                Some(directions) => {
                    let found = lens(&directions, gamma.as_ref(), &Unembed(model), LOGITS);
                    lenses.extend(found.into_iter().map(Some));
                }
                None => lenses.extend(some.iter().map(|_| None)),
            }
        }
        Self {
            lenses,
            neighbours: decoder_neighbours(&w_dec, &norms, features, N_NEIGHBOURS),
            alignment: alignment(&w_dec, features, N_NEURONS),
            norms,
        }
    }

    /// A feature, by its place among those shown, from this and what its activations say.
    pub(crate) fn join(&mut self, place: usize, part: FeaturePart) -> Feature {
        Feature {
            index: part.index,
            statistics: part.statistics,
            activations: part.activations,
            lens: self.lenses[place].take(),
            neighbours: Neighbours {
                decoder: std::mem::take(&mut self.neighbours[place]),
                coactive: part.coactive,
                n_sampled: part.n_sampled,
            },
            alignment: std::mem::take(&mut self.alignment[place]),
            decoder_norm: self.norms[part.index as usize],
            groups: part.groups,
        }
    }
}
