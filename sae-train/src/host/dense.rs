//! The same as products of dense matrices, for tokens on which many features are active.

use super::sparse::{Base, Pass};
use super::unit::{Sums, Unit};
use crate::weights::Weights;
use fused_ops::slices::{Matrix, dot, matmul, vectorised};
use rayon::prelude::*;

/// Features that a thread takes at a time: a few cache lines of each token.
const COLUMNS: usize = 128;

/// Buffers of the dense form.
#[derive(Debug, Default)]
pub(super) struct Dense {
    /// Values or their gradients, `[tokens, d_sae]`, one for each channel.
    values: [Vec<f32>; 2],
    up: Vec<f32>,
    /// Reconstruction minus target, one for each channel.
    pub(super) errors: [Vec<f32>; 2],
    pub(super) squared: [f64; 2],
    pub(super) sparsity: f64,
}

impl Dense {
    /// Forward and backward of some tokens. `h` are the pre-activations; the gradient of the encoder's products takes their place.
    #[allow(clippy::too_many_arguments)] // what a step works on and what it adds to
    pub(super) fn step<U: Unit>(
        &mut self,
        unit: &U,
        weights: &Weights,
        gradient: &mut Weights,
        sums: &mut [Sums],
        (h, input, target): (&mut [f32], &[f32], &[f32]),
        base: Base<'_>,
        scale: f32,
        pass: Pass<'_>,
    ) {
        let (rows, shape) = (pass.rows, pass.shape);
        let (d_in, d_out, d_sae) = (shape.d_in, shape.d_out, shape.d_sae);
        self.sparsity_of(unit, h, d_sae);
        for channel in 0..U::CHANNELS {
            let values = &mut self.values[channel];
            values.resize(rows * d_sae, 0.0);
            fill_values(unit, h, values, d_sae, channel);
            let errors = &mut self.errors[channel];
            errors.resize(rows * d_out, 0.0);
            for (row, errors) in errors.chunks_exact_mut(d_out).enumerate() {
                match base {
                    Base::Bias(bias) => errors.copy_from_slice(bias),
                    Base::Rows(rows) => errors.copy_from_slice(&rows[row * d_out..][..d_out]),
                    Base::Zero => errors.fill(0.0),
                }
            }
            let values = Matrix::new(values, rows, d_sae);
            let w_dec = Matrix::new(&weights.w_dec, d_sae, d_out);
            matmul(errors, values, w_dec, true);
            let squares: Vec<f64> = errors
                .par_chunks_exact_mut(d_out)
                .zip(target.par_chunks_exact(d_out))
                .with_min_len(16)
                .map(|(e, t)| {
                    vectorised(|| {
                        for (e, t) in e.iter_mut().zip(t) {
                            *e -= t;
                        }
                        let squared = f64::from(dot(e, e));
                        // From here on what flows back.
                        for e in e {
                            *e *= scale;
                        }
                        squared
                    })
                })
                .collect();
            self.squared[channel] = squares.iter().sum();
            matmul(
                &mut gradient.w_dec,
                values.transpose(),
                Matrix::new(errors, rows, d_out),
                true,
            );
        }
        for channel in 0..U::CHANNELS {
            let errors = Matrix::new(&self.errors[channel], rows, d_out);
            let w_dec = Matrix::new(&weights.w_dec, d_sae, d_out);
            matmul(&mut self.values[channel], errors, w_dec.transpose(), false);
        }
        self.back(unit, h, sums, d_sae);
        let h = Matrix::new(h, rows, d_sae);
        matmul(
            &mut gradient.w_enc,
            h.transpose(),
            Matrix::new(input, rows, d_in),
            true,
        );
    }

    fn sparsity_of<U: Unit>(&mut self, unit: &U, h: &[f32], d_sae: usize) {
        let found: Vec<(f64, f32)> = h
            .par_chunks_exact(d_sae)
            .with_min_len(4)
            .map(|row| vectorised(|| unit.sparsity(unit.row_penalty(row))))
            .collect();
        self.sparsity = found.iter().map(|(loss, _)| loss).sum();
        self.up.clear();
        self.up.extend(found.iter().map(|(_, up)| up));
    }

    /// Every token's part of a block of features in turn, so that a feature's sums are one thread's, in one order.
    fn back<U: Unit>(&mut self, unit: &U, h: &mut [f32], sums: &mut [Sums], d_sae: usize) {
        let Self { values, up, .. } = self;
        let n_blocks = d_sae.div_ceil(COLUMNS);
        let mut blocks: Vec<Vec<&mut [f32]>> = (0..n_blocks)
            .map(|_| Vec::with_capacity(up.len()))
            .collect();
        for row in h.chunks_exact_mut(d_sae) {
            for (block, part) in blocks.iter_mut().zip(row.chunks_mut(COLUMNS)) {
                block.push(part);
            }
        }
        let [first, second] = &*values;
        blocks
            .into_par_iter()
            .zip(sums.par_chunks_mut(COLUMNS))
            .enumerate()
            .for_each(|(block, (rows, sums))| {
                let start = block * COLUMNS;
                for (row, h) in rows.into_iter().enumerate() {
                    let at = row * d_sae + start;
                    let df = &first[at..][..h.len()];
                    let second = if U::CHANNELS == 2 {
                        &second[at..][..h.len()]
                    } else {
                        df
                    };
                    vectorised(|| {
                        for i in 0..h.len() {
                            h[i] = unit.back(
                                start + i,
                                h[i],
                                [df[i], second[i]],
                                up[row],
                                &mut sums[i],
                            );
                        }
                    });
                }
            });
    }
}

fn fill_values<U: Unit>(unit: &U, h: &[f32], values: &mut [f32], d_sae: usize, channel: usize) {
    values
        .par_chunks_exact_mut(d_sae)
        .zip(h.par_chunks_exact(d_sae))
        .with_min_len(4)
        .for_each(|(values, h)| {
            vectorised(|| {
                for (j, (value, &h)) in values.iter_mut().zip(h).enumerate() {
                    *value = unit.values(j, h)[channel];
                }
            });
        });
}
