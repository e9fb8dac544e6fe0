//! What to generate, and how much.

use super::{GenerationConfig, Sampling};

/// What to generate, and how much.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GenerateOptions {
    /// Tokens of a row at most.
    pub max_new_tokens: usize,
    /// How the next token is chosen. By default the likeliest is.
    pub sampling: Sampling,
    /// What the logits of tokens that came before, the prompt's included, are divided by where positive, and multiplied with where
    /// negative. 1 changes nothing.
    pub repetition_penalty: f32,
    /// Tokens that end a row; they are part of it. By default there are none.
    pub stop_ids: Vec<u32>,
    /// Which random numbers are drawn.
    pub seed: u64,
    /// Continuations of each prompt; its part of the cache is made once.
    pub n: usize,
    /// The row whose random numbers the first row draws: that of the first prompt's place among all, where they come in batches.
    pub first_stream: u64,
    /// Whether each token's log-probability is found, and with how many of the likeliest tokens. By default it is not.
    pub log_probs: Option<usize>,
}

impl GenerateOptions {
    /// The likeliest tokens, at most so many, one continuation of each prompt.
    pub fn new(max_new_tokens: usize) -> Self {
        Self {
            max_new_tokens,
            sampling: Sampling::Greedy,
            repetition_penalty: 1.0,
            stop_ids: Vec::new(),
            seed: 0,
            n: 1,
            first_stream: 0,
            log_probs: None,
        }
    }

    /// Whether tokens that came before matter.
    pub(super) fn penalises(&self) -> bool {
        (self.repetition_penalty - 1.0).abs() > 0.0
    }

    /// The tokens that may be drawn after logits, in the order of their ids, and what their logits are processed to: all of them where the
    /// likeliest is taken. `seen` are the ids that came before, the prompt's included.
    ///
    /// # Panics
    /// If an id that came before has no logit.
    pub fn candidates(&self, logits: &[f32], seen: &[u32]) -> Vec<(u32, f32)> {
        let mut logits = logits.to_vec();
        if self.penalises() {
            let seen: std::collections::BTreeSet<u32> = seen.iter().copied().collect();
            super::sampling::penalise(&mut logits, seen.into_iter(), self.repetition_penalty);
        }
        match &self.sampling {
            Sampling::Greedy => (0..).zip(logits).collect(),
            Sampling::Draw(draw) => draw.candidates(&logits),
        }
    }

    /// As the model's own configuration has it.
    pub fn from_config(max_new_tokens: usize, config: &GenerationConfig) -> Self {
        Self {
            sampling: config.sampling(),
            repetition_penalty: config.repetition_penalty.unwrap_or(1.0),
            stop_ids: config.stop_ids.clone(),
            ..Self::new(max_new_tokens)
        }
    }
}
