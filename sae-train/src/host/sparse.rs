//! Decoding, losses and gradients over the entries that matter.
//!
//! Two passes: token by token, where the decoder's rows of a token's features stay in the cache, and feature by feature, where each
//! row of the gradients is written by one thread only.

use super::entries::{ByFeature, Entries, cut};
use super::unit::{Sums, Unit};
use crate::check::MOST_WIDTHS as MAX_ERRORS;
use crate::weights::{Shape, Weights};
use fused_ops::slices::{add_scaled, dot, vectorised};
use rayon::prelude::*;

/// Tokens or features that a thread takes at a time at least.
const MIN_LEN: usize = 8;

/// What the entries of some tokens reconstruct, and how far that is off.
#[derive(Debug, Default)]
pub(super) struct Sparse {
    pub(super) entries: Entries,
    by_feature: ByFeature,
    /// Gradient of each entry's values by the reconstruction, a pair each.
    df: Vec<[f32; 2]>,
    /// Derivative of the batch's loss by each token's sum of sparsity.
    up: Vec<f32>,
    /// Reconstruction minus target: one matrix of tokens for each channel of the unit, or for each group of features.
    pub(super) errors: Vec<Vec<f32>>,
    /// Σ of squared errors, for each of these.
    pub(super) squared: Vec<f64>,
    /// Σ over tokens of the sparsity loss.
    pub(super) sparsity: f64,
}

/// What reconstructions begin with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Base<'a> {
    /// The decoder's bias, the same for all.
    Bias(&'a [f32]),
    /// Some of its own for each token, such as bias and skip connection.
    Rows(&'a [f32]),
    /// Nothing.
    Zero,
}

/// The sizes of a pass: tokens, widths, and the ends of groups of features (one that holds all, but for matryoshka).
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) rows: usize,
    pub(super) shape: Shape,
    pub(super) widths: &'a [usize],
}

impl Sparse {
    /// Reconstructs every token and compares with its target. Groups of features add up, each error being that of the features so far.
    pub(super) fn forward<U: Unit>(
        &mut self,
        unit: &U,
        weights: &Weights,
        base: Base<'_>,
        target: &[f32],
        pass: Pass<'_>,
    ) {
        let (d, rows) = (pass.shape.d_out, pass.rows);
        let n_errors = if U::CHANNELS == 2 {
            2
        } else {
            pass.widths.len()
        };
        self.errors.resize_with(n_errors, Vec::new);
        for errors in &mut self.errors {
            errors.resize(rows * d, 0.0);
        }
        let entries = &self.entries;
        let mut errors: Vec<_> = self
            .errors
            .iter_mut()
            .map(|e| e.chunks_exact_mut(d))
            .collect();
        let of_rows: Vec<Vec<&mut [f32]>> = (0..rows)
            .map(|_| errors.iter_mut().filter_map(Iterator::next).collect())
            .collect();
        self.up.resize(rows, 0.0);
        let sums: Vec<([f64; MAX_ERRORS], f64)> = of_rows
            .into_par_iter()
            .zip(&mut self.up)
            .enumerate()
            .with_min_len(MIN_LEN)
            .map(|(row, (mut errors, up))| {
                vectorised(|| {
                    let range = entries.row(row);
                    let (features, h) = (&entries.features[range.clone()], &entries.h[range]);
                    let begin = |out: &mut [f32]| match base {
                        Base::Bias(bias) => out.copy_from_slice(bias),
                        Base::Rows(rows) => out.copy_from_slice(&rows[row * d..][..d]),
                        Base::Zero => out.fill(0.0),
                    };
                    let mut sparsity = 0.0;
                    if U::CHANNELS == 2 {
                        for out in &mut errors {
                            begin(out);
                        }
                        for (&j, &h) in features.iter().zip(h) {
                            let values = unit.values(j as usize, h);
                            let direction = &weights.w_dec[j as usize * d..][..d];
                            for (out, value) in errors.iter_mut().zip(values) {
                                if value != 0.0 {
                                    add_scaled(out, value, direction);
                                }
                            }
                            sparsity += unit.penalty(j as usize, h);
                        }
                    } else {
                        begin(errors[0]);
                        let mut next = 0;
                        for (group, &end) in pass.widths.iter().enumerate() {
                            if group > 0 {
                                let (before, after) = errors.split_at_mut(group);
                                after[0].copy_from_slice(before[group - 1]);
                            }
                            while next < features.len() && (features[next] as usize) < end {
                                let (j, h) = (features[next] as usize, h[next]);
                                let [value, _] = unit.values(j, h);
                                if value != 0.0 {
                                    add_scaled(errors[group], value, &weights.w_dec[j * d..][..d]);
                                }
                                sparsity += unit.penalty(j, h);
                                next += 1;
                            }
                        }
                    }
                    let target = &target[row * d..][..d];
                    let mut squared = [0.0; MAX_ERRORS];
                    for (i, errors) in errors.iter_mut().enumerate() {
                        for (e, t) in errors.iter_mut().zip(target) {
                            *e -= t;
                        }
                        squared[i.min(MAX_ERRORS - 1)] += f64::from(dot(errors, errors));
                    }
                    let (loss, slope) = unit.sparsity(sparsity);
                    *up = slope;
                    (squared, loss)
                })
            })
            .collect();
        self.squared = (0..n_errors)
            .map(|i| sums.iter().map(|(s, _)| s[i]).sum())
            .collect();
        self.sparsity = sums.iter().map(|(_, loss)| loss).sum();
    }

