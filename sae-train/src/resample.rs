//! Dead features started again from what is reconstructed badly (Bricken et al. 2023, "Towards Monosemanticity", neuron resampling).

use crate::init::{mean, scale_to};
use crate::options::TrainOptions;
use crate::random::Random;
use crate::step::StepInput;
use crate::weights::{Shape, Weights};
use rayon::prelude::*;
use std::borrow::Cow;

/// How long an encoder row is to begin with, by the mean of those that are alive: short, so that it disturbs little.
const ENCODER: f64 = 0.2;
/// The same of the topk family, where a shorter row than others' is never among the largest, and stays dead.
const SELECTED_ENCODER: f64 = 1.0;
/// The first of the streams of random numbers, one for each step.
const STREAM: u64 = 1 << 32;

/// Everything of a trainer that belongs to single features, on the host.
#[derive(Debug)]
pub(crate) struct State<'a> {
    pub(crate) weights: &'a mut Weights,
    pub(crate) m: &'a mut Weights,
    pub(crate) v: &'a mut Weights,
    pub(crate) ema: Option<&'a mut Weights>,
}

/// Starts dead features again, each from a token of its own, drawn in proportion to the square of its loss, without replacement: two
/// features from one token would stay the same for ever. Where there are more dead features than tokens, the rest stays dead. Returns
/// which were started.
pub(crate) fn resample(
    state: &mut State<'_>,
    (options, shape, step): (&TrainOptions, Shape, u64),
    input: &StepInput<'_>,
    losses: &[f64],
    dead: &[bool],
) -> Vec<usize> {
    let start = Start::new(state.weights, options, shape, input, dead);
    let mut tokens = draw(losses, Random::new(options.seed, STREAM + step)).into_iter();
    let mut started = Vec::new();
    for j in (0..shape.d_sae).filter(|&j| dead[j]) {
        // A token that is where the centre is has no direction.
        let Some(rows) = tokens.by_ref().find_map(|token| start.rows(token)) else {
            break;
        };
        start.put(state, j, &rows);
        started.push(j);
    }
    started
}

/// Tokens in a random order: each is the next one with a probability in proportion to its squared loss. Those without a loss are left out.
fn draw(losses: &[f64], mut random: Random) -> Vec<usize> {
    let largest = losses
        .iter()
        .copied()
        .filter(|loss| loss.is_finite())
        .fold(0.0, f64::max);
    // The first of exponential clocks of these rates to ring is each with that probability, and so is the first of those left.
    let mut clocks: Vec<(f64, usize)> = losses
        .iter()
        .enumerate()
        .map(|(token, loss)| {
            let rate = (loss / largest).powi(2);
            (-(1.0 - random.unit()).ln() / rate, token)
        })
        .filter(|(time, _)| time.is_finite())
        .collect();
    clocks.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    clocks.into_iter().map(|(_, token)| token).collect()
}

/// What features are started with.
struct Start<'a> {
    options: &'a TrainOptions,
    shape: Shape,
    input: &'a StepInput<'a>,
    /// What the encoder is to see as nothing: the decoder's bias, or the mean input where the bias is of another place.
    centre: Cow<'a, [f32]>,
    b_dec: Vec<f32>,
    encoder_norm: f64,
    decoder_norm: f64,
}

/// The rows of a feature.
struct Rows {
    encoder: Vec<f32>,
    bias: f32,
    decoder: Vec<f32>,
}

