//! Products of some dozens of rows with a large matrix, as a prompt needs them. The product is made the other way round, (W·xᵀ)ᵀ: it is wide
//! along the rows then, so that x is what has to be laid out anew for it, and not the matrix.

use crate::host::HostTensor;
use crate::product::{Operand, product};
use rayon::prelude::*;

/// With more rows, laying out the matrix costs less than turning the product.
const MOST_ROWS: usize = 192;
/// Columns that are turned at once: one line of the cache.
const COLUMNS: usize = 16;
/// Numbers for each thread at least.
const PER_THREAD: usize = 1 << 14;

/// Whether this is the way.
pub(super) fn suits(x: &HostTensor<2>, weight: &HostTensor<2>) -> bool {
    let [rows, n_in] = x.dims();
    rows <= MOST_ROWS && n_in > 0 && weight.strides() == [n_in, 1]
}

/// out += x·Wᵀ.
///
/// # Panics
/// If `out` is not of the product's size.
pub(super) fn add(x: Operand<'_>, weight: Operand<'_>, out: &mut [f32]) {
    let ([rows, _], [n_out, _]) = (x.dims, weight.dims);
    assert_eq!(out.len(), rows * n_out);
    if out.is_empty() {
        return;
    }
    let mut turned = Vec::with_capacity(out.len());
    // SAFETY: the vector has room for the product, which writes all of it without reading.
    unsafe {
        product(turned.as_mut_ptr(), weight, x.transpose(), false);
        turned.set_len(out.len());
    }
    let rows_per_task = PER_THREAD
        .div_ceil(n_out)
        .max(rows.div_ceil(rayon::current_num_threads()));
    let tasks = out.par_chunks_mut(rows_per_task * n_out).enumerate();
    tasks.for_each(|(task, out)| add_turned(&turned, rows, task * rows_per_task, out));
}

/// out += the rows from `first` on of what is turned, `[n_out, rows]`.
fn add_turned(turned: &[f32], rows: usize, first: usize, out: &mut [f32]) {
    let n_out = turned.len() / rows;
    for (block, turned) in turned.chunks(COLUMNS * rows).enumerate() {
        for (row, out) in out.chunks_exact_mut(n_out).enumerate() {
            let out = out[block * COLUMNS..].iter_mut();
            let column = turned[first + row..].iter().step_by(rows);
            out.zip(column).for_each(|(out, x)| *out += x);
        }
    }
}
