//! Plain and steered continuations of a text: what is asked for, and what comes of it, a token at a time.

use serde::{Deserialize, Serialize};

use crate::backend::{PromptError, PromptToken};

/// New tokens of each side, at most.
const MOST_NEW_TOKENS: usize = 512;
/// Features that are steered at once, at most.
const MOST_STEERED: usize = 16;
/// Of an amount, either way: the squares of much larger activations are infinite in f32, and norms make zeros of those.
const LARGEST_AMOUNT: f32 = 1e6;

/// The body of `POST api/generate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerateRequest {
    /// The text to continue.
    pub text: String,
    /// What is done to which features on the steered side; no feature twice.
    pub steer: Vec<Steer>,
    /// New tokens of each side, at most.
    #[serde(default = "some_tokens")]
    pub max_new_tokens: usize,
    /// What logits are divided by before a token is drawn; 0 takes the likeliest token.
    #[serde(default)]
    pub temperature: f32,
    /// Which random numbers are drawn: the same on both sides.
    #[serde(default)]
    pub seed: u64,
    /// Whether the text is what a user says, and goes through the model's chat template.
    #[serde(default)]
    pub chat: bool,
    /// Whether special tokens (BOS, marks of a chat template) are steered like others.
    #[serde(default)]
    pub special_tokens: bool,
}

const fn some_tokens() -> usize {
    64
}

/// What is done to a feature.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steer {
    /// Which of `d_sae`.
    pub feature: u32,
    /// What is done to it.
    pub kind: SteerKind,
    /// How much; none of [`SteerKind::Ablate`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<f32>,
}

/// A kind of steering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SteerKind {
    /// Adds the feature's decoder direction, made as long as 1, so many times.
    Add,
    /// Sets its activation to the amount.
    Clamp,
    /// Multiplies its activation.
    Scale,
    /// Sets its activation to zero.
    Ablate,
}

impl SteerKind {
    fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Clamp => "clamp",
            Self::Scale => "scale",
            Self::Ablate => "ablate",
        }
    }
}

impl GenerateRequest {
    /// That the numbers are within their bounds.
    pub(crate) fn check(&self) -> Result<(), PromptError> {
        let invalid = |message| Err(PromptError::Invalid(message));
        let (n, most) = (self.max_new_tokens, MOST_NEW_TOKENS);
        if !(1..=most).contains(&n) {
            return invalid(format!("max_new_tokens is {n}: it must be 1 to {most}"));
        }
        let t = self.temperature;
        if !(0.0..=100.0).contains(&t) {
            return invalid(format!(
                "temperature is {t}: it must be 0 (the likeliest token) to 100"
            ));
        }
        match self.steer.len() {
            0 => {
                return invalid(
                    "no feature is steered: both sides would be the same; choose one".to_owned(),
                );
            }
            n if n > MOST_STEERED => {
                return invalid(format!(
                    "{n} steered features are too many: choose {MOST_STEERED} at most"
                ));
            }
            _ => {}
        }
        for (i, steer) in self.steer.iter().enumerate() {
            steer.check()?;
            let Steer { feature, .. } = steer;
            if self.steer[..i]
                .iter()
                .any(|other| other.feature == *feature)
            {
                return invalid(format!(
                    "feature {feature} is steered twice: leave one of them out"
                ));
            }
        }
        Ok(())
    }
}

impl Steer {
    fn check(&self) -> Result<(), PromptError> {
        let (feature, name) = (self.feature, self.kind.name());
        let problem = match (self.kind, self.amount) {
            (SteerKind::Ablate, None) => return Ok(()),
            (SteerKind::Ablate, Some(_)) => "takes no amount: it sets the activation to zero",
            (_, None) => "needs an amount",
            (_, Some(amount)) if amount.abs() <= LARGEST_AMOUNT => return Ok(()),
            (_, Some(_)) => "needs an amount from -1000000 to 1000000",
        };
        let message = format!("{name} of feature {feature} {problem}");
        Err(PromptError::Invalid(message))
    }
}

/// Which of the two continuations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The model as it is.
    Plain,
    /// The model with the steered features.
    Steered,
}

