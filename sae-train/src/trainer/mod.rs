//! One SAE in training.

mod counts;
mod report;

pub use counts::Counts;
pub use report::{Diverged, StepReport};

use crate::architecture::TrainArchitecture;
use crate::check::OptionError;
use crate::device::{DeviceOptions, DeviceStep, TrainDeviceError};
use crate::engine::Engine;
use crate::host::adam::AdamStep;
use crate::host::engine::HostEngine;
use crate::options::{Normalization, TrainOptions};
use crate::resample;
use crate::schedule::{coefficient, learning_rate};
use crate::step::StepInput;
use crate::weights::{Shape, Weights};
use rayon::prelude::*;
use sae_core::ActivationScales;
use std::borrow::Cow;

/// The figure that says how many dead features were started again, in reports of steps after which that is done.
const RESAMPLED: &str = "sparsity/resampled_features";

/// One SAE in training: its weights, the optimizer's moments, and what is counted on the way.
#[derive(Debug)]
pub struct Trainer {
    pub(crate) options: TrainOptions,
    pub(crate) shape: Shape,
    pub(crate) counts: Counts,
    pub(crate) scales: Option<ActivationScales>,
    engine: Engine,
    scaled: [Vec<f32>; 2],
}

impl Trainer {
    /// An SAE with random weights, at its first step, on the host.
    ///
    /// # Errors
    /// If a setting cannot work.
    pub fn new(options: &TrainOptions, d_in: usize, d_out: usize) -> Result<Self, OptionError> {
        options.check()?;
        let shape = Shape::new(options, d_in, d_out);
        Self::from_weights(options, shape, Weights::random(options, shape))
    }

    /// As [`new`](Self::new), from weights that are known, such as those of another run.
    ///
    /// # Errors
    /// If a setting cannot work.
    ///
    /// # Panics
    /// If the weights are of another shape or architecture.
    pub fn from_weights(
        options: &TrainOptions,
        shape: Shape,
        weights: Weights,
    ) -> Result<Self, OptionError> {
        options.check()?;
        assert_shape(options, shape, &weights);
        let engine = Engine::Host(Box::new(HostEngine::new(options, shape, weights)));
        Ok(Self::with_engine(options, shape, engine))
    }

    /// As [`new`](Self::new), with weights, moments and steps on a device. Any device will do, and the same is computed, up to rounding;
    /// on the CPU the host's own steps are faster.
    ///
    /// Matching pursuit is trained on the host only.
    ///
    /// # Errors
    /// If a setting cannot work, or the device cannot train this.
    ///
    /// # Panics
    /// If the device fails: here, and in everything that is called later.
    pub fn on_device(
        options: &TrainOptions,
        d_in: usize,
        d_out: usize,
        on: &DeviceOptions,
    ) -> Result<Self, TrainDeviceError> {
        options.check()?;
        let shape = Shape::new(options, d_in, d_out);
        Self::from_weights_on_device(options, shape, &Weights::random(options, shape), on)
    }

    /// As [`on_device`](Self::on_device), from weights that are known.
    ///
    /// # Errors
    /// If a setting cannot work, or the device cannot train this.
    ///
    /// # Panics
    /// If the weights are of another shape or architecture, or the device fails.
    pub fn from_weights_on_device(
        options: &TrainOptions,
        shape: Shape,
        weights: &Weights,
        on: &DeviceOptions,
    ) -> Result<Self, TrainDeviceError> {
        options.check()?;
        assert_shape(options, shape, weights);
        let engine = DeviceStep::new(options, on, shape, weights)?;
        Ok(Self::with_engine(
            options,
            shape,
            Engine::Device(Box::new(engine)),
        ))
    }

    fn with_engine(options: &TrainOptions, shape: Shape, engine: Engine) -> Self {
        Self {
            counts: Counts::new(shape.d_sae),
            scales: None,
            scaled: Default::default(),
            engine,
            options: options.clone(),
            shape,
        }
    }

    /// Goes on from where another run was.
    ///
    /// # Panics
    /// If any of these is of another shape or architecture.
    pub(crate) fn restore(
        &mut self,
        weights: Weights,
        m: Weights,
        v: Weights,
        ema: Option<Weights>,
        counts: Counts,
        scales: Option<ActivationScales>,
    ) {
        for given in [&weights, &m, &v].into_iter().chain(&ema) {
            assert_shape(&self.options, self.shape, given);
        }
        let lens = [counts.since_fired.len(), counts.fired.len()];
        assert_eq!(
            lens, [self.shape.d_sae; 2],
            "the counts are of another shape"
        );
        self.engine.load(weights, m, v, ema);
        (self.counts, self.scales) = (counts, scales);
    }

    /// The settings.
    pub fn options(&self) -> &TrainOptions {
        &self.options
    }

