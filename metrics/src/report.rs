//! The figures, under the names and in the groups of SAELens' evaluation.

use crate::density::DensityHistogram;
use crate::histogram::Bins;
use crate::statistics::{ReconstructionStatistics, SparsityStatistics};
use serde::{Deserialize, Serialize};

/// Bins of the L0 histogram in the report; the exact counts are in [`SparsityStatistics::l0`].
const L0_BINS: usize = 100;

/// The JSON that `eval` writes: figures in groups, and arrays with one entry per feature. An undefined figure (NaN) is `null` in JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// One figure each.
    pub metrics: Metrics,
    /// One figure per feature each.
    pub feature_metrics: FeatureMetrics,
}

/// The groups. One that was not measured is left out of the JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// KL divergences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_behavior_preservation: Option<ModelBehaviorPreservation>,
    /// Cross-entropies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_performance_preservation: Option<ModelPerformancePreservation>,
    /// Errors and explained variances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconstruction_quality: Option<ReconstructionQualityFigures>,
    /// Norms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shrinkage: Option<ShrinkageFigures>,
    /// L0, L1, densities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sparsity: Option<SparsityFigures>,
    /// The text the figures come from.
    pub token_stats: TokenStats,
}

/// KL divergences from the model as it is, in nats per position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelBehaviorPreservation {
    /// (ablation − sae) / ablation.
    #[serde(with = "crate::null")]
    pub kl_div_score: f64,
    /// With the hook zeroed.
    #[serde(with = "crate::null")]
    pub kl_div_with_ablation: f64,
    /// With the SAE's output spliced in.
    #[serde(with = "crate::null")]
    pub kl_div_with_sae: f64,
}

/// Next-token losses, in nats per token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelPerformancePreservation {
    /// (ablation − sae) / (ablation − without).
    #[serde(with = "crate::null")]
    pub ce_loss_score: f64,
    /// With the hook zeroed.
    #[serde(with = "crate::null")]
    pub ce_loss_with_ablation: f64,
    /// With the SAE's output spliced in.
    #[serde(with = "crate::null")]
    pub ce_loss_with_sae: f64,
    /// The model as it is.
    #[serde(with = "crate::null")]
    pub ce_loss_without_sae: f64,
}

/// How close reconstructions are; formulas at [`ReconstructionQuality`](crate::ReconstructionQuality).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReconstructionQualityFigures {
    /// 1 − E‖x−x̂‖² / (E‖x‖² − ‖E x‖²).
    #[serde(with = "crate::null")]
    pub explained_variance: f64,
    /// E\[1 − ‖x−x̂‖²/‖x−E x‖²\]; NaN where it would have needed a second pass that was not made.
    #[serde(with = "crate::null")]
    pub explained_variance_legacy: f64,
    /// 1 − E‖x−x̂‖² / E‖x‖².
    #[serde(with = "crate::null")]
    pub explained_variance_uncentered: f64,
    /// 1 − `explained_variance`.
    #[serde(with = "crate::null")]
    pub fvu: f64,
    /// E‖x−x̂‖², summed over the dimensions.
    #[serde(with = "crate::null")]
    pub mse: f64,
    /// The mean cosine of x and x̂.
    #[serde(with = "crate::null")]
    pub cossim: f64,
}

/// Norms of activations and reconstructions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShrinkageFigures {
    /// E‖x‖.
    #[serde(with = "crate::null")]
    pub l2_norm_in: f64,
    /// E‖x̂‖.
    #[serde(with = "crate::null")]
    pub l2_norm_out: f64,
    /// E\[‖x̂‖/‖x‖\].
    #[serde(with = "crate::null")]
    pub l2_ratio: f64,
    /// E‖x̂‖² / E\[x·x̂\] over all tokens.
    #[serde(with = "crate::null")]
    pub relative_reconstruction_bias: f64,
}

/// How many features are active.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SparsityFigures {
    /// Active features per token, the mean.
    #[serde(with = "crate::null")]
    pub l0: f64,
    /// Their unbiased standard deviation.
    #[serde(with = "crate::null")]
    pub l0_std: f64,
    /// The fewest.
    pub l0_min: Option<usize>,
    /// The lower median.
    pub l0_median: Option<usize>,
    /// The most.
    pub l0_max: Option<usize>,
    /// How L0 is spread.
    pub l0_histogram: Bins,
    /// Σ|f| per token, the mean.
    #[serde(with = "crate::null")]
    pub l1: f64,
    /// Its unbiased standard deviation.
    #[serde(with = "crate::null")]
    pub l1_std: f64,
    /// The smallest.
    pub l1_min: Option<f64>,
    /// The largest.
    pub l1_max: Option<f64>,
    /// The share of features that fired.
    #[serde(with = "crate::null")]
    pub frac_alive: f64,
    /// The share of features active in more than 1 % of the tokens.
    #[serde(with = "crate::null")]
    pub freq_over_1_percent: f64,
    /// The share of features active in more than 10 % of the tokens.
    #[serde(with = "crate::null")]
    pub freq_over_10_percent: f64,
    /// How log10 of the densities is spread.
    pub log10_density_histogram: DensityHistogram,
}