impl<'a> Start<'a> {
    fn new(
        weights: &Weights,
        options: &'a TrainOptions,
        shape: Shape,
        input: &'a StepInput<'a>,
        dead: &[bool],
    ) -> Self {
        let transcodes = options.architecture.is_transcoder();
        let selects = options.architecture.is_topk();
        let decoder_norm = if options.unit_decoder {
            Some(1.0)
        } else {
            // Transcoders start with a decoder of zeros; the topk family compares features by their decoder's norm, too.
            let as_at_first = !transcodes && !selects;
            options.decoder_init_norm.filter(|_| as_at_first)
        };
        let share = if selects { SELECTED_ENCODER } else { ENCODER };
        let centre = if transcodes {
            mean(input.x, shape.d_in)
        } else {
            weights.b_dec.clone()
        };
        Self {
            encoder_norm: share * mean_norm(&weights.w_enc, shape.d_in, dead),
            decoder_norm: decoder_norm
                .unwrap_or_else(|| mean_norm(&weights.w_dec, shape.d_out, dead)),
            centre: centre.into(),
            b_dec: weights.b_dec.clone(),
            options,
            shape,
            input,
        }
    }

    /// The rows of a feature that is to stand for this token.
    fn rows(&self, token: usize) -> Option<Rows> {
        let Shape { d_in, d_out, .. } = self.shape;
        let x = &self.input.x[token * d_in..][..d_in];
        let y = &self.input.target()[token * d_out..][..d_out];
        let encoder = direction(x, &self.centre, self.encoder_norm)?;
        let decoder = direction(y, &self.b_dec, self.decoder_norm)?;
        let bias = if self.options.centres() {
            0.0
        } else {
            let dot = |(w, c): (&f32, &f32)| f64::from(*w) * f64::from(*c);
            -encoder.iter().zip(&*self.centre).map(dot).sum::<f64>() as f32
        };
        Some(Rows {
            encoder,
            bias,
            decoder,
        })
    }

    fn put(&self, state: &mut State<'_>, j: usize, rows: &Rows) {
        let threshold = self.options.jumprelu_init_threshold as f32;
        for weights in std::iter::once(&mut *state.weights).chain(state.ema.as_deref_mut()) {
            self.set(weights, j, rows, threshold);
        }
        let Shape { d_in, d_out, .. } = self.shape;
        let zeros = Rows {
            encoder: vec![0.0; d_in],
            bias: 0.0,
            decoder: vec![0.0; d_out],
        };
        for moments in [&mut *state.m, &mut *state.v] {
            self.set(moments, j, &zeros, 0.0);
        }
    }

    fn set(&self, weights: &mut Weights, j: usize, rows: &Rows, threshold: f32) {
        let Shape { d_in, d_out, .. } = self.shape;
        weights.w_enc[j * d_in..][..d_in].copy_from_slice(&rows.encoder);
        weights.w_dec[j * d_out..][..d_out].copy_from_slice(&rows.decoder);
        weights.b_enc[j] = rows.bias;
        let others = [
            (&mut weights.threshold, threshold),
            (&mut weights.b_mag, 0.0),
            (&mut weights.r_mag, 0.0),
        ];
        for (part, value) in others {
            if let Some(at) = part.get_mut(j) {
                *at = value;
            }
        }
    }
}

/// From the centre to a point, made this long; none if they are the same.
fn direction(point: &[f32], centre: &[f32], norm: f64) -> Option<Vec<f32>> {
    let mut row: Vec<f32> = point.iter().zip(centre).map(|(x, c)| x - c).collect();
    let is_some = row.iter().all(|x| x.is_finite()) && row.iter().any(|x| *x != 0.0);
    is_some.then(|| {
        scale_to(&mut row, norm);
        row
    })
}

/// The mean norm of the rows that are alive, or of all if none is.
fn mean_norm(rows: &[f32], width: usize, dead: &[bool]) -> f64 {
    let norms: Vec<f64> = rows
        .par_chunks_exact(width)
        .with_min_len(64)
        .map(|row| {
            let squares = row.iter().map(|w| f64::from(*w) * f64::from(*w));
            squares.sum::<f64>().sqrt()
        })
        .collect();
    let alive = norms.iter().zip(dead).filter(|&(_, &dead)| !dead);
    let (n, sum) = alive.fold((0, 0.0), |(n, sum), (norm, _)| (n + 1, sum + norm));
    if n > 0 {
        sum / f64::from(n)
    } else {
        norms.iter().sum::<f64>() / norms.len() as f64
    }
}

#[cfg(test)]
mod tests;
