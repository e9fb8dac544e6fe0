//! Where weights lie and steps are computed.

use crate::device::DeviceStep;
use crate::host::HostStep;
use crate::host::adam::AdamStep;
use crate::host::engine::HostEngine;
use crate::options::{BiasInit, TrainOptions};
use crate::resample::State;
use crate::step::{StepInput, StepOutput};
use crate::weights::{Shape, Weights};
use std::borrow::Cow;

/// Weights, moments and gradient, and how a step is computed on them.
#[derive(Debug)]
pub(crate) enum Engine {
    /// As slices, with sparse gradients.
    Host(Box<HostEngine>),
    /// As tensors of burn.
    Device(Box<DeviceStep>),
}

impl Engine {
    /// A copy where they are on a device.
    pub(crate) fn weights(&self) -> Cow<'_, Weights> {
        match self {
            Self::Host(host) => Cow::Borrowed(&host.weights),
            Self::Device(device) => Cow::Owned(device.weights()),
        }
    }

    pub(crate) fn moments(&self) -> (Cow<'_, Weights>, Cow<'_, Weights>) {
        match self {
            Self::Host(host) => (Cow::Borrowed(&host.m), Cow::Borrowed(&host.v)),
            Self::Device(device) => {
                let (m, v) = device.moments();
                (Cow::Owned(m), Cow::Owned(v))
            }
        }
    }

    /// The moving average of the weights, where the options ask for one.
    pub(crate) fn ema(&self) -> Option<Cow<'_, Weights>> {
        match self {
            Self::Host(host) => host.ema.as_ref().map(Cow::Borrowed),
            Self::Device(device) => device.ema().map(Cow::Owned),
        }
    }

    /// Goes on from these; they must be of the same shape.
    pub(crate) fn load(&mut self, weights: Weights, m: Weights, v: Weights, ema: Option<Weights>) {
        match self {
            Self::Host(host) => {
                host.discard();
                (host.weights, host.m, host.v, host.ema) = (weights, m, v, ema);
            }
            Self::Device(device) => device.load(&weights, &m, &v, ema.as_ref()),
        }
    }

    /// Changes weights, moments and moving average on the host, with ‖x̂ − x‖² of each token of a batch.
    pub(crate) fn change(
        &mut self,
        (options, shape): (&TrainOptions, Shape),
        input: &StepInput<'_>,
        change: impl FnOnce(State<'_>, &[f64]) -> usize,
    ) -> usize {
        match self {
            Self::Host(host) => {
                let losses = host.token_losses(input);
                let state = State {
                    weights: &mut host.weights,
                    m: &mut host.m,
                    v: &mut host.v,
                    ema: host.ema.as_mut(),
                };
                change(state, &losses)
            }
            Self::Device(device) => {
                let mut weights = device.weights();
                let losses = HostStep::new(options, shape).token_losses(&weights, input);
                let ((mut m, mut v), mut ema) = (device.moments(), device.ema());
                let state = State {
                    weights: &mut weights,
                    m: &mut m,
                    v: &mut v,
                    ema: ema.as_mut(),
                };
                let changed = change(state, &losses);
                if changed > 0 {
                    device.load(&weights, &m, &v, ema.as_ref());
                }
                changed
            }
        }
    }

    /// Sets the biases that depend on data, from the first batch.
    pub(crate) fn init_biases(&mut self, options: &TrainOptions, input: &StepInput<'_>) {
        let stay = match options.b_dec_init {
            BiasInit::Zeros => true,
            BiasInit::Peer => !options.architecture.is_transcoder(),
            BiasInit::Mean | BiasInit::GeometricMedian => false,
        };
        match self {
            _ if stay => {}
            Self::Host(host) => host.init_biases(input),
            Self::Device(device) => device.init_biases(input),
        }
    }

    /// Thresholds below 0 become 0: negative pre-activations would pass.
    pub(crate) fn clamp_thresholds(&mut self) {
        match self {
            Self::Host(host) => host.clamp_thresholds(),
            Self::Device(device) => device.clamp_thresholds(),
        }
    }

    /// The gradient of a batch, kept for [`update`](Self::update), and its norm.
    pub(crate) fn step(&mut self, input: &StepInput<'_>) -> (StepOutput, f64) {
        match self {
            Self::Host(host) => host.step(input),
            Self::Device(device) => device.step(input),
        }
    }

    /// Forgets the gradient.
    pub(crate) fn discard(&mut self) {
        match self {
            Self::Host(host) => host.discard(),
            Self::Device(device) => device.discard(),
        }
    }

    /// The optimizer's step with the gradient of the last batch, made no longer than 1.
    pub(crate) fn update(&mut self, step: AdamStep) {
        match self {
            Self::Host(host) => host.update(step),
            Self::Device(device) => device.update(step),
        }
    }
}
