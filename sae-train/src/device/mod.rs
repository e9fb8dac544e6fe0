//! The training step as tensors on any device: what `host` computes, as products of whole matrices.
//!
//! Nothing depends on numbers that the host would have to see first: losses, the gradient's norm and what was active come back in one
//! transfer, between the gradient and the optimizer's step.

mod adam;
mod batch;
mod gated;
mod jumprelu;
mod options;
mod product;
mod relu;
mod revive;
mod select;
mod step;
mod sums;
mod topk;
mod unit;
mod weights;

pub use options::{DeviceOptions, TrainDeviceError};

use crate::architecture::TrainArchitecture;
use crate::host::adam::AdamStep;
use crate::options::TrainOptions;
use crate::step::{StepInput, StepOutput};
use crate::weights::{Shape, Weights};
use weights::{DeviceWeights, Gradient};

/// Weights, moments and gradient on a device.
#[derive(Debug)]
pub(crate) struct DeviceStep {
    options: TrainOptions,
    on: DeviceOptions,
    shape: Shape,
    widths: Vec<usize>,
    weights: DeviceWeights,
    m: DeviceWeights,
    v: DeviceWeights,
    ema: Option<DeviceWeights>,
    gradient: Gradient,
    clip: f64,
}

impl DeviceStep {
    /// Puts weights on a device.
    ///
    /// # Errors
    /// If the device cannot train this.
    ///
    /// # Panics
    /// If the weights are of another shape.
    pub(crate) fn new(
        options: &TrainOptions,
        on: &DeviceOptions,
        shape: Shape,
        weights: &Weights,
    ) -> Result<Self, TrainDeviceError> {
        on.check(options.architecture)?;
        let mut on = on.clone();
        // No gradients are recorded: they are written out here.
        on.device = on.device.without_autodiff();
        let matryoshka = options.architecture == TrainArchitecture::MatryoshkaBatchTopK;
        let zeros = Weights::zeros(options.architecture, shape);
        let zeros = DeviceWeights::upload(&zeros, shape, &on.device);
        let weights = DeviceWeights::upload(weights, shape, &on.device);
        Ok(Self {
            widths: if matryoshka {
                options.widths()
            } else {
                vec![shape.d_sae]
            },
            ema: options.ema_decay.map(|_| weights.clone()),
            m: zeros.clone(),
            v: zeros,
            weights,
            gradient: Gradient::default(),
            clip: 1.0,
            options: options.clone(),
            on,
            shape,
        })
    }

    /// Puts other weights and moments in their place.
    ///
    /// # Panics
    /// If they are of another shape.
    pub(crate) fn load(
        &mut self,
        weights: &Weights,
        m: &Weights,
        v: &Weights,
        ema: Option<&Weights>,
    ) {
        let up = |part| DeviceWeights::upload(part, self.shape, &self.on.device);
        self.weights = up(weights);
        (self.m, self.v) = (up(m), up(v));
        self.ema = ema.map(up);
        self.gradient = Gradient::default();
    }

    pub(crate) fn weights(&self) -> Weights {
        self.weights.download()
    }

    pub(crate) fn moments(&self) -> (Weights, Weights) {
        (self.m.download(), self.v.download())
    }

    pub(crate) fn ema(&self) -> Option<Weights> {
        self.ema.as_ref().map(DeviceWeights::download)
    }

    /// Sets the biases that depend on data, from the first batch.
    pub(crate) fn init_biases(&mut self, input: &StepInput<'_>) {
        let mut weights = self.weights.download();
        weights.init_biases(&self.options, input.x, input.target(), self.shape);
        self.weights = DeviceWeights::upload(&weights, self.shape, &self.on.device);
        // Before the first step the average is what there is.
        self.ema = self.options.ema_decay.map(|_| self.weights.clone());
    }

    /// Thresholds below 0 become 0.
    pub(crate) fn clamp_thresholds(&mut self) {
        if let Some(threshold) = &mut self.weights.threshold {
            threshold.inplace(|theta| theta.clamp_min(0.0));
        }
    }

    /// The gradient of a batch, kept for [`update`](Self::update), and its norm.
    ///
    /// # Panics
    /// If the device fails.
    pub(crate) fn step(&mut self, input: &StepInput<'_>) -> (StepOutput, f64) {
        let (gradient, output, norm) = self.gradient(input);
        self.gradient = gradient;
        self.clip = (1.0 / (norm + 1e-6)).min(1.0);
        (output, norm)
    }

    /// Forgets the gradient.
    pub(crate) fn discard(&mut self) {
        self.gradient = Gradient::default();
    }

    /// The optimizer's step with the gradient of the last batch.
    pub(crate) fn update(&mut self, step: AdamStep) {
        adam::update(
            &mut self.weights,
            std::mem::take(&mut self.gradient),
            &mut self.m,
            &mut self.v,
            self.clip as f32,
            step,
        );
        if self.options.unit_decoder {
            self.weights.w_dec.inplace(adam::unit_rows);
        }
        if let (Some(ema), Some(decay)) = (&mut self.ema, self.options.ema_decay) {
            for (ema, now) in ema.parts_mut().into_iter().zip(self.weights.parts()) {
                let (Some(ema), Some(now)) = (ema, now) else {
                    continue;
                };
                ema.inplace(|ema| ema.clone() + (now.clone() - ema).mul_scalar(1.0 - decay));
            }
        }
    }
}
