//! The effect of replacing the activation on the model's predictions.

use crate::moments::Moments;
use serde::{Deserialize, Serialize};

/// Cross-entropy −log softmax(logits)\[next token\] per position, in nats, of the three runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CrossEntropy {
    /// The model as it is (`ce_loss_without_sae`).
    pub original: Moments,
    /// With the SAE's output spliced in (`ce_loss_with_sae`).
    pub reconstructed: Moments,
    /// With the activation zeroed at every position (`ce_loss_with_ablation`).
    pub ablated: Moments,
}

impl CrossEntropy {
    /// `ce_loss_score`, the share of the loss that the SAE recovers: (ablated − reconstructed) / (ablated − original).
    pub fn score(&self) -> f64 {
        let ablated = self.ablated.mean();
        (ablated - self.reconstructed.mean()) / (ablated - self.original.mean())
    }

    /// Takes in everything `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        self.original.merge(&other.original);
        self.reconstructed.merge(&other.reconstructed);
        self.ablated.merge(&other.ablated);
    }
}

/// Kullback–Leibler divergence `Σ_v p_orig (log p_orig − log p_new)` per position, in nats, of the two altered runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KlDivergence {
    /// With the SAE's output spliced in (`kl_div_with_sae`).
    pub reconstructed: Moments,
    /// With the activation zeroed at every position (`kl_div_with_ablation`).
    pub ablated: Moments,
}

impl KlDivergence {
    /// `kl_div_score`: (ablated − reconstructed) / ablated, on the means.
    pub fn score(&self) -> f64 {
        let ablated = self.ablated.mean();
        (ablated - self.reconstructed.mean()) / ablated
    }

    /// Takes in everything `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        self.reconstructed.merge(&other.reconstructed);
        self.ablated.merge(&other.ablated);
    }
}
