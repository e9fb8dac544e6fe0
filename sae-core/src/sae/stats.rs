//! Figures of each feature from the weights alone.

use super::topk::to_f32;
use super::{Encoder, Sae};

/// Per-feature figures from the weights, `[d_sae]` each.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureWeights {
    /// `‖W_enc[:, i]‖`.
    pub encoder_norm: Vec<f32>,
    /// `b_enc[i]`, of architectures that have one.
    pub encoder_bias: Option<Vec<f32>>,
    /// `‖W_dec[i]‖`.
    pub decoder_norm: Vec<f32>,
    /// Cosine between what a feature looks for and what it writes; `None` for transcoders, which look and write in different places.
    pub encoder_decoder_cosine_sim: Option<Vec<f32>>,
}

impl Sae {
    /// Computes [`FeatureWeights`].
    pub fn feature_weights(&self) -> FeatureWeights {
        let w_enc = self.w_enc().transpose();
        let encoder = w_enc.clone().square().sum_dim(1).sqrt();
        let decoder = self.w_dec.clone().square().sum_dim(1).sqrt();
        let same_place = !self.cfg.architecture.is_transcoder() && self.cfg.d_in == self.cfg.d_out;
        FeatureWeights {
            encoder_decoder_cosine_sim: same_place.then(|| {
                to_f32(
                    (w_enc * self.w_dec.clone()).sum_dim(1) / (encoder.clone() * decoder.clone()),
                )
            }),
            encoder_norm: to_f32(encoder),
            decoder_norm: to_f32(decoder),
            encoder_bias: match &self.encoder {
                Encoder::Linear(linear) => Some(to_f32(linear.b_enc.clone())),
                _ => None,
            },
        }
    }

    /// The bias that decides how large a feature is, `[d_sae]`: the encoder's, `b_mag` of a gated SAE, none of the other architectures.
    pub fn magnitude_bias(&self) -> Option<Vec<f32>> {
        match &self.encoder {
            Encoder::Linear(linear) => Some(to_f32(linear.b_enc.clone())),
            Encoder::Gated(gated) => Some(to_f32(gated.b_mag.clone())),
            Encoder::MatchingPursuit | Encoder::Temporal(_) => None,
        }
    }
}