    /// Makes each group's error the sum of its own and all later ones: what flows back into its features.
    pub(super) fn add_later_errors(&mut self) {
        for group in (1..self.errors.len()).rev() {
            let (before, after) = self.errors.split_at_mut(group);
            before[group - 1]
                .par_iter_mut()
                .zip(&after[0])
                .with_min_len(1 << 14)
                .for_each(|(to, from)| *to += from);
        }
    }

    /// From the errors to the gradients of encoder and decoder, and the sums of each feature. The loss is `scale/2 · Σ e²`.
    #[allow(clippy::too_many_arguments)] // what a pass works on and what it adds to
    pub(super) fn backward<U: Unit>(
        &mut self,
        unit: &U,
        weights: &Weights,
        gradient: &mut Weights,
        sums: &mut [Sums],
        input: &[f32],
        scale: f32,
        pass: Pass<'_>,
    ) {
        let Pass { shape, widths, .. } = pass;
        let (d_in, d_out) = (shape.d_in, shape.d_out);
        let Self {
            entries,
            errors,
            df,
            by_feature,
            up,
            ..
        } = self;
        let group_of = |j: usize| widths.iter().position(|&end| j < end).unwrap_or_default();
        df.clear();
        df.resize(entries.len(), [0.0; 2]);
        cut(df, &entries.indptr, 1)
            .into_par_iter()
            .enumerate()
            .with_min_len(MIN_LEN)
            .for_each(|(row, df)| {
                vectorised(|| {
                    let at = |i: usize| &errors[i][row * d_out..][..d_out];
                    for (df, &j) in df.iter_mut().zip(&entries.features[entries.row(row)]) {
                        let j = j as usize;
                        let direction = &weights.w_dec[j * d_out..][..d_out];
                        *df = if U::CHANNELS == 2 {
                            [scale * dot(at(0), direction), scale * dot(at(1), direction)]
                        } else {
                            [scale * dot(at(group_of(j)), direction), 0.0]
                        };
                    }
                });
            });
        by_feature.fill(entries, shape.d_sae);
        gradient
            .w_dec
            .par_chunks_exact_mut(d_out)
            .zip(gradient.w_enc.par_chunks_exact_mut(d_in))
            .zip(sums)
            .enumerate()
            .with_min_len(MIN_LEN)
            .for_each(|(j, ((to_dec, to_enc), sums))| {
                vectorised(|| {
                    let group = if U::CHANNELS == 2 { 0 } else { group_of(j) };
                    for &(row, entry) in by_feature.of(j) {
                        let (row, entry) = (row as usize, entry as usize);
                        let h = entries.h[entry];
                        let values = unit.values(j, h);
                        for (channel, value) in values.into_iter().enumerate().take(U::CHANNELS) {
                            if value != 0.0 {
                                add_scaled(
                                    to_dec,
                                    scale * value,
                                    &errors[group + channel][row * d_out..][..d_out],
                                );
                            }
                        }
                        let dz = unit.back(j, h, df[entry], up[row], sums);
                        if dz != 0.0 {
                            add_scaled(to_enc, dz, &input[row * d_in..][..d_in]);
                        }
                    }
                });
            });
    }
}
