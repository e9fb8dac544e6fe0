//! The JSON of `sae eval`, as types.

use crate::describe::ModelDescription;
use crate::published::Published;
use serde::Serialize;
use serde_json::Value;

/// Figures, the settings they were measured with, and warnings.
#[derive(Debug, Serialize)]
pub struct Evaluated<P> {
    /// Every metric of SAELens' `run_evals`, in its groups.
    #[serde(flatten)]
    pub figures: sae_metrics::Report,
    /// The configuration of the SAE, as SAELens writes it.
    pub sae_cfg: Value,
    /// The SAE's figures as its authors published them, if it was given by its name in a release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
    /// How it was measured.
    pub eval_cfg: EvalCfg<P>,
    /// How long it took.
    pub timings: EvalTimings,
    /// Warnings: what looks wrong, as a sentence, with the probable cause.
    pub warnings: Vec<String>,
}

/// How an SAE was evaluated.
#[derive(Debug, Clone, Serialize)]
pub struct EvalCfg<P> {
    /// The SAE, as it was given.
    pub sae: Option<String>,
    /// The model.
    pub model: ModelDescription,
    /// The text, as it was given.
    pub dataset: Option<String>,
    /// The rows of ids, as they were given.
    pub tokens: Option<String>,
    /// The shard of the text.
    pub shard: Option<String>,
    /// Tokens in a row.
    pub context_size: usize,
    /// Rows in a batch.
    pub batch_size: usize,
    /// Losses were measured on the first so many rows only, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconstruction_sequences: Option<u64>,
    /// How documents became rows.
    pub packing: Option<&'static str>,
    /// Which positions count.
    pub convention: String,
    /// What replaces the activation.
    pub reconstruction: &'static str,
    /// The hook that is read.
    pub read_hook: String,
    /// The hook that is written to.
    pub write_hook: String,
    /// Outcomes, once there are any.
    #[serde(flatten)]
    pub outcome: Option<EvalOutcome<P>>,
}

/// Values that are known once an evaluation is done.
#[derive(Debug, Clone, Serialize)]
pub struct EvalOutcome<P> {
    /// Rows measured.
    pub n_sequences: u64,
    /// The memory plan.
    pub plan: P,
    /// Rows of the data set that were left out.
    pub bad_rows: u64,
}

/// Seconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct EvalTimings {
    /// Loading the model and the SAE.
    pub load_s: f64,
    /// Measuring.
    pub evaluate_s: f64,
}

impl<P: Serialize> EvalCfg<P> {
    /// Everything that figures depend on, as JSON: without the names of files, which may move.
    ///
    /// # Panics
    /// If `P` cannot be written as JSON.
    pub fn nameless(&self) -> Value {
        let mut value = serde_json::to_value(self).expect("plain data");
        for path in ["/sae", "/tokens", "/model/name"] {
            value.pointer_mut(path).map(Value::take);
        }
        value
    }
}
