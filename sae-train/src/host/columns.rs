//! What is summed per feature over a step, and how it reaches the gradient.

use super::unit::Sums;
use crate::weights::{Shape, Weights};
use fused_ops::slices::{Matrix, add_scaled, matmul, vectorised};
use rayon::prelude::*;

/// Norms of the rows of a matrix.
pub(super) fn row_norms(matrix: &[f32], width: usize, norms: &mut Vec<f32>) {
    norms.clear();
    norms.resize(matrix.len() / width, 0.0);
    norms
        .par_iter_mut()
        .zip(matrix.par_chunks_exact(width))
        .with_min_len(64)
        .for_each(|(norm, row)| {
            *norm = vectorised(|| fused_ops::slices::sum_of_squares(row)).sqrt();
        });
}

/// Turns sums over tokens into gradients of biases, thresholds, scales and decoder norms.
///
/// The input of the encoder is `x − b_dec` where `centred`, so that the decoder's bias gets `−Σ W_enc·dz`.
pub(super) fn finish(
    sums: &[Sums],
    norms: &[f32],
    weights: &Weights,
    gradient: &mut Weights,
    shape: Shape,
    centred: bool,
) {
    for (j, sum) in sums.iter().enumerate() {
        if let Some(b) = gradient.b_enc.get_mut(j) {
            *b += sum.bias as f32;
        }
        if let Some(threshold) = gradient.threshold.get_mut(j) {
            *threshold += sum.threshold as f32;
        }
        if let Some(b) = gradient.b_mag.get_mut(j) {
            *b += sum.b_mag as f32;
            gradient.r_mag[j] += sum.r_mag as f32;
        }
    }
    gradient
        .w_dec
        .par_chunks_exact_mut(shape.d_out)
        .zip(weights.w_dec.par_chunks_exact(shape.d_out))
        .zip(sums.par_iter().zip(norms))
        .with_min_len(64)
        .for_each(|((to, row), (sum, norm))| {
            // d‖w‖/dw = w/‖w‖, and 0 where w is.
            if sum.norm != 0.0 && *norm > 0.0 {
                vectorised(|| add_scaled(to, (sum.norm / f64::from(*norm)) as f32, row));
            }
        });
    if centred && !weights.w_enc.is_empty() {
        let minus: Vec<f32> = sums.iter().map(|sum| -sum.product as f32).collect();
        matmul(
            &mut gradient.b_dec,
            Matrix::new(&minus, 1, shape.d_sae),
            Matrix::new(&weights.w_enc, shape.d_sae, shape.d_in),
            true,
        );
    }
}
