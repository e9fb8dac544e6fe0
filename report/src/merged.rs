//! The JSON of `sae merge`, as types.

use crate::published::Published;
use serde::Serialize;
use serde_json::Value;

/// The figures of several workers: the JSON of [`Evaluated`](crate::Evaluated), with the shards in place of times and of the memory plan, which
/// each worker has its own.
#[derive(Debug, Serialize)]
pub struct Merged {
    /// Every metric of SAELens' `run_evals`, in its groups.
    #[serde(flatten)]
    pub figures: sae_metrics::Report,
    /// The configuration of the SAE, as SAELens writes it.
    pub sae_cfg: Value,
    /// The SAE's figures as its authors published them, if it was given by its name in a release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
    /// How it was measured.
    pub eval_cfg: Value,
    /// What the figures are of.
    pub shards: Shards,
    /// Warnings: those of all workers, and what looks wrong in the figures of all.
    pub warnings: Vec<String>,
}

/// Shards of the work, counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shards {
    /// How many there are.
    pub of: u32,
    /// Those that the figures are of.
    pub merged: Vec<u32>,
    /// Those that they lack.
    pub missing: Vec<u32>,
}
