//! Two texts, feature by feature: what is asked for, and the answer.

use serde::{Deserialize, Serialize};

use crate::attribute::some_features;
use crate::backend::{PromptError, PromptToken};

/// The body of `POST api/contrast`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContrastRequest {
    /// The first text.
    pub text: String,
    /// The second.
    pub other: String,
    /// Features that are listed, at most.
    #[serde(default = "some_features")]
    pub top: usize,
}

/// The answer to `POST api/contrast`. Numbers are finite.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContrastResponse {
    /// The tokens of each text that ran. Those that do not count are left out of the maxima.
    pub texts: [Vec<PromptToken>; 2],
    /// How many features have another largest activation in one text than in the other.
    pub n_different: usize,
    /// Those that differ most, the most different first.
    pub features: Vec<ContrastedFeature>,
}

/// A feature in two texts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ContrastedFeature {
    /// Which of `d_sae`.
    pub index: u32,
    /// Its largest activation in each text; 0 where it does not fire.
    pub max: [f32; 2],
    /// The place of the first token that has it in each text; none where it does not fire.
    pub token: [Option<usize>; 2],
    /// The first largest activation less the second.
    pub difference: f32,
}

impl ContrastResponse {
    /// That places are those of tokens, and every number is one.
    pub(crate) fn check(&self) -> Result<(), PromptError> {
        for feature in &self.features {
            let [a, b] = feature.max;
            if ![a, b, feature.difference].into_iter().all(f32::is_finite) {
                let message = format!(
                    "feature {} is not a finite number: the weights of the model or of the SAE hold NaN or infinities",
                    feature.index
                );
                return Err(PromptError::Failed(message));
            }
            for (place, tokens) in feature.token.iter().zip(&self.texts) {
                if place.is_some_and(|place| place >= tokens.len()) {
                    let message =
                        format!("feature {} is on a token that there is not", feature.index);
                    return Err(PromptError::Failed(message));
                }
            }
        }
        Ok(())
    }
}
