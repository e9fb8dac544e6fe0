//! What a page of a training is of.

/// What training has come to: one run, or several that see the same tokens.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct TrainingState {
    /// What is trained, where, on which text.
    pub title: String,
    /// In an order that stays: colours and what is hidden go by it.
    pub runs: Vec<TrainingRun>,
    /// Tokens seen.
    pub tokens: u64,
    /// Tokens in all; 0 if that is not known.
    pub of_tokens: u64,
    /// Tokens in a second, of late.
    pub tokens_per_s: f64,
    /// What is left, if that can be told.
    pub seconds_left: Option<f64>,
    /// Whether there is more to come: the page then loads itself again every few seconds.
    pub running: bool,
}

/// One of the SAEs in training.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct TrainingRun {
    /// Which of them it is.
    pub name: String,
    /// Its kind, by SAELens' name.
    pub architecture: String,
    /// Settings in the order in which they are shown.
    pub settings: Vec<(String, String)>,
    /// What was logged.
    pub records: Vec<TrainingRecord>,
    /// What looks wrong.
    pub warnings: Vec<String>,
}

/// What was logged at one step.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct TrainingRecord {
    /// Optimiser steps taken.
    pub step: u64,
    /// Tokens seen by then.
    pub tokens: u64,
    /// Values by the names that SAELens logs them under, such as `losses/overall_loss`.
    pub values: Vec<(String, f64)>,
}

impl TrainingState {
    /// A training that has begun, without a run yet; `of_tokens` are to be seen.
    pub fn new(title: impl Into<String>, of_tokens: u64) -> Self {
        Self {
            title: title.into(),
            of_tokens,
            running: true,
            ..Self::default()
        }
    }
}

impl TrainingRun {
    /// A run of which nothing was logged yet.
    pub fn new(name: impl Into<String>, architecture: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            architecture: architecture.into(),
            ..Self::default()
        }
    }
}

impl TrainingRecord {
    /// What was logged at a step, when so many tokens had been seen.
    pub fn new(step: u64, tokens: u64, values: Vec<(String, f64)>) -> Self {
        Self {
            step,
            tokens,
            values,
        }
    }
}