/// Tokens and sequences, per pass; 0 for a pass that was not made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenStats {
    /// Tokens that went through the reconstruction pass.
    pub total_tokens_eval_reconstruction: u64,
    /// Those of them that were not masked.
    pub kept_tokens_eval_reconstruction: u64,
    /// Their sequences.
    pub sequences_eval_reconstruction: u64,
    /// Tokens that went through the sparsity and variance pass.
    pub total_tokens_eval_sparsity_variance: u64,
    /// Those of them that were not masked.
    pub kept_tokens_eval_sparsity_variance: u64,
    /// Their sequences.
    pub sequences_eval_sparsity_variance: u64,
}

/// Arrays of length `d_sae`. One that was not measured is left out of the JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FeatureMetrics {
    /// Active tokens / tokens.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        with = "crate::null::vec"
    )]
    pub feature_density: Vec<f64>,
    /// Active tokens / sequences in which the feature fires; NaN (`null`) where it never does.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        with = "crate::null::vec"
    )]
    pub consistent_activation_heuristic: Vec<f64>,
    /// Figures of the weights alone.
    #[serde(flatten)]
    pub weights: FeatureWeights,
}

/// Figures of the SAE's weights, one per feature. This crate knows no weights: the caller, who has the SAE, fills them in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FeatureWeights {
    /// `‖W_enc[:, i]‖`; empty for an SAE without an encoder matrix.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        with = "crate::null::vec"
    )]
    pub encoder_norm: Vec<f64>,
    /// `b_enc[i]`; empty for an SAE without an encoder bias.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        with = "crate::null::vec"
    )]
    pub encoder_bias: Vec<f64>,
    /// The cosine of `W_enc[:, i]` and `W_dec[i]`.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        with = "crate::null::vec"
    )]
    pub encoder_decoder_cosine_sim: Vec<f64>,
}

impl Report {
    /// The figures of one or both protocols.
    pub fn new(
        sparsity: Option<&SparsityStatistics>,
        reconstruction: Option<&ReconstructionStatistics>,
    ) -> Self {
        let mut report = Self::default();
        if let Some(statistics) = sparsity {
            report.add_sparsity(statistics);
        }
        if let Some(statistics) = reconstruction {
            report.add_reconstruction(statistics);
        }
        report
    }

    fn add_sparsity(&mut self, statistics: &SparsityStatistics) {
        let SparsityStatistics {
            tokens,
            l0,
            l1,
            density,
            shrinkage,
            quality,
            ..
        } = statistics;
        self.metrics.reconstruction_quality = Some(ReconstructionQualityFigures {
            explained_variance: quality.explained_variance(),
            explained_variance_legacy: statistics.explained_variance_legacy().unwrap_or(f64::NAN),
            explained_variance_uncentered: quality.explained_variance_uncentered(),
            fvu: quality.fvu(),
            mse: quality.mse(),
            cossim: quality.cossim.mean(),
        });
        self.metrics.shrinkage = Some(ShrinkageFigures {
            l2_norm_in: shrinkage.l2_norm_in.mean(),
            l2_norm_out: shrinkage.l2_norm_out.mean(),
            l2_ratio: shrinkage.l2_ratio.mean(),
            relative_reconstruction_bias: shrinkage.relative_reconstruction_bias(),
        });
        self.metrics.sparsity = Some(SparsityFigures {
            l0: l0.mean(),
            l0_std: l0.std(),
            l0_min: l0.min(),
            l0_median: l0.median(),
            l0_max: l0.max(),
            l0_histogram: l0.rebin(L0_BINS),
            l1: l1.mean(),
            l1_std: l1.std(),
            l1_min: l1.min(),
            l1_max: l1.max(),
            frac_alive: density.frac_alive(),
            freq_over_1_percent: density.freq_over_1_percent(),
            freq_over_10_percent: density.freq_over_10_percent(),
            log10_density_histogram: density.log10_histogram(),
        });
        let stats = &mut self.metrics.token_stats;
        stats.total_tokens_eval_sparsity_variance = tokens.seen;
        stats.kept_tokens_eval_sparsity_variance = tokens.kept;
        stats.sequences_eval_sparsity_variance = tokens.sequences;
        self.feature_metrics.feature_density = density.density();
        self.feature_metrics.consistent_activation_heuristic =
            density.consistent_activation_heuristic();
    }

    fn add_reconstruction(&mut self, statistics: &ReconstructionStatistics) {
        let ReconstructionStatistics {
            tokens,
            cross_entropy,
            kl_divergence,
        } = statistics;
        self.metrics.model_behavior_preservation = Some(ModelBehaviorPreservation {
            kl_div_score: kl_divergence.score(),
            kl_div_with_ablation: kl_divergence.ablated.mean(),
            kl_div_with_sae: kl_divergence.reconstructed.mean(),
        });
        self.metrics.model_performance_preservation = Some(ModelPerformancePreservation {
            ce_loss_score: cross_entropy.score(),
            ce_loss_with_ablation: cross_entropy.ablated.mean(),
            ce_loss_with_sae: cross_entropy.reconstructed.mean(),
            ce_loss_without_sae: cross_entropy.original.mean(),
        });
        let stats = &mut self.metrics.token_stats;
        stats.total_tokens_eval_reconstruction = tokens.seen;
        stats.kept_tokens_eval_reconstruction = tokens.kept;
        stats.sequences_eval_reconstruction = tokens.sequences;
    }
}
