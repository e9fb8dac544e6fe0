//! Rewriting weights without changing what the SAE does.

use super::linear::{Activation, Selection};
use super::load::row_norms;
use super::{Encoder, Sae};
use crate::architecture::Architecture;
use crate::config::NormalizeActivations;

/// Decoder rows shorter than this are treated as being this long.
pub(super) const MIN_NORM: f64 = 1e-8;

/// A rewriting that is not defined for the architecture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} is not defined for {architecture} SAEs: {why}")]
#[non_exhaustive]
pub struct FoldError {
    operation: &'static str,
    architecture: &'static str,
    why: &'static str,
}

impl Sae {
    /// Makes every decoder row a unit vector, with its norm moved into the encoder: features come in units of their effect.
    ///
    /// `n = ‖W_dec[i]‖` (at least 1e-8); `W_dec /= n`; `W_enc, b_enc, threshold, b_gate, b_mag *= n`. The output stays the same.
    ///
    /// # Errors
    /// For architectures where this changes which features are chosen: topk without `rescale_acts_by_decoder_norm`, matching pursuit,
    /// temporal.
    pub fn fold_w_dec_norm(&mut self) -> Result<(), FoldError> {
        let refuse = |why| {
            Err(FoldError {
                operation: "fold_w_dec_norm",
                architecture: self.cfg.architecture.name(),
                why,
            })
        };
        let norms = row_norms(&self.w_dec).clamp_min(MIN_NORM);
        match &mut self.encoder {
            Encoder::MatchingPursuit | Encoder::Temporal(_) => {
                return refuse("the encoder uses the decoder's rows as they are");
            }
            Encoder::Linear(linear) => {
                match &mut linear.activation {
                    Activation::TopK(Selection { norms: None, .. }) => {
                        return refuse(
                            "without rescale_acts_by_decoder_norm it would change which features are the largest",
                        );
                    }
                    Activation::TopK(Selection {
                        norms: Some(scale), ..
                    }) => *scale = scale.ones_like(),
                    Activation::JumpRelu { threshold } => {
                        *threshold = threshold.clone() * norms.clone();
                    }
                    Activation::Relu => {}
                }
                linear.w_enc = linear.w_enc.clone() * norms.clone().unsqueeze();
                linear.b_enc = linear.b_enc.clone() * norms.clone();
            }
            Encoder::Gated(gated) => {
                gated.w_enc = gated.w_enc.clone() * norms.clone().unsqueeze();
                gated.b_gate = gated.b_gate.clone() * norms.clone();
                gated.b_mag = gated.b_mag.clone() * norms.clone();
            }
        }
        self.w_dec = self.w_dec.clone() / norms.unsqueeze_dim(1);
        Ok(())
    }

    /// Folds a factor that inputs were multiplied by in training into the weights, and sets `normalize_activations` to none: for
    /// `expected_average_only_in`, whose factor is not in the file.
    ///
    /// `W_enc *= s`, `W_dec /= s`, `b_dec /= s`; biases of the encoder and thresholds stay. Of matching pursuit, whose encoder is the
    /// decoder, `W_dec` stays, and features come in the new unit. The new SAE of `x` is the old one of `s·x`, divided by `s`.
    ///
    /// # Errors
    /// For temporal SAEs, which have a factor of their own, and for transcoders, whose output has another scale.
    pub fn fold_activation_norm_scaling_factor(&mut self, factor: f64) -> Result<(), FoldError> {
        let refuse = |why| {
            Err(FoldError {
                operation: "fold_activation_norm_scaling_factor",
                architecture: self.cfg.architecture.name(),
                why,
            })
        };
        match &mut self.encoder {
            Encoder::Temporal(_) => return refuse("it has activation_normalization_factor"),
            _ if self.cfg.architecture.is_transcoder() => {
                return refuse("its output has another scale than its input");
            }
            Encoder::Linear(linear) => {
                linear.w_enc = linear.w_enc.clone() * factor;
                if let Activation::TopK(Selection {
                    norms: Some(norms), ..
                }) = &mut linear.activation
                {
                    *norms = norms.clone() / factor;
                }
            }
            Encoder::Gated(gated) => gated.w_enc = gated.w_enc.clone() * factor,
            // Tied: one is multiplied, the other divided, and both are the same.
            Encoder::MatchingPursuit => {}
        }
        if let Architecture::MatchingPursuit(settings) = &mut self.cfg.architecture {
            settings.residual_threshold /= factor;
        } else {
            self.w_dec = self.w_dec.clone() / factor;
        }
        self.b_dec = self.b_dec.clone() / factor;
        self.cfg.normalize_activations = NormalizeActivations::None;
        Ok(())
    }
}
