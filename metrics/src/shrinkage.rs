//! Is the reconstruction shorter than the activation it replaces?

use crate::activations::TokenNorms;
use crate::moments::Moments;
use serde::{Deserialize, Serialize};

/// Norms below this are replaced by one in the denominator of `l2_ratio`, as SAELens does.
const SMALLEST_NORM: f64 = 1e-4;

/// Norms of the activations x and of their reconstructions x̂.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Shrinkage {
    /// ‖x‖ per token.
    pub l2_norm_in: Moments,
    /// ‖x̂‖ per token.
    pub l2_norm_out: Moments,
    /// ‖x̂‖ / ‖x‖ per token, the denominator 1 where ‖x‖ < 1e-4.
    pub l2_ratio: Moments,
    /// ‖x̂‖² per token.
    pub squared_norm_out: Moments,
    /// x·x̂ per token.
    pub dot: Moments,
}

impl Shrinkage {
    /// Takes in one token.
    pub fn push(&mut self, token: &TokenNorms) {
        let norm_in = token.squared_in.sqrt();
        let norm_out = token.squared_out.sqrt();
        let denominator = if norm_in < SMALLEST_NORM {
            1.0
        } else {
            norm_in
        };
        self.l2_norm_in.push(norm_in);
        self.l2_norm_out.push(norm_out);
        self.l2_ratio.push(norm_out / denominator);
        self.squared_norm_out.push(token.squared_out);
        self.dot.push(token.dot);
    }

    /// E‖x̂‖² / E\[x·x̂\] over all tokens: 1 for an unbiased reconstruction, below 1 for one that shrinks
    /// (equation 10 of Rajamanoharan et al. 2024, [arXiv:2404.16014](https://arxiv.org/abs/2404.16014)).
    ///
    /// SAELens takes the ratio within each batch and averages the ratios, which makes its figure depend on the batch size; this
    /// one does not.
    pub fn relative_reconstruction_bias(&self) -> f64 {
        self.squared_norm_out.sum() / self.dot.sum()
    }

    /// Takes in everything `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        self.l2_norm_in.merge(&other.l2_norm_in);
        self.l2_norm_out.merge(&other.l2_norm_out);
        self.l2_ratio.merge(&other.l2_ratio);
        self.squared_norm_out.merge(&other.squared_norm_out);
        self.dot.merge(&other.dot);
    }
}
