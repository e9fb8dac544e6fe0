//! Scaling of inputs at run time, and what it takes to undo it.

use super::Sae;
use crate::config::NormalizeActivations;
use burn::tensor::Tensor;

/// Added to the standard deviation of `layer_norm` on the way in only, as in SAELens.
const LAYER_NORM_EPS: f64 = 1e-5;

/// What decoding needs to know about the input, besides the features.
#[derive(Debug, Clone)]
pub struct DecodeState {
    pub(super) norm: Norm,
    /// `[b, p, d_sae]`, what temporal attention predicts.
    pub(super) predicted: Option<Tensor<3>>,
    /// `[b, p, d_in]`, the input itself where a skip connection needs it.
    pub(super) skip: Option<Tensor<3>>,
}

/// How to undo the scaling.
#[derive(Debug, Clone)]
pub(super) enum Norm {
    None,
    /// Divide by the factor, `[b, p, 1]`.
    Scale(Tensor<3>),
    /// Divide by the constant.
    Constant(f64),
    /// Multiply by the deviation and add the mean, `[b, p, 1]` each.
    MeanStd {
        mean: Tensor<3>,
        std: Tensor<3>,
    },
}

impl Sae {
    /// Scales `[b, p, d_in]`.
    pub(super) fn normalize(&self, x: Tensor<3>) -> (Tensor<3>, Norm) {
        let d_in = self.cfg.d_in as f64;
        match self.cfg.normalize_activations {
            NormalizeActivations::None
            | NormalizeActivations::ExpectedAverageOnlyIn
            | NormalizeActivations::CovarianceWhitening => (x, Norm::None),
            NormalizeActivations::ConstantNormRescale => {
                let norm = x.clone().square().sum_dim(2).sqrt();
                let factor = norm.recip() * d_in.sqrt();
                (x * factor.clone(), Norm::Scale(factor))
            }
            NormalizeActivations::LayerNorm => {
                let mean = x.clone().mean_dim(2);
                let centred = x - mean.clone();
                let std = (centred.clone().square().sum_dim(2) / (d_in - 1.0)).sqrt();
                (
                    centred / (std.clone() + LAYER_NORM_EPS),
                    Norm::MeanStd { mean, std },
                )
            }
            NormalizeActivations::ConstantScalarRescale => {
                let factor = self.constant_factor();
                (x * factor, Norm::Constant(factor))
            }
        }
    }
}

impl Norm {
    /// Scales `[b, p, d]` back.
    pub(super) fn undo(&self, x: Tensor<3>) -> Tensor<3> {
        match self {
            Self::None => x,
            Self::Scale(factor) => x / factor.clone(),
            Self::Constant(factor) => x / *factor,
            Self::MeanStd { mean, std } => x * std.clone() + mean.clone(),
        }
    }
}
