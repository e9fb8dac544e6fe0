//! Adam over all weights in one pass, with the clipping of the whole gradient.

use crate::options::TrainOptions;
use crate::weights::Weights;
use fused_ops::slices::{sum_of_squares, vectorised};
use rayon::prelude::*;

/// Numbers that a thread takes at a time.
const CHUNK: usize = 1 << 15;
/// ε, added to the root of the second moment.
pub(crate) const EPS: f32 = 1e-8;

/// The step of the optimizer: learning rate and corrections for the moments' start at zero.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamStep {
    pub(crate) beta1: f32,
    /// 1 − β₁, rounded once: from a rounded β it would be off by 1e-5.
    pub(crate) rest1: f32,
    pub(crate) beta2: f32,
    /// 1 − β₂
    pub(crate) rest2: f32,
    /// lr / (1 − β₁ᵗ)
    pub(crate) step_size: f32,
    /// √(1 − β₂ᵗ)
    pub(crate) root: f32,
}

impl AdamStep {
    /// The step number `t`, counted from 1.
    pub(crate) fn new(options: &TrainOptions, lr: f64, t: u64) -> Self {
        let t = i32::try_from(t).unwrap_or(i32::MAX);
        Self {
            beta1: options.adam_beta1 as f32,
            rest1: (1.0 - options.adam_beta1) as f32,
            beta2: options.adam_beta2 as f32,
            rest2: (1.0 - options.adam_beta2) as f32,
            step_size: (lr / (1.0 - options.adam_beta1.powi(t))) as f32,
            root: (1.0 - options.adam_beta2.powi(t)).sqrt() as f32,
        }
    }
}

/// ‖g‖ over all weights, in f64 and in one order.
pub(crate) fn norm(gradient: &Weights) -> f64 {
    let of = |part: &&Vec<f32>| -> f64 {
        let sums: Vec<f64> = part
            .par_chunks(CHUNK)
            .map(|chunk| vectorised(|| f64::from(sum_of_squares(chunk))))
            .collect();
        sums.iter().sum()
    };
    gradient.parts().iter().map(of).sum::<f64>().sqrt()
}

/// m ← m + (1−β₁)(g−m); v ← β₂v + (1−β₂)g²; w ← w − step·m/(√v/root + ε), with g scaled by `clip` first. The gradient is cleared.
pub(crate) fn update(
    weights: &mut Weights,
    gradient: &mut Weights,
    m: &mut Weights,
    v: &mut Weights,
    clip: f32,
    step: AdamStep,
) {
    let parts = weights.parts_mut().into_iter().zip(gradient.parts_mut());
    for (((w, g), m), v) in parts.zip(m.parts_mut()).zip(v.parts_mut()) {
        w.par_chunks_mut(CHUNK)
            .zip(g.par_chunks_mut(CHUNK))
            .zip(m.par_chunks_mut(CHUNK))
            .zip(v.par_chunks_mut(CHUNK))
            .for_each(|(((w, g), m), v)| vectorised(|| update_chunk(w, g, m, v, clip, step)));
    }
}

#[inline(always)]
#[allow(clippy::inline_always)] // compiled into the vectorised caller
fn update_chunk(
    w: &mut [f32],
    g: &mut [f32],
    m: &mut [f32],
    v: &mut [f32],
    clip: f32,
    step: AdamStep,
) {
    let AdamStep {
        rest1,
        beta2,
        rest2,
        step_size,
        root,
        ..
    } = step;
    let n = w.len();
    let (g, m, v) = (&mut g[..n], &mut m[..n], &mut v[..n]);
    for i in 0..n {
        let gi = g[i] * clip;
        m[i] += rest1 * (gi - m[i]);
        v[i] = v[i] * beta2 + rest2 * (gi * gi);
        w[i] -= step_size * (m[i] / (v[i].sqrt() / root + EPS));
        g[i] = 0.0;
    }
}
