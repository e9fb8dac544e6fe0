//! What a step did, or why it could not.

/// Training that has gone wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "step {step} ({tokens} tokens): the {what} is {value}; the weights are as before this step. Try a smaller lr (now {lr:.3e}), a \
     longer lr_warm_up_steps, or normalize_activations expected_average_only_in"
)]
#[non_exhaustive]
pub struct Diverged {
    /// The step, counted from 0.
    pub step: u64,
    /// Tokens before it.
    pub tokens: u64,
    /// What is not a number any more.
    pub what: String,
    /// What it is.
    pub value: f64,
    /// The learning rate.
    pub lr: f64,
}

/// What a step did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StepReport {
    /// The step, counted from 0.
    pub step: u64,
    /// Each loss by SAELens' name, before the step.
    pub losses: Vec<(String, f64)>,
    /// Their sum.
    pub overall_loss: f64,
    /// Features active on a token, on average.
    pub l0: f64,
    /// Features that were dead before the step.
    pub dead_features: usize,
    /// The learning rate of the step.
    pub lr: f64,
    /// The weight of its sparsity loss, for architectures that have one.
    pub coefficient: Option<f64>,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Figures of the architecture's own; those with a `/` in their name are of other groups than `metrics/`.
    pub metrics: Vec<(String, f64)>,
}
