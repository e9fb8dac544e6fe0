//! What cannot be contrasted.

/// Features of prompts that cannot be taken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ObservationError {
    /// A feature beyond the dictionary.
    #[error("prompt {prompt} has feature {feature}, and there are {d_sae}, counted from 0")]
    Feature {
        /// The prompt, counted from 0.
        prompt: usize,
        /// The feature.
        feature: u32,
        /// How many there are.
        d_sae: usize,
    },
    /// One feature twice in one prompt.
    #[error("prompt {prompt} has feature {feature} twice; give each feature one value a prompt")]
    Twice {
        /// The prompt, counted from 0.
        prompt: usize,
        /// The feature.
        feature: u32,
    },
    /// A value that is no number.
    #[error(
        "prompt {prompt}: feature {feature} is {value}; no statistic can be made of it. Do the model and the SAE overflow in this dtype?"
    )]
    NotFinite {
        /// The prompt, counted from 0.
        prompt: usize,
        /// The feature.
        feature: u32,
        /// The value.
        value: f32,
    },
}

/// Sets that cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupsError {
    /// A set without prompts.
    #[error("set {0} has no prompts; a contrast needs some in both sets")]
    Empty(char),
    /// Prompts that belong to no set.
    #[error("there are {found} prompts, and the two sets have {expected} together")]
    Number {
        /// How many there are.
        found: usize,
        /// How many the sets have.
        expected: usize,
    },
}

/// Probes that cannot be fitted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// Too few prompts.
    #[error(
        "set {set} has {n} prompts: with a share of {train_fraction} to fit on, a probe needs at least one to fit on and one to test on"
    )]
    TooFew {
        /// The set.
        set: char,
        /// Its prompts.
        n: usize,
        /// The share that a probe is fitted on.
        train_fraction: f64,
    },
    /// A setting that makes no sense.
    #[error("{name} is {value}; expected {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it is.
        value: f64,
        /// What it should be.
        expected: &'static str,
    },
}
