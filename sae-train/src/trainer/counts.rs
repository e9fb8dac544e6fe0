//! What is counted on the way.

use crate::step::StepOutput;

/// What a run has counted so far.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Counts {
    /// Steps that are done.
    pub steps: u64,
    /// Tokens that were trained on.
    pub tokens: u64,
    /// Steps since each feature was active.
    pub since_fired: Vec<u32>,
    /// Tokens of the present window on which each feature was active.
    pub fired: Vec<u64>,
    /// Tokens of the present window.
    pub window_tokens: u64,
    /// The threshold that batchtopk SAEs are used with.
    pub topk_threshold: f64,
}

impl Counts {
    /// Before the first step.
    pub(super) fn new(d_sae: usize) -> Self {
        Self {
            steps: 0,
            tokens: 0,
            since_fired: vec![0; d_sae],
            fired: vec![0; d_sae],
            window_tokens: 0,
            topk_threshold: 0.0,
        }
    }

    /// Empties the window of frequencies where a new one begins.
    pub(super) fn begin_step(&mut self, window: u64) {
        if self.steps > 0 && self.steps.is_multiple_of(window) {
            self.fired.fill(0);
            self.window_tokens = 0;
        }
    }

    /// Which features have not been active for more steps than these.
    pub(super) fn dead(&self, window: u64) -> Vec<bool> {
        let since = self.since_fired.iter();
        since.map(|&since| u64::from(since) > window).collect()
    }

    /// Counts a step that is done. `rate` is batchtopk's `topk_threshold_lr`.
    pub(super) fn add(&mut self, output: &StepOutput, rows: usize, rate: f64) {
        for ((since, total), &fired) in self
            .since_fired
            .iter_mut()
            .zip(&mut self.fired)
            .zip(&output.fired)
        {
            *since = if fired > 0 {
                0
            } else {
                since.saturating_add(1)
            };
            *total += u64::from(fired);
        }
        self.window_tokens += rows as u64;
        self.tokens += rows as u64;
        self.steps += 1;
        if let Some(least) = output.least_active {
            self.topk_threshold = (1.0 - rate) * self.topk_threshold + rate * f64::from(least);
        }
    }

    /// log₁₀ of how often each feature was active in the present window, plus 1e-10: SAELens' sparsity.
    pub(super) fn log_sparsity(&self) -> Vec<f32> {
        let n = self.window_tokens.max(1) as f32;
        self.fired
            .iter()
            .map(|&fired| (fired as f32 / n + 1e-10).log10())
            .collect()
    }
}
