//! From the weights of a checkpoint of training to those that are used, while they are read.

use super::fold::MIN_NORM;
use crate::architecture::Architecture;
use crate::config::{ActivationScales, NormalizeActivations, SaeConfig, Unfinished};
use std::path::Path;

/// What is done to each tensor of an SAE in training, by SAELens' names and layouts, so that it is ready for use. Nothing, for one that is.
#[derive(Debug, Default)]
pub struct Finish {
    unfinished: Option<Unfinished>,
    /// Whether the encoder is the decoder, so that a factor comes and goes.
    is_tied: bool,
    /// Norms of decoder rows that go into the encoder, once the decoder is read.
    norms: Option<Vec<f64>>,
}

impl Finish {
    /// Takes from the configuration what it says about training, [`SaeConfig::unfinished`]. `name` is the file's, for a warning where a
    /// factor is not known.
    pub fn new(cfg: &mut SaeConfig, name: &Path) -> Self {
        let unfinished = cfg.unfinished.take();
        if let Some(unfinished) = unfinished {
            match unfinished.scales {
                Some(scales) => {
                    cfg.normalize_activations = NormalizeActivations::None;
                    if let Architecture::MatchingPursuit(settings) = &mut cfg.architecture {
                        settings.residual_threshold /= scales.input;
                    }
                }
                None => warn_of_unknown_scale(cfg, name),
            }
        }
        Self {
            unfinished,
            is_tied: matches!(cfg.architecture, Architecture::MatchingPursuit(_)),
            norms: None,
        }
    }

    /// Whether one threshold serves all features.
    pub(super) fn shares_threshold(&self) -> bool {
        self.unfinished
            .is_some_and(|unfinished| unfinished.shared_threshold)
    }

    /// The threshold that all features share. It is in units of the decoder's norms where they go into the encoder.
    pub fn shared_threshold(&self, threshold: f64) -> f64 {
        match self.unfinished {
            Some(Unfinished {
                fold_w_dec_norm: true,
                scales: Some(scales),
                ..
            }) => threshold / scales.target,
            _ => threshold,
        }
    }

    /// Changes a tensor, `W_dec` before the others: its norms may go into the encoder.
    ///
    /// # Panics
    /// If `shape` is not that of a tensor of this name.
    pub fn apply(&mut self, name: &str, numbers: &mut [f32], shape: &[usize]) {
        let Some(unfinished) = self.unfinished else {
            return;
        };
        let ActivationScales { input, target } =
            unfinished.scales.unwrap_or(ActivationScales::same(1.0));
        match name {
            "W_dec" if self.is_tied => {}
            "W_dec" => {
                scale(numbers, 1.0 / target);
                if unfinished.fold_w_dec_norm {
                    let rows = numbers.chunks_exact_mut(shape[1]);
                    self.norms = Some(rows.map(to_unit).collect());
                }
            }
            "b_dec" => scale(numbers, 1.0 / target),
            "W_enc" => match &self.norms {
                Some(norms) => numbers
                    .chunks_exact_mut(norms.len())
                    .for_each(|row| scale_each(row, norms, input)),
                None => scale(numbers, input),
            },
            "b_enc" => {
                if let Some(norms) = &self.norms {
                    scale_each(numbers, norms, 1.0);
                }
            }
            "W_skip" => scale(numbers, input / target),
            // Training does so before each step, and may be saved before it has.
            "threshold" => numbers.iter_mut().for_each(|theta| *theta = theta.max(0.0)),
            _ => {}
        }
    }
}

fn warn_of_unknown_scale(cfg: &SaeConfig, name: &Path) {
    let lacks = match cfg.normalize_activations {
        NormalizeActivations::ExpectedAverageOnlyIn => "a factor",
        NormalizeActivations::CovarianceWhitening => "a whitening",
        _ => return,
    };
    tracing::warn!(
        "{}: is a checkpoint of training with normalize_activations {}, and the activation_scaler.json that holds it is missing beside it or \
         empty: inputs go in without {lacks}, and figures will be off",
        name.display(),
        cfg.normalize_activations.name(),
    );
}

fn scale(numbers: &mut [f32], factor: f64) {
    if factor.to_bits() != 1.0_f64.to_bits() {
        for x in numbers {
            *x = (f64::from(*x) * factor) as f32;
        }
    }
}

fn scale_each(numbers: &mut [f32], by: &[f64], factor: f64) {
    numbers
        .iter_mut()
        .zip(by)
        .for_each(|(x, by)| *x = (f64::from(*x) * by * factor) as f32);
}

/// Makes a row as long as 1, and returns how long it was.
fn to_unit(row: &mut [f32]) -> f64 {
    let squares = row.iter().map(|x| f64::from(*x) * f64::from(*x));
    let norm = squares.sum::<f64>().sqrt().max(MIN_NORM);
    scale(row, 1.0 / norm);
    norm
}
