//! How an SAE is trained: SAELens' settings by its names and with its defaults, and where we offer more, by names of our own.

use crate::architecture::TrainArchitecture;
use serde::{Deserialize, Serialize};

/// Settings of one SAE and of its training. What an architecture does not use is ignored by it; see
/// [`check`](Self::check) for what cannot work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools)] // settings of the peer's
pub struct TrainOptions {
    /// The kind of SAE.
    #[serde(with = "by_name")]
    pub architecture: TrainArchitecture,
    /// Features.
    pub d_sae: usize,

    /// Weight of the L1 penalty (standard, gated and their transcoders).
    pub l1_coefficient: f64,
    /// Steps over which it rises from 0.
    pub l1_warm_up_steps: u64,
    /// p of the penalty's p-norm (standard).
    pub lp_norm: f64,
    /// Active features of a token; on average over a batch for batchtopk, where it may be a fraction.
    pub k: f64,
    /// Whether features are selected by their pre-activation times the norm of their decoder row (the topk family).
    pub rescale_acts_by_decoder_norm: bool,
    /// Weight of the loss that revives dead features (the topk family).
    pub aux_loss_coefficient: f64,
    /// How fast the threshold of batchtopk follows the least activation of a batch.
    pub topk_threshold_lr: f64,
    /// Numbers of features that are to reconstruct by themselves (matryoshka), ascending; `d_sae` may be left out.
    pub matryoshka_widths: Vec<usize>,
    /// Whether each of these groups of features is revived by what its own reconstruction leaves.
    pub use_matryoshka_aux_loss: bool,
    /// The threshold at first (jumprelu).
    pub jumprelu_init_threshold: f64,
    /// Width of the straight-through estimator.
    pub jumprelu_bandwidth: f64,
    /// Which function of the activations is the sparsity loss.
    pub jumprelu_sparsity_loss_mode: SparsityLoss,
    /// Weight of the sparsity loss (jumprelu).
    pub l0_coefficient: f64,
    /// Steps over which it rises from 0.
    pub l0_warm_up_steps: u64,
    /// Weight of the loss that pulls dead features towards their threshold; none by default.
    pub pre_act_loss_coefficient: Option<f64>,
    /// Scale of the tanh loss.
    pub jumprelu_tanh_scale: f64,
    /// Whether the estimator's gradient also reaches the encoder.
    pub jumprelu_ste_to_input: bool,
    /// Active features that the quadratic loss asks for.
    pub target_l0: Option<f64>,
    /// A token is done when what is left of it is shorter than this (matching pursuit).
    pub residual_threshold: f64,
    /// Most steps; the width of the input by default.
    pub max_iterations: Option<usize>,
    /// Whether a token is done when a step has made no new feature active.
    pub stop_on_duplicate_support: bool,
    /// Norm of the decoder's rows at first; as they are drawn if none.
    pub decoder_init_norm: Option<f64>,
    /// Whether the decoder's bias is subtracted from the input. Never for transcoders.
    pub apply_b_dec_to_input: bool,
    /// How the input is scaled.
    pub normalize_activations: Normalization,

    /// Tokens to train on.
    pub training_tokens: u64,
    /// Tokens of a step.
    pub train_batch_size_tokens: usize,
    /// Learning rate.
    pub lr: f64,
    /// What the cosine schedules fall to; a tenth of `lr` by default.
    pub lr_end: Option<f64>,
    /// How it changes between warm-up and decay.
    pub lr_scheduler_name: LrScheduler,
    /// Steps over which it rises.
    pub lr_warm_up_steps: u64,
    /// Steps over which it falls to 0 at the end.
    pub lr_decay_steps: u64,
    /// Cycles of `cosineannealingwarmrestarts`.
    pub n_restart_cycles: u64,
    /// β₁ of Adam.
    pub adam_beta1: f64,
    /// β₂ of Adam.
    pub adam_beta2: f64,
    /// A feature is dead that has not been active for more than this many steps.
    pub dead_feature_window: u64,
    /// Steps over which frequencies are counted.
    pub feature_sampling_window: u64,
    /// Batches from which the norm of the input is estimated.
    pub n_batches_for_norm_estimate: u64,
    /// Seeds the initial weights and the order of the data.
    pub seed: u64,

