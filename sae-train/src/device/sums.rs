//! What is summed over tokens, and how it reaches the gradient.

use super::weights::{DeviceWeights, Gradient, add};
use burn::tensor::{Bool, FloatDType, Tensor};

/// Sums over tokens, `[1, d_sae]` each, `[1, 1]` for the loss.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// Tokens on which a feature is active.
    pub(super) fired: Option<Tensor<2>>,
    /// Into `x·W_enc`, without the bias.
    pub(super) product: Option<Tensor<2>>,
    /// Into the encoder's bias; the same as `product` where it is `None`.
    pub(super) bias: Option<Tensor<2>>,
    /// Into the threshold.
    pub(super) threshold: Option<Tensor<2>>,
    /// Into the norm of the decoder's row.
    pub(super) norm: Option<Tensor<2>>,
    /// Into the bias of the magnitude.
    pub(super) b_mag: Option<Tensor<2>>,
    /// Into the logarithm of the magnitude's scale.
    pub(super) r_mag: Option<Tensor<2>>,
    /// Σ of a second loss.
    pub(super) extra_loss: Option<Tensor<2>>,
}

/// 1 where it is true, else 0.
pub(super) fn ones<const D: usize>(mask: Tensor<D, Bool>) -> Tensor<D> {
    mask.cast(FloatDType::F32)
}

/// Rows in which each column is not `off`, `[1, n]`. What is neither on nor off, a NaN, counts as on and is seen.
pub(super) fn count_on(off: Tensor<2, Bool>) -> Tensor<2> {
    let rows = off.dims()[0];
    ones(off).sum_dim(0).neg().add_scalar(rows as f64)
}

/// All in one sum, `[1, 1]`. Axis by axis: burn's sum of everything may add atomically, in no fixed order.
pub(super) fn total(x: Tensor<2>) -> Tensor<2> {
    x.sum_dim(1).sum_dim(0)
}

/// Turns sums over tokens into gradients of biases, thresholds, scales and decoder norms. `norms` are `[1, d_sae]`.
///
/// The input of the encoder is `x − b_dec` where `centred`, so that the decoder's bias gets `−Σ W_enc·dz`.
pub(super) fn finish(
    sums: Sums,
    norms: &Tensor<2>,
    weights: &DeviceWeights,
    gradient: &mut Gradient,
    centred: bool,
) -> Option<Tensor<2>> {
    gradient.b_enc = sums.bias.or_else(|| sums.product.clone());
    gradient.threshold = sums.threshold;
    (gradient.b_mag, gradient.r_mag) = (sums.b_mag, sums.r_mag);
    if let Some(norm) = sums.norm {
        // d‖w‖/dw = w/‖w‖, and 0 where w is.
        let d_sae = norm.dims()[1];
        let share = (norm / norms.clone().clamp_min(f32::MIN_POSITIVE)).reshape([d_sae, 1]);
        add(&mut gradient.w_dec, share * weights.w_dec.clone());
    }
    if let (true, Some(product)) = (centred, sums.product) {
        add(
            &mut gradient.b_dec,
            fused_ops::matmul(product, weights.w_enc.clone()).neg(),
        );
    }
    sums.fired
}
