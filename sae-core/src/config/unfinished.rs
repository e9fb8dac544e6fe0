//! What the weights of a checkpoint of training still lack.

use crate::run_dir::RunLayout;
use serde::{Deserialize, Deserializer, de::IgnoredAny};

/// How the weights of a checkpoint of training differ from those of the SAE that is used. [`Sae::load`](crate::Sae::load) makes up for
/// it, as SAELens does when it saves an SAE for inference.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Unfinished {
    /// Whether one number, `topk_threshold`, is the threshold of all features: batchtopk and `matryoshka_batchtopk`.
    pub shared_threshold: bool,
    /// Whether norms of decoder rows go into the encoder: the topk family with `rescale_acts_by_decoder_norm`.
    pub fold_w_dec_norm: bool,
    /// The factors of inputs and targets, which go into the weights; none if there are none, or they are not known.
    pub scales: Option<ActivationScales>,
}

/// What activations were multiplied by in training.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ActivationScales {
    /// Of the input.
    pub input: f64,
    /// Of the target: the same but for transcoders.
    pub target: f64,
}

impl ActivationScales {
    /// A factor each.
    pub fn new(input: f64, target: f64) -> Self {
        Self { input, target }
    }

    /// One factor for input and target.
    pub fn same(factor: f64) -> Self {
        Self {
            input: factor,
            target: factor,
        }
    }
}

/// `activation_scaler.json`, which SAELens' trainer writes beside a checkpoint's `cfg.json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Scaler {
    scaling_factor: Option<f64>,
    /// Ours, for transcoders.
    target_scaling_factor: Option<f64>,
    has_whitening: Option<bool>,
}

impl Scaler {
    /// Reads the text of the file.
    pub(crate) fn from_json(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| super::error::in_words(&error))
    }

    /// Whether inputs were whitened. SAELens takes the word for yes where it is missing, and then looks for the matrices.
    pub(crate) fn is_whitened(&self, layout: &RunLayout) -> bool {
        self.has_whitening
            .unwrap_or_else(|| layout.whitening().is_file())
    }

    /// The factors, if there are any.
    pub(crate) fn scales(&self, is_transcoder: bool) -> Result<Option<ActivationScales>, String> {
        let Some(input) = self.scaling_factor else {
            return Ok(None);
        };
        let target = match self.target_scaling_factor {
            Some(target) => target,
            None if is_transcoder => {
                return Err(
                    "target_scaling_factor is missing; expected the factor of what the transcoder writes"
                        .to_owned(),
                );
            }
            None => input,
        };
        for (key, factor) in [("scaling_factor", input), ("target_scaling_factor", target)] {
            if !(factor.is_finite() && factor > 0.0) {
                return Err(format!("{key} is {factor}; expected a positive number"));
            }
        }
        Ok(Some(ActivationScales { input, target }))
    }
}

/// Whether a key is there, whatever it holds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Present(pub(super) bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(from)?;
        Ok(Self(true))
    }
}
