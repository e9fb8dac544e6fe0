//! Answers of a backend that hold together: JSON has no NaN, and the page counts on lists of equal length.

use crate::backend::{ActivationsResponse, PromptError, PromptResponse};

/// That there is a number for each feature and token.
pub(crate) fn consistent_values(
    response: &ActivationsResponse,
    features: usize,
) -> Result<(), PromptError> {
    let tokens = response.tokens.len();
    let is_whole = response.values.len() == features
        && response.values.iter().all(|values| values.len() == tokens);
    if !is_whole {
        let message = format!(
            "the model gave no activation for each of {features} features on {tokens} tokens"
        );
        return Err(PromptError::Failed(message));
    }
    if response.values.iter().flatten().any(|x| !x.is_finite()) {
        let message = "an activation is not a finite number: the weights of the model or of the SAE hold NaN or infinities";
        return Err(PromptError::Failed(message.to_owned()));
    }
    Ok(())
}

/// That every token has its list, and every number is one: JSON has no NaN.
pub(crate) fn consistent(response: &PromptResponse) -> Result<(), PromptError> {
    let (tokens, lists) = (response.tokens.len(), response.features.len());
    if tokens != lists {
        let message = format!("the model gave {tokens} tokens and features of {lists}");
        return Err(PromptError::Failed(message));
    }
    for (place, features) in response.features.iter().enumerate() {
        for feature in features {
            let numbers = [
                feature.value,
                feature.quantile,
                feature.effect.unwrap_or(0.0),
                feature.exact.unwrap_or(0.0),
            ];
            if !numbers.into_iter().all(f32::is_finite) {
                let message = format!(
                    "feature {} on token {place} is not a finite number: the weights of the model or of the SAE hold NaN or infinities",
                    feature.index
                );
                return Err(PromptError::Failed(message));
            }
        }
    }
    Ok(())
}
