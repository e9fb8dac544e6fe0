//! One step on the host: losses and gradients, written out by hand.
//!
//! The encoder's product is the only one that must be dense. What follows it touches few features of a token, and so do the gradients,
//! as long as few features are active; where many are, tokens go through the dense form instead. The pre-activations of a piece of
//! the batch exist at a time.

pub(crate) mod adam;
mod columns;
mod dense;
pub(crate) mod engine;
mod entries;
mod losses;
mod pursuit;
mod select;
mod sparse;
mod unit;

use crate::architecture::TrainArchitecture;
use crate::options::TrainOptions;
use crate::step::{StepInput, StepOutput};
use crate::weights::{Shape, Weights};
use dense::Dense;
use fused_ops::slices::{Matrix, matmul};
use rayon::prelude::*;
use select::Selection;
use sparse::{Base, Pass, Sparse};
use std::ops::Range;
use unit::{Gated, JumpRelu, Relu, Sums, Unit};

/// Bytes of pre-activations at a time.
const PIECE: usize = 32 << 20;
/// Tokens at a time, at least and at most.
const PIECE_TOKENS: std::ops::RangeInclusive<usize> = 128..=1024;
/// The dense form pays where more than one feature in this many is touched.
const DENSE: usize = 12;

/// One token in this many is looked at to choose the form.
const SAMPLE: usize = 32;

/// Buffers that steps share.
#[derive(Debug)]
pub(crate) struct HostStep {
    options: TrainOptions,
    shape: Shape,
    widths: Vec<usize>,
    h: Vec<f32>,
    centred: Vec<f32>,
    base: Vec<f32>,
    norms: Vec<f32>,
    sums: Vec<Sums>,
    sparse: Sparse,
    aux: Sparse,
    dense: Dense,
    selection: Selection,
}

impl HostStep {
    pub(crate) fn new(options: &TrainOptions, shape: Shape) -> Self {
        let matryoshka = options.architecture == TrainArchitecture::MatryoshkaBatchTopK;
        Self {
            widths: if matryoshka {
                options.widths()
            } else {
                vec![options.d_sae]
            },
            options: options.clone(),
            shape,
            h: Vec::new(),
            centred: Vec::new(),
            base: Vec::new(),
            norms: Vec::new(),
            sums: Vec::new(),
            sparse: Sparse::default(),
            aux: Sparse::default(),
            dense: Dense::default(),
            selection: Selection::default(),
        }
    }

    /// Tokens whose pre-activations exist at a time.
    pub(crate) fn piece_tokens(d_sae: usize) -> usize {
        (PIECE / (4 * d_sae)).clamp(*PIECE_TOKENS.start(), *PIECE_TOKENS.end())
    }

    /// Adds the gradient of the batch's loss to `gradient`.
    pub(crate) fn step(
        &mut self,
        weights: &Weights,
        gradient: &mut Weights,
        input: &StepInput<'_>,
    ) -> StepOutput {
        let architecture = self.options.architecture;
        self.sums.clear();
        self.sums.resize(self.shape.d_sae, Sums::default());
        columns::row_norms(&weights.w_dec, self.shape.d_out, &mut self.norms);
        if architecture == TrainArchitecture::MatchingPursuit {
            return self.pursuit(weights, gradient, input);
        }
        let x = self.centre(weights, input);
        self.start_from(weights, input);
        let output = if architecture.is_topk() {
            self.topk(weights, gradient, input, &x)
        } else {
            let norms = std::mem::take(&mut self.norms);
            let output = self.by_unit(weights, gradient, input, &x, &norms);
            self.norms = norms;
            output
        };
        self.centred = x;
        columns::finish(
            &self.sums,
            &self.norms,
            weights,
            gradient,
            self.shape,
            self.options.centres(),
        );
        output
    }

    /// What the encoder reads. To be put back into `self.centred`, out of which it is taken while the rest is borrowed.
    fn centre(&mut self, weights: &Weights, input: &StepInput<'_>) -> Vec<f32> {
        let mut x = std::mem::take(&mut self.centred);
        x.clear();
        x.extend_from_slice(input.x);
        if self.options.centres() {
            x.par_chunks_exact_mut(self.shape.d_in)
                .with_min_len(64)
                .for_each(|row| {
                    row.iter_mut()
                        .zip(&weights.b_dec)
                        .for_each(|(x, b)| *x -= b);
                });
        }
        x
    }

