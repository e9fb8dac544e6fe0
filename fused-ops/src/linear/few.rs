//! Products of a few rows with a large matrix, as the generation of text needs them: reading the weights takes all the time, so that each is
//! read once, by all threads, and meets every row while it is at hand.

use crate::host::{HostTensor, vectorised};
use rayon::prelude::*;

/// More rows are a matrix product like any other.
const MOST_ROWS: usize = 8;
/// Rows that meet a weight at once: their sums stay in registers.
const AT_ONCE: usize = 4;
/// Accumulators of a sum.
const LANES: usize = 16;
/// Weights for each thread at least: a quarter of a megabyte takes some 20 µs to read, a thread 5 µs to wake.
const PER_THREAD: usize = 1 << 16;

/// Whether this is the way: few rows, and numbers without gaps.
pub(super) fn suits(x: &HostTensor<2>, weight: &HostTensor<2>) -> bool {
    let whole = |x: &HostTensor<2>| x.strides() == [x.dims()[1], 1];
    let [rows, n_in] = x.dims();
    rows > 0 && n_in > 0 && rows <= MOST_ROWS && whole(x) && whole(weight)
}

/// out += x·Wᵀ.
///
/// # Panics
/// If `out` is not of the product's size.
pub(super) fn add(x: &HostTensor<2>, weight: &HostTensor<2>, out: &mut [f32]) {
    let ([rows, n_in], [n_out, _]) = (x.dims(), weight.dims());
    assert_eq!(out.len(), rows * n_out);
    let (x, weight) = (&x.data()[..rows * n_in], &weight.data()[..n_out * n_in]);
    let per_task = PER_THREAD.div_ceil(n_in);
    if rows == 1 {
        // Where the sums belong.
        let task = |(out, weight): (&mut [f32], &[f32])| {
            vectorised(|| columns(x, weight, n_in, |at, _, sum| out[at] += sum));
        };
        return if n_out < 2 * per_task {
            task((out, weight));
        } else {
            let (out, weight) = (
                out.par_chunks_mut(per_task),
                weight.par_chunks(per_task * n_in),
            );
            out.zip(weight).for_each(task);
        };
    }
    let part = |weight: &[f32]| {
        let n = weight.len() / n_in;
        let mut sums = vec![0.0_f32; rows * n];
        vectorised(|| columns(x, weight, n_in, |at, row, sum| sums[row * n + at] = sum));
        sums
    };
    let parts: Vec<Vec<f32>> = if n_out < 2 * per_task {
        vec![part(weight)]
    } else {
        weight.par_chunks(per_task * n_in).map(part).collect()
    };
    let mut start = 0;
    for part in parts {
        let n = part.len() / rows;
        for (row, sums) in part.chunks_exact(n).enumerate() {
            let out = &mut out[row * n_out + start..][..n];
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
        }
        start += n;
    }
}

/// Calls `put(output, row, sum)` for every row of the weight and every row of x.
#[inline(always)]
#[allow(clippy::inline_always)] // compiled into the caller's vector code
fn columns(x: &[f32], weight: &[f32], n_in: usize, mut put: impl FnMut(usize, usize, f32)) {
    for (at, weight) in weight.chunks_exact(n_in).enumerate() {
        for (group, x) in x.chunks(AT_ONCE * n_in).enumerate() {
            let n = x.len() / n_in;
            let row = |i: usize| &x[i.min(n - 1) * n_in..][..n_in];
            let first = group * AT_ONCE;
            if n == 1 {
                put(at, first, long(row(0), weight));
                continue;
            }
            // Of two or three rows the last takes the places of those that are missing.
            let sums = four([row(0), row(1), row(2), row(3)], weight);
            for (i, &sum) in sums[..n].iter().enumerate() {
                put(at, first + i, sum);
            }
        }
    }
}

/// The sum of a vector's lanes, halving it.
#[inline(always)]
#[allow(clippy::inline_always)] // compiled into the caller's vector code
fn total(mut lanes: [f32; LANES]) -> f32 {
    let mut n = LANES / 2;
    while n > 0 {
        for i in 0..n {
            lanes[i] += lanes[i + n];
        }
        n /= 2;
    }
    lanes[0]
}

/// One sum, with as many accumulators as hide the latency of additions.
#[inline(always)]
#[allow(clippy::inline_always)] // compiled into the caller's vector code
fn long(x: &[f32], weight: &[f32]) -> f32 {
    const WIDE: usize = 4 * LANES;
    let mut wide = [0.0_f32; WIDE];
    let (x, x_rest) = x.as_chunks::<WIDE>();
    let (weight, weight_rest) = weight.as_chunks::<WIDE>();
    for (x, weight) in x.iter().zip(weight) {
        for i in 0..WIDE {
            wide[i] += x[i] * weight[i];
        }
    }
    let mut lanes = [0.0_f32; LANES];
    for (i, sum) in wide.iter().enumerate() {
        lanes[i % LANES] += sum;
    }
    lanes.iter().sum::<f32>()
        + x_rest
            .iter()
            .zip(weight_rest)
            .map(|(x, weight)| x * weight)
            .sum::<f32>()
}

/// Four rows with one of the weight. Written out, since the compiler keeps the sums of a loop over the rows in memory and computes them one by one.
#[inline(always)]
#[allow(clippy::inline_always)] // compiled into the caller's vector code
fn four(rows: [&[f32]; AT_ONCE], weight: &[f32]) -> [f32; AT_ONCE] {
    let [a, b, c, d] = rows.map(|row| row.as_chunks::<LANES>());
    let (weight, weight_rest) = weight.as_chunks::<LANES>();
    let [mut sum_a, mut sum_b, mut sum_c, mut sum_d] = [[0.0_f32; LANES]; AT_ONCE];
    for ((((w, a), b), c), d) in weight.iter().zip(a.0).zip(b.0).zip(c.0).zip(d.0) {
        for i in 0..LANES {
            sum_a[i] += a[i] * w[i];
            sum_b[i] += b[i] * w[i];
            sum_c[i] += c[i] * w[i];
            sum_d[i] += d[i] * w[i];
        }
    }
    let rest = |x: &[f32]| {
        let products = x.iter().zip(weight_rest).map(|(x, weight)| x * weight);
        products.sum::<f32>()
    };
    [
        total(sum_a) + rest(a.1),
        total(sum_b) + rest(b.1),
        total(sum_c) + rest(c.1),
        total(sum_d) + rest(d.1),
    ]
}
