//! Products of a few rows with a large matrix, as the generation of text needs them: reading the weights takes all the time. They are read
//! once, as they lie, and meet every row while they are at hand.

use super::kernel::{dot, load};
use super::pack::{BLOCK, Line, ZEROS};
use super::place::Place;
use crate::host::Number;
use crate::product::Operand;
use burn::tensor::bf16;
use rayon::prelude::*;
use std::arch::x86_64::{
    _MM_HINT_T0, _mm_prefetch, _mm512_loadu_si512, _mm512_maskz_loadu_epi16,
    _mm512_reduce_add_ps, _mm512_setzero_ps,
};

/// With more rows, laying out the weights costs less than adding up registers.
const MOST_ROWS: usize = 8;
/// Weights for each thread at least: a quarter of a megabyte takes some 20 µs to read, a thread 5 µs to wake.
const PER_THREAD: usize = 1 << 17;

/// Whether this is the way: few rows, and weights without gaps.
pub(super) fn suits<E>(x: &Operand<'_, E>, weight: &Operand<'_, bf16>) -> bool {
    x.dims[0] <= MOST_ROWS && weight.strides == [weight.dims[1], 1]
}

/// # Safety
/// The processor has the instructions, and nobody else writes to the place.
pub(super) unsafe fn product<X: Number, E: Number>(
    place: &Place<E>,
    x: Operand<'_, X>,
    weight: Operand<'_, bf16>,
) {
    // SAFETY: as the caller says. Sums of rows and outputs at once are as many as registers have room for.
    unsafe {
        match x.dims[0] {
            1 => of_rows::<X, E, 1, 8>(place, x, weight),
            2 => of_rows::<X, E, 2, 8>(place, x, weight),
            3 | 4 => of_rows::<X, E, 4, 4>(place, x, weight),
            _ => of_rows::<X, E, MOST_ROWS, 2>(place, x, weight),
        }
    }
}

/// Of at most R rows, W outputs at once.
///
/// # Safety
/// As [`product`].
unsafe fn of_rows<X: Number, E: Number, const R: usize, const W: usize>(
    place: &Place<E>,
    x: Operand<'_, X>,
    weight: Operand<'_, bf16>,
) {
    let ([rows, n_in], [n_out, _]) = (x.dims, weight.dims);
    let x: Vec<[Line; R]> = (0..n_in)
        .step_by(BLOCK)
        .map(|start| {
            let mut lines = [ZEROS; R];
            for (row, line) in lines.iter_mut().enumerate().take(rows) {
                let data = &x.data[row * x.strides[0] + start * x.strides[1]..];
                line.gather(data, x.strides[1], BLOCK.min(n_in - start));
            }
            lines
        })
        .collect();
    let per_task = PER_THREAD.div_ceil(n_in).next_multiple_of(W);
    let task = |start: usize| {
        let end = (start + per_task).min(n_out);
        for first in (start..end).step_by(W) {
            // At the end the last one takes the places of those that are missing.
            let row = |i: usize| &weight.data[(first + i).min(n_out - 1) * n_in..][..n_in];
            // SAFETY: the caller has found the instructions, and no two tasks share outputs.
            unsafe {
                let sums = sums::<R, W>(&x, std::array::from_fn(row));
                for (row, sums) in sums[..rows].iter().enumerate() {
                    place.put(row, first, &sums[..W.min(end - first)]);
                }
            }
        }
    };
    if n_out < 2 * per_task {
        (0..n_out).step_by(per_task).for_each(task);
    } else {
        let tasks = (0..n_out.div_ceil(per_task)).into_par_iter();
        tasks.for_each(|i| task(i * per_task));
    }
}

/// The products of each row with each of W outputs, whose weights are of one length.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn sums<const R: usize, const W: usize>(x: &[[Line; R]], weights: [&[bf16]; W]) -> [[f32; W]; R] {
    let n_in = weights[0].len();
    assert!(weights.iter().all(|row| row.len() == n_in));
    let (whole, rest) = x.split_at(n_in / BLOCK);
    let mut sums = [[_mm512_setzero_ps(); W]; R];
    for (block, x) in whole.iter().enumerate() {
        for output in 0..W {
            let at = weights[output].as_ptr().wrapping_add(block * BLOCK);
            // The same place of the outputs that come next: the processor by itself does not see beyond the end of a row.
            _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(W * n_in).cast());
            // SAFETY: `whole` has as many blocks as fit the weights of an output.
            let weight = unsafe { _mm512_loadu_si512(at.cast()) };
            for row in 0..R {
                sums[row][output] = dot(sums[row][output], weight, load(&x[row]));
            }
        }
    }
    if let Some(x) = rest.first() {
        for output in 0..W {
            let rest = &weights[output][whole.len() * BLOCK..];
            let mask = u32::MAX >> (BLOCK - rest.len());
            // SAFETY: the mask has a bit for each number.
            let weight = unsafe { _mm512_maskz_loadu_epi16(mask, rest.as_ptr().cast()) };
            for row in 0..R {
                sums[row][output] = dot(sums[row][output], weight, load(&x[row]));
            }
        }
    }
    let mut totals = [[0.0; W]; R];
    for (totals, sums) in totals.iter_mut().zip(sums) {
        for (total, sums) in totals.iter_mut().zip(sums) {
            *total = _mm512_reduce_add_ps(sums);
        }
    }
    totals
}