    /// What the reconstruction begins with where that is more than the bias: the skip connection of the raw input.
    fn start_from(&mut self, weights: &Weights, input: &StepInput<'_>) {
        if weights.w_skip.is_empty() {
            return;
        }
        let Shape { d_in, d_out, .. } = self.shape;
        self.base.resize(input.rows * d_out, 0.0);
        for row in self.base.chunks_exact_mut(d_out) {
            row.copy_from_slice(&weights.b_dec);
        }
        let x = Matrix::new(input.x, input.rows, d_in);
        matmul(
            &mut self.base,
            x,
            Matrix::new(&weights.w_skip, d_out, d_in).transpose(),
            true,
        );
    }

    fn by_unit(
        &mut self,
        weights: &Weights,
        gradient: &mut Weights,
        input: &StepInput<'_>,
        x: &[f32],
        norms: &[f32],
    ) -> StepOutput {
        let (options, tokens) = (self.options.clone(), input.rows as f64);
        if options.architecture == TrainArchitecture::Gated {
            let scale: Vec<f32> = weights.r_mag.iter().map(|r| r.exp()).collect();
            let unit = Gated {
                norms,
                b_gate: &weights.b_enc,
                b_mag: &weights.b_mag,
                scale: &scale,
                coefficient: input.coefficient,
                tokens,
            };
            let (squared, sparsity) = self.pieces(&unit, weights, gradient, input, x);
            let names = ["mse_loss", "l1_loss", "auxiliary_reconstruction_loss"];
            return self.output(
                names.into_iter().zip([squared[0], sparsity, squared[1]]),
                tokens,
            );
        }
        if options.architecture.has_threshold() {
            let unit = JumpRelu {
                thresholds: &weights.threshold,
                norms,
                dead: input.dead,
                bandwidth: options.jumprelu_bandwidth as f32,
                to_input: options.jumprelu_ste_to_input,
                mode: options.jumprelu_sparsity_loss_mode,
                tanh_scale: options.jumprelu_tanh_scale as f32,
                target_l0: options.target_l0.unwrap_or(1.0),
                coefficient: input.coefficient,
                pre_act: options.pre_act_loss_coefficient.unwrap_or(0.0) as f32,
                tokens,
            };
            let (squared, sparsity) = self.pieces(&unit, weights, gradient, input, x);
            let extra: f64 = self.sums.iter().map(|sum| sum.extra_loss).sum();
            let extra = options
                .pre_act_loss_coefficient
                .map(|_| ("pre_act_loss", extra));
            let losses = [("mse_loss", squared[0]), ("l0_loss", sparsity)];
            return self.output(losses.into_iter().chain(extra), tokens);
        }
        let unit = Relu {
            norms,
            p: options.lp_norm,
            coefficient: input.coefficient,
            tokens,
        };
        let (squared, sparsity) = self.pieces(&unit, weights, gradient, input, x);
        self.output([("mse_loss", squared[0]), ("l1_loss", sparsity)], tokens)
    }

    /// Losses of a step, each divided by its tokens, with what has fired.
    fn output<'a>(
        &self,
        losses: impl IntoIterator<Item = (&'a str, f64)>,
        tokens: f64,
    ) -> StepOutput {
        let losses = losses
            .into_iter()
            .map(|(name, sum)| (name.to_owned(), sum / tokens));
        StepOutput::new(
            losses.collect(),
            self.sums.iter().map(|sum| sum.fired).collect(),
        )
    }

