//! Features whose decoder directions point the same way.

use burn::tensor::Tensor;
use fused_ops::linear;
use rayon::prelude::*;

use super::top::First;
use super::{rows, to_f32s};
use crate::Neighbour;

/// Rows and columns of the products that exist at a time: 8 MiB of f32.
const ROWS: usize = 256;
const COLUMNS: usize = 8192;

/// For each of the features `which`, the `n` features of the **whole** dictionary with the largest cosine of decoder directions, largest first,
/// itself left out; of equal ones those of lower index first. A direction of length zero has cosine 0 with everything.
///
/// Takes `2 · which.len() · d_sae · d` floating-point operations.
///
/// # Shapes
/// `w_dec`: `[d_sae, d]`; `norms`: [`decoder_norms`](super::decoder_norms) of it.
///
/// # Panics
/// If a feature is not below `d_sae`, or there are not as many norms.
pub fn decoder_neighbours(
    w_dec: &Tensor<2>,
    norms: &[f32],
    which: &[u32],
    n: usize,
) -> Vec<Vec<Neighbour>> {
    let [d_sae, _] = w_dec.dims();
    let mut neighbours = Vec::with_capacity(which.len());
    for features in which.chunks(ROWS) {
        let own = rows(w_dec, features);
        let mut found: Vec<First<Neighbour>> = features.iter().map(|_| First::new(n)).collect();
        for first in (0..d_sae).step_by(COLUMNS) {
            let width = COLUMNS.min(d_sae - first);
            let others = w_dec.clone().narrow(0, first, width);
            let products = to_f32s(linear(own.clone(), others));
            let rows = features.par_iter().zip(products.par_chunks_exact(width));
            found
                .par_iter_mut()
                .zip(rows)
                .for_each(|(found, (&feature, products))| {
                    for (i, &product) in products.iter().enumerate() {
                        let index = (first + i) as u32;
                        if index == feature {
                            continue;
                        }
                        let length = norms[feature as usize] * norms[index as usize];
                        // Only rows without a direction are set to zero: a value that is not a number stays so, and is left out.
                        let value = if length == 0.0 { 0.0 } else { product / length };
                        if !value.is_nan() {
                            let neighbour = Neighbour { index, value };
                            found.push(neighbour, |a, b| b.value.total_cmp(&a.value));
                        }
                    }
                });
        }
        neighbours.extend(found.into_iter().map(First::into_vec));
    }
    neighbours
}
