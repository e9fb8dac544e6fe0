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
    __m512, _MM_HINT_T0, _mm_prefetch, _mm512_add_ps, _mm512_maskz_loadu_epi16,
    _mm512_reduce_add_ps, _mm512_setzero_ps,
};

/// With more rows, laying out the weights costs less than adding up registers.
const MOST_ROWS: usize = 8;
/// Weights for each thread at least: a quarter of a megabyte takes some 20 µs to read, a thread 5 µs to wake.
const PER_THREAD: usize = 1 << 17;

/// Weights that are fetched ahead of those in use.
const AHEAD: usize = 1024;

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
    // SAFETY: as the caller says. As many sums at once as hide the instruction's latency.
    unsafe {
        match x.dims[0] {
            1 => of_rows::<X, E, 1, 4>(place, x, weight),
            2 => of_rows::<X, E, 2, 2>(place, x, weight),
            3 | 4 => of_rows::<X, E, 4, 2>(place, x, weight),
            _ => of_rows::<X, E, MOST_ROWS, 1>(place, x, weight),
        }
    }
}

/// Of at most R rows, each with U sums for an output.
///
/// # Safety
/// As [`product`].
unsafe fn of_rows<X: Number, E: Number, const R: usize, const U: usize>(
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
    let per_task = PER_THREAD.div_ceil(n_in);
    let task = |start: usize| {
        for output in start..(start + per_task).min(n_out) {
            let weights = &weight.data[output * n_in..][..n_in];
            // SAFETY: the caller has found the instructions, and no two tasks share outputs.
            unsafe {
                let sums = sums::<R, U>(&x, weights);
                for (row, sum) in sums[..rows].iter().enumerate() {
                    place.put(row, output, &[*sum]);
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

/// The products of each row with the weights of one output. One after the other, and not several at a time: the processor fetches ahead what is
/// read in order.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn sums<const R: usize, const U: usize>(x: &[[Line; R]], weights: &[bf16]) -> [f32; R] {
    let mut sums = [[_mm512_setzero_ps(); R]; U];
    let (blocks, rest) = weights.as_chunks::<BLOCK>();
    let (x, last) = x.split_at(blocks.len());
    let (groups, others) = blocks.as_chunks::<U>();
    let (x_groups, x_others) = x.as_chunks::<U>();
    for (blocks, x) in groups.iter().zip(x_groups) {
        for (sums, (block, x)) in sums.iter_mut().zip(blocks.iter().zip(x)) {
            add(sums, x, block, u32::MAX);
        }
    }
    for (block, x) in others.iter().zip(x_others) {
        add(&mut sums[0], x, block, u32::MAX);
    }
    if let Some(x) = last.first() {
        add(&mut sums[0], x, rest, u32::MAX >> (BLOCK - rest.len()));
    }
    let mut totals = [0.0; R];
    for (row, total) in totals.iter_mut().enumerate() {
        let mut sum = sums[0][row];
        for others in &sums[1..] {
            sum = _mm512_add_ps(sum, others[row]);
        }
        *total = _mm512_reduce_add_ps(sum);
    }
    totals
}

/// Adds the products of a block of weights with each row's. The mask has a bit for each weight.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn add<const R: usize>(sums: &mut [__m512; R], x: &[Line; R], weights: &[bf16], mask: u32) {
    assert!(weights.len() == mask.count_ones() as usize);
    if R > 2 {
        // Between two lines of memory there is enough to do that the processor fetches too little ahead.
        _mm_prefetch::<_MM_HINT_T0>(weights.as_ptr().wrapping_add(AHEAD).cast());
    }
    // SAFETY: the mask has a bit for each number, by the assertion.
    let weights = unsafe { _mm512_maskz_loadu_epi16(mask, weights.as_ptr().cast()) };
    for (sum, x) in sums.iter_mut().zip(x) {
        *sum = dot(*sum, weights, load(x));
    }
}
