//! The outcome of a prompt check: how likely a model finds an answer, plain and through an SAE.

mod text;

pub use text::show_rank;

use serde::Serialize;

/// A prompt, its answer, and how likely the model finds it, plain and through an SAE.
#[derive(Debug, Clone, Serialize)]
pub struct PromptCheck {
    /// The prompt, as given.
    pub prompt: String,
    /// The answer, with its leading space.
    pub answer: String,
    /// The prompt's tokens, BOS included.
    pub prompt_tokens: Vec<String>,
    /// The answer's tokens.
    pub answer_tokens: Vec<String>,
    /// The model's answer alone.
    pub baseline: Answer,
    /// Its answer with the SAE in place, if there is one.
    pub with_sae: Option<Answer>,
}

/// How the model takes the answer; the figures on top are those of its first token.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    /// Of the first token.
    #[serde(flatten)]
    pub first: TokenReport,
    /// The probability of the whole answer: the product over its tokens.
    #[serde(rename = "answer_prob")]
    pub whole: f64,
    /// Of every token of the answer, each after the ones before it.
    pub tokens: Vec<TokenReport>,
}

/// The place of one token among the predictions.
#[derive(Debug, Clone, Serialize)]
pub struct TokenReport {
    /// Its text.
    pub token: String,
    /// None if the logits are not numbers.
    pub rank: Option<usize>,
    /// Its logit.
    pub logit: f32,
    /// Its probability.
    pub prob: f64,
    /// The likeliest tokens, the likeliest first.
    pub top: Vec<TopToken>,
}

/// One of the likeliest tokens.
#[derive(Debug, Clone, Serialize)]
pub struct TopToken {
    /// Its text.
    pub token: String,
    /// Its logit.
    pub logit: f32,
    /// Its probability.
    pub prob: f64,
}

impl Answer {
    /// From the report of each token.
    ///
    /// # Panics
    /// If there is none.
    pub fn new(tokens: Vec<TokenReport>) -> Self {
        let first = tokens.first().expect("an answer has a token").clone();
        Self {
            first,
            whole: tokens.iter().map(|token| token.prob).product(),
            tokens,
        }
    }
}
