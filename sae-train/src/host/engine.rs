//! Weights, moments and gradient on the host.

use super::HostStep;
use super::adam::{self, AdamStep};
use crate::init::scale_to;
use crate::options::TrainOptions;
use crate::step::{StepInput, StepOutput};
use crate::weights::{Shape, Weights};
use rayon::prelude::*;

/// What is trained, on the host.
#[derive(Debug)]
pub(crate) struct HostEngine {
    options: TrainOptions,
    shape: Shape,
    step: HostStep,
    gradient: Weights,
    clip: f64,
    pub(crate) weights: Weights,
    pub(crate) m: Weights,
    pub(crate) v: Weights,
    pub(crate) ema: Option<Weights>,
}

impl HostEngine {
    pub(crate) fn new(options: &TrainOptions, shape: Shape, weights: Weights) -> Self {
        let zeros = Weights::zeros(options.architecture, shape);
        Self {
            step: HostStep::new(options, shape),
            gradient: zeros.clone(),
            m: zeros.clone(),
            v: zeros,
            ema: options.ema_decay.map(|_| weights.clone()),
            weights,
            clip: 1.0,
            options: options.clone(),
            shape,
        }
    }

    /// Sets the biases that depend on data, from the first batch.
    pub(crate) fn init_biases(&mut self, input: &StepInput<'_>) {
        self.weights
            .init_biases(&self.options, input.x, input.target(), self.shape);
        // Before the first step the average is what there is.
        self.ema = self.options.ema_decay.map(|_| self.weights.clone());
    }

    /// Thresholds below 0 become 0.
    pub(crate) fn clamp_thresholds(&mut self) {
        let thresholds = self.weights.threshold.iter_mut();
        thresholds.for_each(|theta| *theta = theta.max(0.0));
    }

    /// The gradient of a batch, kept for [`update`](Self::update), and its norm.
    pub(crate) fn step(&mut self, input: &StepInput<'_>) -> (StepOutput, f64) {
        let output = self.step.step(&self.weights, &mut self.gradient, input);
        if self.options.unit_decoder {
            self.remove_parallel();
        }
        let norm = adam::norm(&self.gradient);
        self.clip = (1.0 / (norm + 1e-6)).min(1.0);
        (output, norm)
    }

    /// ‖x̂ − x‖² of each token.
    pub(crate) fn token_losses(&mut self, input: &StepInput<'_>) -> Vec<f64> {
        self.step.token_losses(&self.weights, input)
    }

    /// Removes what points along the decoder's rows from their gradient.
    fn remove_parallel(&mut self) {
        let d = self.shape.d_out;
        let rows = self.weights.w_dec.par_chunks_exact(d);
        rows.zip(self.gradient.w_dec.par_chunks_exact_mut(d))
            .with_min_len(64)
            .for_each(|(row, g)| {
                let along: f32 = row.iter().zip(&*g).map(|(w, g)| w * g).sum();
                let squared: f32 = row.iter().map(|w| w * w).sum();
                if squared > 0.0 {
                    g.iter_mut()
                        .zip(row)
                        .for_each(|(g, w)| *g -= along / squared * w);
                }
            });
    }

    /// Forgets the gradient.
    pub(crate) fn discard(&mut self) {
        self.gradient.clear();
    }

    /// The optimizer's step with the gradient of the last batch.
    pub(crate) fn update(&mut self, step: AdamStep) {
        adam::update(
            &mut self.weights,
            &mut self.gradient,
            &mut self.m,
            &mut self.v,
            self.clip as f32,
            step,
        );
        if self.options.unit_decoder {
            let rows = self.weights.w_dec.par_chunks_exact_mut(self.shape.d_out);
            rows.with_min_len(64).for_each(|row| scale_to(row, 1.0));
        }
        if let (Some(ema), Some(decay)) = (&mut self.ema, self.options.ema_decay) {
            for (ema, now) in ema.parts_mut().into_iter().zip(self.weights.parts()) {
                ema.par_iter_mut()
                    .zip(now)
                    .with_min_len(1 << 15)
                    .for_each(|(ema, now)| {
                        *ema += (1.0 - decay) as f32 * (now - *ema);
                    });
            }
        }
    }
}
