//! The statistics of one run of a protocol, as one mergeable value per protocol.

use crate::density::FeatureDensity;
use crate::histogram::Histogram;
use crate::legacy_variance::LegacyVariance;
use crate::losses::{CrossEntropy, KlDivergence};
use crate::merge::MergeError;
use crate::moments::Moments;
use crate::quality::ReconstructionQuality;
use crate::shrinkage::Shrinkage;
use crate::strength::FeatureStrength;
use serde::{Deserialize, Serialize};

/// How much text a pass has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCounts {
    /// Sequences seen.
    pub sequences: u64,
    /// Their tokens.
    pub seen: u64,
    /// Tokens that count, the masked ones left out.
    pub kept: u64,
}

impl TokenCounts {
    /// Takes in everything `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        self.sequences += other.sequences;
        self.seen += other.seen;
        self.kept += other.kept;
    }
}

/// The statistics that the [`sparsity`](crate::sparsity) protocol collects: everything that needs the activations but not the model's output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SparsityStatistics {
    /// The text it comes from.
    pub tokens: TokenCounts,
    /// L0 per token: the number of features ≠ 0. (The notebook counts those > 0, the same unless activations can be negative.)
    pub l0: Histogram,
    /// L1 per token: Σ|f|.
    pub l1: Moments,
    /// Activity per feature.
    pub density: FeatureDensity,
    /// Magnitudes per feature.
    pub strength: FeatureStrength,
    /// Norms of activations and reconstructions.
    pub shrinkage: Shrinkage,
    /// Errors, explained variances, cosine similarity.
    pub quality: ReconstructionQuality,
    /// The activations that `explained_variance_legacy` needs.
    pub legacy_variance: LegacyVariance,
}

impl SparsityStatistics {
    /// Nothing seen yet, of an SAE with `d_sae` features; `legacy_bytes` as for [`LegacyVariance::new`].
    pub fn new(d_sae: usize, legacy_bytes: usize) -> Self {
        Self {
            tokens: TokenCounts::default(),
            l0: Histogram::default(),
            l1: Moments::default(),
            density: FeatureDensity::new(d_sae),
            strength: FeatureStrength::new(d_sae),
            shrinkage: Shrinkage::default(),
            quality: ReconstructionQuality::default(),
            legacy_variance: LegacyVariance::new(legacy_bytes),
        }
    }

    /// `explained_variance_legacy`; `None` where the tokens were too many to keep, see [`LegacyVariance`].
    pub fn explained_variance_legacy(&self) -> Option<f64> {
        self.legacy_variance.value(&self.quality.mean_activation())
    }

    /// Takes in everything `other` has seen.
    ///
    /// # Errors
    /// If the two come from SAEs or hooks of different widths; `self` is then partly merged and of no more use.
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        self.density.merge(&other.density)?;
        self.strength.merge(&other.strength)?;
        self.quality.merge(&other.quality)?;
        self.legacy_variance.merge(&other.legacy_variance)?;
        self.tokens.merge(&other.tokens);
        self.l0.merge(&other.l0);
        self.l1.merge(&other.l1);
        self.shrinkage.merge(&other.shrinkage);
        Ok(())
    }
}

/// The statistics that the [`reconstruction`](crate::reconstruction) protocol collects: the SAE's effect on the model's predictions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReconstructionStatistics {
    /// The text it comes from. `kept` counts positions, each of which has a divergence; the last position of a sequence has no
    /// next token and so no cross-entropy.
    pub tokens: TokenCounts,
    /// Losses of the three runs.
    pub cross_entropy: CrossEntropy,
    /// Divergences of the two altered runs from the original.
    pub kl_divergence: KlDivergence,
}

impl ReconstructionStatistics {
    /// Takes in everything `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        self.tokens.merge(&other.tokens);
        self.cross_entropy.merge(&other.cross_entropy);
        self.kl_divergence.merge(&other.kl_divergence);
    }
}