    /// The sizes.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The weights, as training has them: in units of scaled inputs, nothing folded. A copy where they are on a device.
    pub fn weights(&self) -> Cow<'_, Weights> {
        self.engine.weights()
    }

    /// The optimizer's first and second moments. Copies where they are on a device.
    pub fn moments(&self) -> (Cow<'_, Weights>, Cow<'_, Weights>) {
        self.engine.moments()
    }

    /// The moving average of the weights, where the options ask for one.
    pub(crate) fn ema(&self) -> Option<Cow<'_, Weights>> {
        self.engine.ema()
    }

    /// What was counted so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Whether all tokens were trained on.
    pub fn is_done(&self) -> bool {
        self.counts.tokens >= self.options.training_tokens
    }

    /// Whether inputs are scaled by a factor that is not known yet.
    pub fn wants_scales(&self) -> bool {
        self.options.normalize_activations == Normalization::ExpectedAverageOnlyIn
            && self.scales.is_none()
    }

    /// Sets the factors that inputs and targets are multiplied by from now on.
    pub fn set_scales(&mut self, scales: ActivationScales) {
        self.scales = Some(scales);
    }

    /// Which features have not been active for longer than the window.
    pub fn dead(&self) -> Vec<bool> {
        self.counts.dead(self.options.dead_feature_window)
    }

    /// Trains on a batch of raw activations: `x` is `[n, d_in]`, `y`, for transcoders, `[n, d_out]`.
    ///
    /// # Errors
    /// If a loss or the gradient is not finite; the weights are as before then.
    ///
    /// # Panics
    /// If the batch is of another width, or the device fails.
    pub fn step(&mut self, x: &[f32], y: Option<&[f32]>) -> Result<StepReport, Diverged> {
        let Shape { d_in, d_out, .. } = self.shape;
        let rows = x.len() / d_in;
        assert_eq!(x.len(), rows * d_in, "the batch is of another width");
        assert_eq!(
            y.is_some(),
            self.options.architecture.is_transcoder(),
            "a transcoder has a target, an SAE has none"
        );
        assert!(
            y.is_none_or(|y| y.len() == rows * d_out),
            "the target is of another width"
        );
        self.counts.begin_step(self.options.feature_sampling_window);
        let (step, tokens) = (self.counts.steps, self.counts.tokens);
        let dead = self.dead();
        let [mut scaled_x, mut scaled_y] = std::mem::take(&mut self.scaled);
        let x = scale(x, self.scales.map(|s| s.input), &mut scaled_x);
        let y = y.map(|y| scale(y, self.scales.map(|s| s.target), &mut scaled_y));
        let coefficient = self.coefficient();
        let input = StepInput {
            x,
            y,
            rows,
            dead: &dead,
            coefficient: coefficient.unwrap_or(0.0),
        };
        if step == 0 {
            self.engine.init_biases(&self.options, &input);
        }
        self.engine.clamp_thresholds();
        let (mut output, gradient_norm) = self.engine.step(&input);
        let lr = learning_rate(&self.options, step);
        let mut suspects = vec![("gradient's norm".to_owned(), gradient_norm)];
        suspects.extend(output.losses.iter().cloned());
        if let Some((what, value)) = suspects
            .into_iter()
            .rev()
            .find(|(_, value)| !value.is_finite())
        {
            self.engine.discard();
            self.scaled = [scaled_x, scaled_y];
            return Err(Diverged {
                step,
                tokens,
                what,
                value,
                lr,
            });
        }
        self.counts
            .add(&output, rows, self.options.topk_threshold_lr);
        self.engine
            .update(AdamStep::new(&self.options, lr, self.counts.steps));
        if self.options.architecture.is_batch_topk() {
            output
                .metrics
                .push(("topk_threshold".to_owned(), self.counts.topk_threshold));
        }
        if self.resamples() {
            let n = self.resample(&input);
            output.metrics.push((RESAMPLED.to_owned(), n as f64));
        }
        self.scaled = [scaled_x, scaled_y];
        Ok(StepReport {
            step,
            overall_loss: output.loss(),
            l0: output.fired.iter().map(|&n| f64::from(n)).sum::<f64>() / rows as f64,
            dead_features: dead.iter().filter(|&&dead| dead).count(),
            losses: output.losses,
            lr,
            coefficient,
            gradient_norm,
            metrics: output.metrics,
        })
    }

    /// Whether dead features are started again after the step that was just done. Not after the last one: nothing would train them.
    fn resamples(&self) -> bool {
        let every = self.options.resample_dead_every;
        every.is_some_and(|every| self.counts.steps.is_multiple_of(every)) && !self.is_done()
    }

    /// Starts dead features again from tokens of a batch. Returns how many.
    fn resample(&mut self, input: &StepInput<'_>) -> usize {
        let dead = self.dead();
        if !dead.contains(&true) {
            return 0;
        }
        let (options, shape, step) = (&self.options, self.shape, self.counts.steps);
        let mut started = Vec::new();
        let n = self
            .engine
            .change((options, shape), input, |mut state, losses| {
                started =
                    resample::resample(&mut state, (options, shape, step), input, losses, &dead);
                started.len()
            });
        for j in started {
            self.counts.since_fired[j] = 0;
        }
        n
    }

    /// The weight of the sparsity loss at the present step.
    fn coefficient(&self) -> Option<f64> {
        let (options, step) = (&self.options, self.counts.steps);
        let architecture = options.architecture;
        if architecture.has_threshold() {
            return Some(coefficient(
                options.l0_coefficient,
                options.l0_warm_up_steps,
                step,
            ));
        }
        let none = architecture.is_topk() || architecture == TrainArchitecture::MatchingPursuit;
        (!none).then(|| coefficient(options.l1_coefficient, options.l1_warm_up_steps, step))
    }

    /// log₁₀ of how often each feature was active in the present window, plus 1e-10: SAELens' sparsity.
    pub fn log_sparsity(&self) -> Vec<f32> {
        self.counts.log_sparsity()
    }
}

fn assert_shape(options: &TrainOptions, shape: Shape, weights: &Weights) {
    let expected = shape.lens(options.architecture);
    for (given, expected) in weights.parts().iter().zip(expected) {
        assert_eq!(given.len(), expected, "the weights are of another shape");
    }
}

fn scale<'a>(x: &'a [f32], factor: Option<f64>, into: &'a mut Vec<f32>) -> &'a [f32] {
    let Some(factor) = factor else {
        return x;
    };
    into.clear();
    into.par_extend(
        x.par_iter()
            .with_min_len(1 << 14)
            .map(|x| x * factor as f32),
    );
    into
}
