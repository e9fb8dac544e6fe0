//! What `sae generate` says of steering: which features were edited and how, and what that changed.

mod text;

pub use text::compared_text;

use serde::Serialize;

/// A change of the activations, relative to their length, that leaves little of what they said.
const LARGE_CHANGE: f32 = 4.0;

/// How a text was steered.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SteeringReport {
    /// The SAEs, in the order in which they were given.
    pub saes: Vec<SteeredRun>,
    /// Whether what the SAEs do not reconstruct stayed in the activations.
    pub error_term: bool,
    /// Which tokens were steered: `all`, `prompt` or `generated`.
    pub part: &'static str,
    /// Whether special tokens were steered like others.
    pub special_tokens: bool,
}

impl SteeringReport {
    /// Everything is steered but special tokens, and the error term stays.
    pub fn new(saes: Vec<SteeredRun>) -> Self {
        Self {
            saes,
            error_term: true,
            part: "all",
            special_tokens: false,
        }
    }
}

/// An SAE and its edits.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SteeredRun {
    /// As it was given.
    pub sae: String,
    /// Where it reads.
    pub hook_name: String,
    /// Where it writes.
    pub write_hook: String,
    /// Its edits.
    pub edits: Vec<EditRow>,
    /// How far it moved the activations of the prompt, or of the first token that it steered: ‖x' − x‖ / ‖x‖. None where it steered nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative_change: Option<f32>,
}

impl SteeredRun {
    /// An SAE at its hooks, without edits yet.
    pub fn new(sae: &str, hook_name: String, write_hook: String) -> Self {
        Self {
            sae: sae.to_owned(),
            hook_name,
            write_hook,
            edits: Vec::new(),
            relative_change: None,
        }
    }

    /// What is wrong with a push that is longer than what it pushes: `None` if it is not.
    pub fn warning(&self) -> Option<String> {
        let change = self
            .relative_change
            .filter(|change| *change > LARGE_CHANGE)?;
        Some(format!(
            "{}: steering moved the activations at {} by {change:.1} times their own length: what the model writes then tells of the push, and hardly of the feature; steer by less",
            self.sae, self.write_hook
        ))
    }
}

/// What was done to a feature.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EditRow {
    /// The feature.
    pub feature: u32,
    /// The edit as it was given.
    pub edit: String,
    /// The edit in plain numbers.
    pub resolved: String,
    /// What the number counts.
    pub unit: &'static str,
    /// The feature's largest activation, where that is known.
    pub max: Option<f32>,
    /// Its mean over all tokens, where that is known.
    pub mean: Option<f32>,
}

impl EditRow {
    /// `figures`: the feature's maximum and its mean.
    pub fn new(
        feature: u32,
        edit: String,
        resolved: String,
        unit: &'static str,
        (max, mean): (Option<f32>, Option<f32>),
    ) -> Self {
        Self {
            feature,
            edit,
            resolved,
            unit,
            max,
            mean,
        }
    }
}

/// What steering changes in the continuation that came without it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// Which prompt, from 0.
    pub prompt_index: usize,
    /// Which continuation of it, from 0.
    pub sample: usize,
    /// The tokens of the continuation that came without steering.
    pub tokens: Vec<ComparedToken>,
    /// The mean of their `kl`, in nats; none where there are no tokens.
    pub mean_kl: Option<f64>,
    /// Of `kl` and the logarithms: `nats`.
    pub unit: &'static str,
}

impl Comparison {
    /// Of a continuation's tokens.
    pub fn new(prompt_index: usize, sample: usize, tokens: Vec<ComparedToken>) -> Self {
        let sum: f64 = tokens.iter().map(|token| token.kl).sum();
        Self {
            prompt_index,
            sample,
            mean_kl: (!tokens.is_empty()).then(|| sum / tokens.len() as f64),
            tokens,
            unit: "nats",
        }
    }
}

/// A token of the continuation that came without steering, given all before it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ComparedToken {
    /// Its text.
    pub token: String,
    /// Its id.
    pub id: u32,
    /// ln p without steering.
    pub log_prob: f64,
    /// ln p steered.
    pub steered_log_prob: f64,
    /// KL(without ‖ steered) of the distributions of the token.
    pub kl: f64,
}

impl ComparedToken {
    /// A token with its logarithms (without steering, and steered), in nats.
    pub fn new(token: String, id: u32, (log_prob, steered): (f64, f64), kl: f64) -> Self {
        Self {
            token,
            id,
            log_prob,
            steered_log_prob: steered,
            kl,
        }
    }
}
