//! Figures that follow from the SAE's weights, for the features that are shown.

use crate::weights::{Unembedding, alignment, decoder_neighbours, decoder_norms, lens};
use crate::{Feature, FeaturePart, Lens, Neighbour, Neighbours, NeuronWeight};
use burn::tensor::Tensor;

const N_NEIGHBOURS: usize = 10;
const N_NEURONS: usize = 3;
/// Bytes of logits at a time.
const LOGITS: usize = 256 << 20;
/// Directions that are mapped into the residual stream at a time.
const AT_ONCE: usize = 4096;

/// How directions become logits.
#[non_exhaustive]
pub struct LensOptions<'a> {
    /// Maps directions of the SAE's output into the residual stream, `[n, d_out]` → `[n, d_model]`; `None` where that is not linear.
    pub directions: &'a dyn Fn(Tensor<2>) -> Option<Tensor<2>>,
    /// The final norm's weight, `[d_model]`, which directions are multiplied by; `None` for the raw lens.
    pub gamma: Option<Tensor<1>>,
    /// The model's unembedding.
    pub unembedding: &'a dyn Unembedding,
}

impl<'a> LensOptions<'a> {
    /// The raw lens of directions that are mapped so.
    pub fn new(
        directions: &'a dyn Fn(Tensor<2>) -> Option<Tensor<2>>,
        unembedding: &'a dyn Unembedding,
    ) -> Self {
        Self {
            directions,
            gamma: None,
            unembedding,
        }
    }
}

impl std::fmt::Debug for LensOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let folded = self.gamma.is_some();
        f.debug_struct("LensOptions")
            .field("gamma", &folded)
            .finish_non_exhaustive()
    }
}

/// Figures from the weights, one entry for each feature that is shown, in their order; the norms are of the whole dictionary.
#[derive(Debug, Clone)]
pub struct ShownWeights {
    /// Norm of every decoder row.
    pub(super) norms: Vec<f32>,
    /// `None` where the SAE writes at a point that is not mapped into the residual stream linearly.
    pub(super) lenses: Vec<Option<Lens>>,
    neighbours: Vec<Vec<Neighbour>>,
    alignment: Vec<Vec<NeuronWeight>>,
}

impl ShownWeights {
    /// No figures of the weights, for formats that show none.
    pub fn none() -> Self {
        Self {
            norms: Vec::new(),
            lenses: Vec::new(),
            neighbours: Vec::new(),
            alignment: Vec::new(),
        }
    }

    /// Of these features.
    ///
    /// # Shapes
    /// `w_dec`: `[d_sae, d_out]`.
    pub fn of(w_dec: &Tensor<2>, features: &[u32], options: &LensOptions<'_>) -> Self {
        Self::with_norms(w_dec, features, options, decoder_norms(w_dec))
    }

    /// As [`of`](Self::of), when the norms of the whole dictionary are already known.
    pub fn with_norms(
        w_dec: &Tensor<2>,
        features: &[u32],
        options: &LensOptions<'_>,
        norms: Vec<f32>,
    ) -> Self {
        let mut lenses = Vec::with_capacity(features.len());
        for some in features.chunks(AT_ONCE) {
            let indices: Vec<i32> = some.iter().map(|f| f.cast_signed()).collect();
            let indices = Tensor::from_ints(indices.as_slice(), &w_dec.device());
            match (options.directions)(w_dec.clone().select(0, indices)) {
                Some(directions) => {
                    let (gamma, unembedding) = (options.gamma.as_ref(), options.unembedding);
                    let found = lens(&directions, gamma, unembedding, LOGITS);
                    lenses.extend(found.into_iter().map(Some));
                }
                None => lenses.extend(some.iter().map(|_| None)),
            }
        }
        Self {
            lenses,
            neighbours: decoder_neighbours(w_dec, &norms, features, N_NEIGHBOURS),
            alignment: alignment(w_dec, features, N_NEURONS),
            norms,
        }
    }

    /// Norm of every decoder row.
    pub fn norms(&self) -> &[f32] {
        &self.norms
    }

    /// A feature, by its place among those shown, from its weights and its activations. Each place can be taken once.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn join(&mut self, place: usize, part: FeaturePart) -> Feature {
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