/// Why a continuation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// A token that ends a text.
    Stop,
    /// As many tokens as were asked for.
    Length,
}

/// A part of the answer to `POST api/generate`, which is one line of JSON for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum GenerateEvent {
    /// What is continued, once and first.
    Prompt {
        /// Its tokens; with a chat template those of the whole conversation.
        tokens: Vec<PromptToken>,
    },
    /// A new token.
    Token {
        /// Of which continuation.
        side: Side,
        /// The token.
        token: PromptToken,
        /// ln of its probability by its own side's model, at temperature 1.
        log_prob: f32,
        /// The likeliest tokens there, likeliest first.
        top: Vec<LikelyToken>,
    },
    /// How much the steering changes what is said, for each token of a continuation; after both have come to their ends.
    Changes {
        /// Of which continuation.
        side: Side,
        /// Of each of its tokens.
        tokens: Vec<TokenChange>,
    },
    /// A continuation has come to its end.
    End {
        /// Which one.
        side: Side,
        /// Why.
        reason: EndReason,
    },
}

/// How likely a token of a continuation is without steering and with it, given the same tokens before it. Infinite where a probability is 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TokenChange {
    /// ln of its probability by the model as it is.
    pub log_prob: f64,
    /// ln of its probability by the steered model.
    pub steered_log_prob: f64,
    /// KL(as it is ‖ steered) of the distributions that it is from, in nats.
    pub kl: f64,
}

/// A token that might have come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LikelyToken {
    /// The token.
    #[serde(flatten)]
    pub token: PromptToken,
    /// ln of its probability.
    pub log_prob: f32,
}

#[cfg(test)]
mod tests {
    use super::{GenerateRequest, SteerKind};

    fn said(body: &str) -> String {
        let request: GenerateRequest = serde_json::from_str(body).unwrap();
        request
            .check()
            .map_or_else(|e| e.to_string(), |()| String::new())
    }

    #[test]
    fn what_is_out_of_bounds_is_told() {
        for (body, expected) in [
            (
                r#"{"text":"a","steer":[{"feature":1,"kind":"add","amount":-2.5}]}"#,
                "",
            ),
            (
                r#"{"text":"a","steer":[{"feature":1,"kind":"ablate"}],"temperature":0.7}"#,
                "",
            ),
            (
                r#"{"text":"a","steer":[]}"#,
                "no feature is steered: both sides would be the same; choose one",
            ),
            (
                r#"{"text":"a","steer":[{"feature":1,"kind":"clamp"}]}"#,
                "clamp of feature 1 needs an amount",
            ),
            (
                r#"{"text":"a","steer":[{"feature":1,"kind":"scale","amount":1e39}]}"#,
                "scale of feature 1 needs an amount from -1000000 to 1000000",
            ),
            (
                r#"{"text":"a","steer":[{"feature":1,"kind":"ablate","amount":3}]}"#,
                "ablate of feature 1 takes no amount: it sets the activation to zero",
            ),
            (
                r#"{"text":"a","steer":[{"feature":7,"kind":"ablate"},{"feature":7,"kind":"add","amount":1}]}"#,
                "feature 7 is steered twice: leave one of them out",
            ),
            (
                r#"{"text":"a","steer":[{"feature":7,"kind":"ablate"}],"max_new_tokens":513}"#,
                "max_new_tokens is 513: it must be 1 to 512",
            ),
            (
                r#"{"text":"a","steer":[{"feature":7,"kind":"ablate"}],"temperature":-1}"#,
                "temperature is -1: it must be 0 (the likeliest token) to 100",
            ),
        ] {
            assert_eq!(said(body), expected, "{body}");
        }
        let steer: Vec<String> = (0..17)
            .map(|f| format!(r#"{{"feature":{f},"kind":"ablate"}}"#))
            .collect();
        let body = format!(r#"{{"text":"a","steer":[{}]}}"#, steer.join(","));
        assert_eq!(
            said(&body),
            "17 steered features are too many: choose 16 at most"
        );
    }

    #[test]
    fn kinds_are_named_as_in_json() {
        for kind in [
            SteerKind::Add,
            SteerKind::Clamp,
            SteerKind::Scale,
            SteerKind::Ablate,
        ] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