    /// Keeps decoder rows at norm 1: the part of the gradient along a row is removed, and rows are scaled back after each step.
    pub unit_decoder: bool,
    /// What the decoder's bias is at first.
    pub b_dec_init: BiasInit,
    /// The form of the loss that revives dead features.
    pub aux_loss_form: AuxLoss,
    /// Every so many steps dead features are started again from inputs that are reconstructed badly, as in Bricken et al. 2023; not
    /// after the last step.
    pub resample_dead_every: Option<u64>,
    /// Weights are saved as their exponential moving average with this decay.
    pub ema_decay: Option<f64>,
}

/// How the input is scaled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Normalization {
    /// Not at all.
    #[default]
    None,
    /// By one factor, so that the mean norm is √d; it is folded into the weights at the end.
    ExpectedAverageOnlyIn,
}

/// The sparsity loss of jumprelu.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SparsityLoss {
    /// The number of active features (`DeepMind`).
    #[default]
    Step,
    /// `Σ tanh(scale · f · ‖W_dec‖)` (Anthropic).
    Tanh,
    /// `(2 / target) · (L0 − target)²` (Gemma Scope 2).
    Quadratic,
}

/// How the learning rate changes between warm-up and decay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LrScheduler {
    /// Not.
    #[default]
    Constant,
    /// It falls to `lr_end` along half a cosine.
    CosineAnnealing,
    /// It does so several times.
    CosineAnnealingWarmRestarts,
}

/// What the decoder's bias is at first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BiasInit {
    /// Zeros, as SAELens has it; the mean of the output for transcoders, as sparsify has it.
    #[default]
    Peer,
    /// Zeros.
    Zeros,
    /// The mean of the first batch.
    Mean,
    /// The point with the least sum of distances to the first batch (Weiszfeld).
    GeometricMedian,
}

/// The form of the loss that revives dead features.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AuxLoss {
    /// Not normalised, negative activations kept.
    #[default]
    SaeLens,
    /// Activations through a ReLU, the loss divided by the variance of the residual (Gao et al. 2024).
    OpenAi,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            architecture: TrainArchitecture::Standard,
            d_sae: 0,
            l1_coefficient: 1.0,
            l1_warm_up_steps: 0,
            lp_norm: 1.0,
            k: 100.0,
            rescale_acts_by_decoder_norm: true,
            aux_loss_coefficient: 1.0,
            topk_threshold_lr: 0.01,
            matryoshka_widths: Vec::new(),
            use_matryoshka_aux_loss: false,
            jumprelu_init_threshold: 0.01,
            jumprelu_bandwidth: 0.05,
            jumprelu_sparsity_loss_mode: SparsityLoss::Step,
            l0_coefficient: 1.0,
            l0_warm_up_steps: 0,
            pre_act_loss_coefficient: None,
            jumprelu_tanh_scale: 4.0,
            jumprelu_ste_to_input: false,
            target_l0: None,
            residual_threshold: 1e-2,
            max_iterations: None,
            stop_on_duplicate_support: true,
            decoder_init_norm: Some(0.1),
            apply_b_dec_to_input: true,
            normalize_activations: Normalization::None,
            training_tokens: 2_000_000,
            train_batch_size_tokens: 4096,
            lr: 3e-4,
            lr_end: None,
            lr_scheduler_name: LrScheduler::Constant,
            lr_warm_up_steps: 0,
            lr_decay_steps: 0,
            n_restart_cycles: 1,
            adam_beta1: 0.9,
            adam_beta2: 0.999,
            dead_feature_window: 1000,
            feature_sampling_window: 2000,
            n_batches_for_norm_estimate: 1000,
            seed: 42,
            unit_decoder: false,
            b_dec_init: BiasInit::Peer,
            aux_loss_form: AuxLoss::SaeLens,
            resample_dead_every: None,
            ema_decay: None,
        }
    }
}

mod by_name {
    use super::TrainArchitecture;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    pub(super) fn serialize<S: Serializer>(
        architecture: &TrainArchitecture,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(architecture.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<TrainArchitecture, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
