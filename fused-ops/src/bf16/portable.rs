//! On processors without the instructions: some outputs at a time become f32, never the whole matrix.

use super::MIN_PARALLEL;
use super::place::Place;
use crate::host::{Number, vectorised};
use crate::product::{Operand, product_here};
use crate::slices::wide_dot;
use burn::tensor::bf16;
use rayon::prelude::*;

/// f32 numbers of x, and of weights, that a task has at once.
const NUMBERS: usize = 1 << 20;
/// Outputs of a task, and its rows, unless they are too long for that.
const OUTS: usize = 256;
const ROWS: usize = 512;
/// Rows and outputs of a task, however long they are: fewer do not pay for the other operand.
const LEAST: usize = 64;
/// Up to so many rows, weights are multiplied as they are read.
const FEW: usize = 8;

pub(super) fn product<X: Number, E: Number>(
    place: &Place<E>,
    x: Operand<'_, X>,
    weight: Operand<'_, bf16>,
) {
    let ([rows, n_in], [n_out, _]) = (x.dims, weight.dims);
    let most = (NUMBERS / n_in).max(LEAST);
    let (rows_at_once, outs) = (ROWS.min(most), OUTS.min(most));
    let across = n_out.div_ceil(outs);
    let n = across * rows.div_ceil(rows_at_once);
    let task = |buffers: &mut [Vec<f32>; 3], task: usize| {
        let (first, start) = (task % across * outs, task / across * rows_at_once);
        let x = part(&x, start, rows_at_once);
        let weight = part(&weight, first, outs);
        let [rows, _] = x.dims;
        let width = weight.dims[0];
        let [x_buffer, weight_buffer, sums] = buffers;
        sums.resize(rows * width, 0.0);
        widen(&x, x_buffer);
        if rows <= FEW && weight.strides[1] == 1 {
            few(x_buffer, weight, sums);
        } else {
            widen(&weight, weight_buffer);
            let [x, weight] = [(&*x_buffer, rows), (&*weight_buffer, width)];
            let [x, weight] = [x, weight].map(|(data, n)| Operand {
                data: data.as_slice(),
                dims: [n, n_in],
                strides: [n_in, 1],
            });
            // SAFETY: the sums are of the product's size, and this task's own.
            unsafe { product_here(sums.as_mut_ptr(), x, weight.transpose()) };
        }
        for (row, sums) in sums.chunks_exact(width).enumerate() {
            // SAFETY: no two tasks share rows and outputs.
            unsafe { place.put(start + row, first, sums) };
        }
    };
    if rows * n_in * n_out >= MIN_PARALLEL {
        (0..n).into_par_iter().for_each_init(Default::default, task);
    } else {
        let mut buffers = Default::default();
        (0..n).for_each(|i| task(&mut buffers, i));
    }
}

/// At most n rows from the first on.
fn part<'a, E>(x: &Operand<'a, E>, first: usize, n: usize) -> Operand<'a, E> {
    let [rows, width] = x.dims;
    Operand {
        data: &x.data[first * x.strides[0]..],
        dims: [n.min(rows - first), width],
        strides: x.strides,
    }
}

/// A matrix rounded to bf16, as f32 numbers without gaps.
fn widen<E: Number>(x: &Operand<'_, E>, out: &mut Vec<f32>) {
    let ([rows, width], [by_row, by_column]) = (x.dims, x.strides);
    out.resize(rows * width, 0.0);
    let wide = |x: E| bf16::from_bits(x.bf16_bits()).wide();
    vectorised(|| {
        for (row, out) in out.chunks_exact_mut(width).enumerate() {
            let data = &x.data[row * by_row..];
            if by_column == 1 {
                for (out, &x) in out.iter_mut().zip(&data[..width]) {
                    *out = wide(x);
                }
            } else {
                for (out, &x) in out.iter_mut().zip(data.iter().step_by(by_column)) {
                    *out = wide(x);
                }
            }
        }
    });
}

/// Products of rows in f32 with weights as they are read.
fn few(x: &[f32], weight: Operand<'_, bf16>, sums: &mut [f32]) {
    let [n_out, n_in] = weight.dims;
    vectorised(|| {
        for output in 0..n_out {
            let weights = &weight.data[output * weight.strides[0]..][..n_in];
            for (row, x) in x.chunks_exact(n_in).enumerate() {
                sums[row * n_out + output] = wide_dot(x, weights);
            }
        }
    });
}
