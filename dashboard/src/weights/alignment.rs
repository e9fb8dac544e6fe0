//! Decoder directions entry by entry.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::top::First;
use super::{rows, to_f32s};
use crate::NeuronWeight;

/// Rows that are on the host at a time.
const ROWS: usize = 1024;

/// The `n` largest entries by magnitude of each feature's decoder direction, largest first; of equal ones the first.
///
/// # Shapes
/// `w_dec`: `[d_sae, d]` → one list per feature of `which`.
///
/// # Panics
/// If a feature is not below `d_sae`.
pub fn alignment(w_dec: &Tensor<2>, which: &[u32], n: usize) -> Vec<Vec<NeuronWeight>> {
    let [_, d] = w_dec.dims();
    let of_row = |row: &[f32]| {
        let l1: f64 = row.iter().map(|&x| f64::from(x).abs()).sum();
        let mut first = First::new(n);
        for (neuron, &value) in row.iter().enumerate() {
            let l1_share = if l1 > 0.0 {
                (f64::from(value).abs() / l1) as f32
            } else {
                0.0
            };
            let neuron = NeuronWeight {
                neuron: neuron as u32,
                value,
                l1_share,
            };
            first.push(neuron, |a, b| b.value.abs().total_cmp(&a.value.abs()));
        }
        first.into_vec()
    };
    let mut found = Vec::with_capacity(which.len());
    for which in which.chunks(ROWS) {
        let values = to_f32s(rows(w_dec, which));
        found.par_extend(values.par_chunks_exact(d.max(1)).map(of_row));
    }
    found
}

/// Euclidean norms of the decoder directions, summed in f64.
///
/// # Shapes
/// `w_dec`: `[d_sae, d]` → `d_sae` norms.
pub fn decoder_norms(w_dec: &Tensor<2>) -> Vec<f32> {
    let [d_sae, d] = w_dec.dims();
    let norm = |row: &[f32]| {
        row.iter()
            .map(|&x| f64::from(x).powi(2))
            .sum::<f64>()
            .sqrt() as f32
    };
    let mut norms = Vec::with_capacity(d_sae);
    for first in (0..d_sae).step_by(ROWS) {
        let some = w_dec.clone().narrow(0, first, ROWS.min(d_sae - first));
        norms.par_extend(to_f32s(some).par_chunks_exact(d.max(1)).map(norm));
    }
    norms
}
