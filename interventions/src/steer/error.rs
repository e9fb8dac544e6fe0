//! Why a model cannot be steered so.

use super::FeatureEdit;
use sae_llama::SplitError;

/// Steering that makes no sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SteeringError {
    /// The SAE does not belong to the model.
    #[error(transparent)]
    Place(#[from] SplitError),
    /// A feature beyond the last.
    #[error("there is no feature {feature}: the dictionary has {d_sae}, counted from 0")]
    NoFeature {
        /// The feature asked for.
        feature: u32,
        /// How many there are.
        d_sae: usize,
    },
    /// Two edits say what a feature's activation becomes.
    #[error("feature {feature} is set twice, by {first} and by {second}; leave one of them out")]
    Twice {
        /// The feature.
        feature: u32,
        /// The edit that came first.
        first: FeatureEdit,
        /// The other.
        second: FeatureEdit,
    },
    /// A multiple of a maximum that is not known.
    #[error(
        "{edit} of feature {feature} is in multiples of its maximum, which is not known; give a number"
    )]
    UnknownMax {
        /// The feature.
        feature: u32,
        /// What was to be done to it.
        edit: FeatureEdit,
    },
    /// A mean that is not known.
    #[error("the mean of feature {feature} is not known; give it as mean:NUMBER")]
    UnknownMean {
        /// The feature.
        feature: u32,
    },
    /// An edit by something that is no number.
    #[error("{edit} of feature {feature}: the amount must be a finite number")]
    NotFinite {
        /// The feature.
        feature: u32,
        /// What was to be done to it.
        edit: FeatureEdit,
    },
    /// A decoder row of length zero.
    #[error(
        "{edit} of feature {feature}: its decoder row has no direction (its norm is {norm}); the feature is dead, choose another"
    )]
    NoDirection {
        /// The feature.
        feature: u32,
        /// What was to be done to it.
        edit: FeatureEdit,
        /// The norm of its decoder row.
        norm: f32,
    },
    /// Positions that count from an end that is not known.
    #[error(
        "positions {0}: steering goes on while text is generated, so that there is no end to count from; give numbers from 0"
    )]
    FromTheEnd(llama_hooked::Positions),
    /// Prompt and continuation are told apart, and the prompt's length is not known.
    #[error(
        "a part of the text is steered, and where its prompt ends is not known; call Steering::prompt first"
    )]
    NoPrompt,
    /// An SAE that looks at earlier tokens has not seen all of them.
    #[error(
        "a temporal SAE looks at every earlier token: the columns to come begin at position {first}, and {seen} positions have been seen"
    )]
    NotContiguous {
        /// Where the columns begin.
        first: usize,
        /// How many positions came before.
        seen: usize,
    },
}