    /// Piece by piece: pre-activations, then the sparse or the dense form. Returns Σ of squared errors, and of the sparsity loss.
    fn pieces<U: Unit>(
        &mut self,
        unit: &U,
        weights: &Weights,
        gradient: &mut Weights,
        input: &StepInput<'_>,
        x: &[f32],
    ) -> ([f64; 2], f64) {
        let Shape { d_in, d_out, d_sae } = self.shape;
        let scale = 2.0 / input.rows as f32;
        let (mut squared, mut sparsity) = ([0.0; 2], 0.0);
        let at_once = Self::piece_tokens(d_sae);
        for start in (0..input.rows).step_by(at_once) {
            let rows = at_once.min(input.rows - start);
            let x = &x[start * d_in..][..rows * d_in];
            let raw = &input.x[start * d_in..][..rows * d_in];
            let target = &input.target()[start * d_out..][..rows * d_out];
            pre_activations(&mut self.h, x, weights, self.shape, rows);
            let base = base_of(&self.base, weights, start * d_out..(start + rows) * d_out);
            let pass = Pass {
                rows,
                shape: self.shape,
                widths: &self.widths,
            };
            let errors: [&[f32]; 2];
            let by;
            if is_dense(unit, &self.h, d_sae) {
                let dense = &mut self.dense;
                dense.step(
                    unit,
                    weights,
                    gradient,
                    &mut self.sums,
                    (&mut self.h, x, target),
                    base,
                    scale,
                    pass,
                );
                sparsity += dense.sparsity;
                (0..U::CHANNELS).for_each(|i| squared[i] += dense.squared[i]);
                errors = [&dense.errors[0], &dense.errors[1]];
                by = 1.0;
            } else {
                let sparse = &mut self.sparse;
                sparse.entries.clear();
                sparse
                    .entries
                    .push_rows::<()>(&self.h, d_sae, |_, row, (), out| {
                        let touched = row
                            .iter()
                            .enumerate()
                            .filter(|&(j, &h)| unit.is_touched(j, h));
                        out.extend(touched.map(|(j, _)| j as u32));
                    });
                sparse.forward(unit, weights, base, target, pass);
                sparse.backward(unit, weights, gradient, &mut self.sums, x, scale, pass);
                sparsity += sparse.sparsity;
                (0..U::CHANNELS).for_each(|i| squared[i] += sparse.squared[i]);
                errors = [
                    &sparse.errors[0],
                    sparse.errors.get(1).map_or(&[], Vec::as_slice),
                ];
                by = scale;
            }
            for errors in errors.into_iter().take(U::CHANNELS) {
                add_rows(&mut gradient.b_dec, errors, by);
            }
            add_skip(gradient, errors[0], raw, by, self.shape);
        }
        (squared, sparsity)
    }
}

/// What reconstructions of some tokens begin with: the bias, or what [`HostStep::start_from`] has made.
fn base_of<'a>(base: &'a [f32], weights: &'a Weights, numbers: Range<usize>) -> Base<'a> {
    if weights.w_skip.is_empty() {
        Base::Bias(&weights.b_dec)
    } else {
        Base::Rows(&base[numbers])
    }
}

/// `h = x·W_enc + b_enc`.
fn pre_activations(h: &mut Vec<f32>, x: &[f32], weights: &Weights, shape: Shape, rows: usize) {
    h.resize(rows * shape.d_sae, 0.0);
    h.par_chunks_exact_mut(shape.d_sae)
        .with_min_len(16)
        .for_each(|row| row.copy_from_slice(&weights.b_enc));
    let x = Matrix::new(x, rows, shape.d_in);
    matmul(
        h,
        x,
        Matrix::new(&weights.w_enc, shape.d_sae, shape.d_in).transpose(),
        true,
    );
}

/// to += by · Σ of the rows, in f64.
fn add_rows(to: &mut [f32], rows: &[f32], by: f32) {
    let d = to.len();
    let mut sums = vec![0.0_f64; d];
    for row in rows.chunks_exact(d) {
        sums.iter_mut()
            .zip(row)
            .for_each(|(sum, x)| *sum += f64::from(*x));
    }
    to.iter_mut()
        .zip(sums)
        .for_each(|(to, sum)| *to += (sum * f64::from(by)) as f32);
}

/// The gradient of the skip connection: by · eᵀ·x.
fn add_skip(gradient: &mut Weights, errors: &[f32], x: &[f32], by: f32, shape: Shape) {
    if gradient.w_skip.is_empty() {
        return;
    }
    let rows = x.len() / shape.d_in;
    let errors: Vec<f32> = errors.iter().map(|e| e * by).collect();
    let errors = Matrix::new(&errors, rows, shape.d_out).transpose();
    matmul(
        &mut gradient.w_skip,
        errors,
        Matrix::new(x, rows, shape.d_in),
        true,
    );
}

/// Whether so many features are touched that products of whole matrices are faster, by a sample of the tokens.
fn is_dense<U: Unit>(unit: &U, h: &[f32], d_sae: usize) -> bool {
    let (mut touched, mut seen) = (0, 0);
    for row in h.chunks_exact(d_sae).step_by(SAMPLE) {
        touched += row
            .iter()
            .enumerate()
            .filter(|&(j, &h)| unit.is_touched(j, h))
            .count();
        seen += d_sae;
    }
    touched * DENSE > seen
}
