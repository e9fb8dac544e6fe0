//! Cross-entropies and divergences of rows of logits, each row read once: a cube for each token.
//!
//! With o the logits of one run, q those of another, p = softmax(o) and lse = ln Σ eˣ: CE = lse(o) − oₜ, and
//! KL(p‖softmax(q)) = Σ p·(o − q) − lse(o) + lse(q). The largest value so far is taken out of every exponent, and sums are put right when a
//! larger one comes.

use super::launch::{cubes, element, empty, rows, units, vector_size};
use super::reduce::{cube_max, cube_sum, max_of, sum_of};
use burn::tensor::DType;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::ir::ElemType;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

/// What is smaller than every logit; the infinity itself is not a constant in every shading language.
const LOWEST: f32 = -3.0e38;

#[cube(launch)]
fn kernel<F: Float, I: Numeric, N: Size>(
    logits: &[Vector<F, N>],
    targets: &[I],
    out: &mut [f32],
    n: u32,
    vocab_size: u32,
    other: u32,
    other_step: u32,
    #[comptime] compare: bool,
    #[comptime] units: usize,
    #[comptime] plane: bool,
    #[define(F, I)] _dtypes: [ElemType; 2],
) {
    let token = CUBE_POS;
    if token >= n as usize {
        terminate!();
    }
    let vectors = vocab_size as usize / N::value();
    let row = token * vectors;
    let other_row = (other as usize + token * other_step as usize) * vectors;
    // The largest so far, Σ e^(o − largest), Σ e^(o − largest)·(o − q); and of q.
    let mut largest = f32::new(comptime!(LOWEST));
    let mut sum = 0.0_f32;
    let mut differences = 0.0_f32;
    let mut other_largest = f32::new(comptime!(LOWEST));
    let mut other_sum = 0.0_f32;
    let mut i = UNIT_POS as usize;
    while i < vectors {
        let o = Vector::<f32, N>::cast_from(logits[row + i]);
        let before = largest;
        largest = max(before, max_of::<N>(o));
        let shrink = (before - largest).exp();
        let e = (o - Vector::<f32, N>::new(largest)).exp();
        sum = sum * shrink + sum_of::<N>(e);
        if compare {
            let q = Vector::<f32, N>::cast_from(logits[other_row + i]);
            differences = differences * shrink + sum_of::<N>(e * (o - q));
            let before = other_largest;
            other_largest = max(before, max_of::<N>(q));
            let e = (q - Vector::<f32, N>::new(other_largest)).exp();
            other_sum = other_sum * (before - other_largest).exp() + sum_of::<N>(e);
        }
        i += units;
    }
    let top = cube_max(largest, units, plane);
    let own = (largest - top).exp();
    let total = cube_sum(sum * own, units, plane);
    let log_sum = total.ln() + top;
    let target = min(u32::cast_from(targets[token]), vocab_size - 1) as usize;
    let (at, lane) = (target / N::value(), target % N::value());
    let logit = f32::cast_from(logits[row + at].extract_dynamic(lane));
    if compare {
        let other_top = cube_max(other_largest, units, plane);
        let other_own = (other_largest - other_top).exp();
        let other_log_sum = cube_sum(other_sum * other_own, units, plane).ln() + other_top;
        let divergence =
            cube_sum(differences * own, units, plane) / total - log_sum + other_log_sum;
        let other_logit = f32::cast_from(logits[other_row + at].extract_dynamic(lane));
        if UNIT_POS == 0 {
            out[3 * token] = log_sum - logit;
            out[3 * token + 1] = other_log_sum - other_logit;
            out[3 * token + 2] = divergence;
        }
    } else if UNIT_POS == 0 {
        out[token] = log_sum - logit;
    }
}

/// `[n]`: −ln softmax(x)ₜ of every row. With `other`, the first row of another run's logits and how far apart two of its rows are (0 where
/// one stands for all): `[n, 3]`, the row's own, the other's, and the divergence of the other from it.
pub(super) fn launch(
    logits: CubeTensor,
    targets: CubeTensor,
    other: Option<(usize, usize)>,
) -> CubeTensor {
    let (logits, _, vocab_size) = rows(logits);
    let targets = into_contiguous(targets);
    let n: usize = targets.meta.shape().iter().product();
    let out = match other {
        Some(_) => empty(&logits, [n, 3], DType::F32),
        None => empty(&logits, [n], DType::F32),
    };
    if n == 0 {
        return out;
    }
    let (units, plane) = units(&logits);
    let (start, step) = other.unwrap_or_default();
    kernel::launch(
        &logits.client.clone(),
        cubes(&logits, n),
        CubeDim::new_1d(units),
        vector_size(&logits, vocab_size),
        logits.clone().into_buffer_arg(),
        targets.clone().into_buffer_arg(),
        out.clone().into_buffer_arg(),
        n as u32,
        vocab_size as u32,
        start as u32,
        step as u32,
        other.is_some(),
        units as usize,
        plane,
        [element(&logits), element(&targets)],
    );
    out
}
