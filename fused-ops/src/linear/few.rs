//! Products of a few rows with a large matrix, as the generation of text needs them: reading the weights takes all the time, so that each is
//! read once, by all threads, and meets every row while it is at hand.

use crate::host::{HostTensor, vectorised};
use crate::slices::dot;
use rayon::prelude::*;

/// More rows are a matrix product like any other.
const MOST_ROWS: usize = 8;
/// Rows of the weight that are read at once. As many sums for all rows of x fill the vector registers.
const AT_ONCE: usize = 8;
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
    match rows {
        1 => add_one(x, weight, out),
        2..=4 => add_several(&columns::<4>(x, n_in), rows, weight, out),
        _ => add_several(&columns::<MOST_ROWS>(x, n_in), rows, weight, out),
    }
}

/// Rows of the weight for a task.
fn per_task(n_in: usize) -> usize {
    PER_THREAD.div_ceil(n_in).next_multiple_of(AT_ONCE)
}

fn add_one(x: &[f32], weight: &[f32], out: &mut [f32]) {
    let n_in = x.len();
    let task = |(out, weight): (&mut [f32], &[f32])| {
        vectorised(|| {
            for (out, weight) in out.iter_mut().zip(weight.chunks_exact(n_in)) {
                *out += dot(x, weight);
            }
        });
    };
    let n = per_task(n_in);
    if out.len() < 2 * n {
        return task((out, weight));
    }
    let out = out.par_chunks_mut(n);
    out.zip(weight.par_chunks(n * n_in)).for_each(task);
}

/// `x`: the columns of as many rows as vectors have room for; `rows` of them count.
fn add_several<const R: usize>(x: &[[f32; R]], rows: usize, weight: &[f32], out: &mut [f32]) {
    let (n_in, n_out) = (x.len(), out.len() / rows);
    let task = |weight: &[f32]| {
        let mut sums = vec![[0.0_f32; R]; weight.len() / n_in];
        pulp::Arch::new().dispatch(Products {
            x,
            weight,
            sums: &mut sums,
        });
        sums
    };
    let n = per_task(n_in);
    let parts: Vec<Vec<[f32; R]>> = if n_out < 2 * n {
        vec![task(weight)]
    } else {
        weight.par_chunks(n * n_in).map(task).collect()
    };
    for (row, out) in out.chunks_exact_mut(n_out).enumerate() {
        for (out, sums) in out.iter_mut().zip(parts.iter().flatten()) {
            *out += sums[row];
        }
    }
}

/// The columns of rows, side by side; rows that are missing are zero.
fn columns<const R: usize>(x: &[f32], n_in: usize) -> Vec<[f32; R]> {
    let mut columns = vec![[0.0; R]; n_in];
    for (row, x) in x.chunks_exact(n_in).enumerate() {
        for (column, &x) in columns.iter_mut().zip(x) {
            column[row] = x;
        }
    }
    columns
}

/// The products of all rows with each row of the weight. A weight meets a vector of one value from each row, so that no sum is left to make in the end.
///
/// Not a closure: the compiler leaves one of this size a function of its own, which is then not compiled for wide vectors.
struct Products<'a, const R: usize> {
    x: &'a [[f32; R]],
    weight: &'a [f32],
    sums: &'a mut [[f32; R]],
}

impl<const R: usize> pulp::WithSimd for Products<'_, R> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::inline_always)] // compiled into the caller's vector code
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self { x, weight, sums } = self;
        let (n_in, n) = (x.len(), sums.len());
        for first in (0..n).step_by(AT_ONCE) {
            // At the end the last row takes the places of those that are missing.
            let row = |i: usize| &weight[(first + i).min(n - 1) * n_in..][..n_in];
            let found = eight(
                x,
                [
                    row(0),
                    row(1),
                    row(2),
                    row(3),
                    row(4),
                    row(5),
                    row(6),
                    row(7),
                ],
            );
            let n = (n - first).min(AT_ONCE);
            sums[first..][..n].copy_from_slice(&found[..n]);
        }
    }
}

/// Written out, since the compiler keeps the sums of a loop over the rows in memory and computes them one by one.
#[inline(always)]
#[allow(clippy::inline_always)] // compiled into the caller's vector code
#[allow(clippy::many_single_char_names)] // eight of a kind
fn eight<const R: usize>(x: &[[f32; R]], weights: [&[f32]; AT_ONCE]) -> [[f32; R]; AT_ONCE] {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = [[0.0_f32; R]; AT_ONCE];
    let [wa, wb, wc, wd, we, wf, wg, wh] = weights.map(|weight| weight.iter());
    let first = wa.zip(wb).zip(wc).zip(wd);
    let second = we.zip(wf).zip(wg).zip(wh);
    for ((x, (((wa, wb), wc), wd)), (((we, wf), wg), wh)) in x.iter().zip(first).zip(second) {
        for r in 0..R {
            a[r] += x[r] * wa;
            b[r] += x[r] * wb;
            c[r] += x[r] * wc;
            d[r] += x[r] * wd;
            e[r] += x[r] * we;
            f[r] += x[r] * wf;
            g[r] += x[r] * wg;
            h[r] += x[r] * wh;
        }
    }
    [a, b, c, d, e, f, g, h]
}
