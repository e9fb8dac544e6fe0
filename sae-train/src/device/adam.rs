//! Adam, the clipping of the whole gradient, and decoders of unit rows.

use super::sums::total;
use super::weights::{DeviceWeights, Gradient};
use crate::host::adam::{AdamStep, EPS};
use burn::tensor::Tensor;

/// Σ g² over all weights, `[1, 1]`.
pub(super) fn squared_norm(gradient: &Gradient) -> Option<Tensor<2>> {
    let squares = gradient.parts().into_iter().flatten();
    let sums = squares.map(|part| total(part.clone().square()));
    sums.reduce(|a, b| a + b)
}

/// As on the host: m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; w ← w − step·m/(√v/root + ε), with g scaled by `clip` first.
///
/// Numbers are multiplied together beforehand, since every operation passes over all weights.
pub(super) fn update(
    weights: &mut DeviceWeights,
    gradient: Gradient,
    m: &mut DeviceWeights,
    v: &mut DeviceWeights,
    clip: f32,
    step: AdamStep,
) {
    let parts = weights.parts_mut().into_iter().zip(gradient.into_parts());
    for (((w, g), m), v) in parts.zip(m.parts_mut()).zip(v.parts_mut()) {
        let (Some(w), Some(g), Some(m), Some(v)) = (w, g, m, v) else {
            continue;
        };
        m.inplace(|m| m.mul_scalar(step.beta1) + g.clone().mul_scalar(step.rest1 * clip));
        v.inplace(|v| v.mul_scalar(step.beta2) + g.square().mul_scalar(step.rest2 * clip * clip));
        let below = v.clone().sqrt().add_scalar(EPS * step.root);
        let moved = (m.clone() / below).mul_scalar(step.step_size * step.root);
        w.inplace(|w| w - moved);
    }
}

/// Norms of rows, `[n, 1]`.
pub(super) fn row_norms(x: &Tensor<2>) -> Tensor<2> {
    x.clone().square().sum_dim(1).sqrt()
}

/// The gradient of rows without what points along the rows.
pub(super) fn without_parallel(gradient: Tensor<2>, rows: &Tensor<2>) -> Tensor<2> {
    let along = (gradient.clone() * rows.clone()).sum_dim(1);
    let squared = rows.clone().square().sum_dim(1);
    // Of a row of zeros nothing is taken away: its product is 0.
    let share = along / squared.clamp_min(f32::MIN_POSITIVE);
    gradient - share * rows.clone()
}

/// Rows of norm 1; rows of zeros stay.
pub(super) fn unit_rows(rows: Tensor<2>) -> Tensor<2> {
    let norms = row_norms(&rows);
    rows / norms.clamp_min(f32::MIN_POSITIVE)
}
