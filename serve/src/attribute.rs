//! Which features make a token likely: what is asked for, and the answer.

use serde::{Deserialize, Serialize};

use crate::backend::{PromptError, PromptToken};

/// Entries of a list, at most.
pub(crate) const MOST_LISTED: usize = 500;

/// The body of `POST api/attribute`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributeRequest {
    /// The text.
    pub text: String,
    /// The token after it, by its number in the vocabulary.
    pub answer: u32,
    /// The token that it is compared with.
    #[serde(default)]
    pub against: Option<u32>,
    /// Features that are listed, at most.
    #[serde(default = "some_features")]
    pub top: usize,
}

pub(crate) const fn some_features() -> usize {
    20
}

/// That a list has a length.
pub(crate) fn check_top(top: usize) -> Result<(), PromptError> {
    if (1..=MOST_LISTED).contains(&top) {
        return Ok(());
    }
    let message = format!("top is {top}: it must be 1 to {MOST_LISTED}");
    Err(PromptError::Invalid(message))
}

/// The answer to `POST api/attribute`: the effect of every part of the activation at the SAE's hook on the metric, by one gradient. Numbers are
/// finite.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AttributeResponse {
    /// The tokens that ran.
    pub tokens: Vec<PromptToken>,
    /// The token whose prediction is explained.
    pub answer: Option<PromptToken>,
    /// The token that it is compared with.
    pub against: Option<PromptToken>,
    /// `log_prob`, or `logit_diff` where there is a token to compare with.
    pub metric: String,
    /// The metric after the text.
    pub value: f64,
    /// Where the SAE reads.
    pub hook_name: String,
    /// Where it writes: the gradient is that of the activation here.
    pub write_hook: String,
    /// Pairs of a feature and a token on which it fires.
    pub n_active: usize,
    /// The strongest of these pairs, the strongest first.
    pub features: Vec<AttributedFeature>,
    /// The strongest features over all tokens.
    pub totals: Vec<AttributedTotal>,
    /// By token, the sum over all its features.
    pub by_position: Vec<f64>,
    /// By token, what the SAE does not reconstruct.
    pub error: Vec<f64>,
    /// By token, what the SAE writes without features.
    pub bias: Vec<f64>,
    /// Everything added up.
    pub sum: f64,
    /// How much the metric falls when the activation where the SAE writes is set to zero: what the sum is an estimate of.
    pub measured: f64,
}

/// A feature on a token.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AttributedFeature {
    /// Which of `d_sae`.
    pub feature: u32,
    /// The token's place, from 0.
    pub position: usize,
    /// Its activation there.
    pub activation: f32,
    /// Its effect on the metric.
    pub effect: f64,
}

/// A feature on all tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AttributedTotal {
    /// Which of `d_sae`.
    pub feature: u32,
    /// The sum of its effects.
    pub effect: f64,
    /// Tokens on which it fires.
    pub n_positions: usize,
}

impl AttributeResponse {
    /// That there is a number for each token, and every number is one.
    pub(crate) fn check(&self) -> Result<(), PromptError> {
        let n = self.tokens.len();
        let lists = [&self.by_position, &self.error, &self.bias];
        if lists.iter().any(|list| list.len() != n) || self.answer.is_none() {
            let message = format!("the model gave no effects for each of {n} tokens");
            return Err(PromptError::Failed(message));
        }
        let effects = self
            .features
            .iter()
            .flat_map(|f| [f.activation.into(), f.effect]);
        let totals = self.totals.iter().map(|total| total.effect);
        let all = lists
            .into_iter()
            .flatten()
            .copied()
            .chain(effects)
            .chain(totals);
        if !all
            .chain([self.value, self.sum, self.measured])
            .all(f64::is_finite)
        {
            let message = "an effect is not a finite number: the weights of the model or of the SAE hold NaN or infinities, or the token has no probability at all";
            return Err(PromptError::Failed(message.to_owned()));
        }
        Ok(())
    }
}
