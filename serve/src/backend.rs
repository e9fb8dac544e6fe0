//! The trait that the server gets its answers from.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sae_dashboard::labels::Label;
use serde::{Deserialize, Serialize};

use crate::attribute::{AttributeRequest, AttributeResponse};
use crate::contrast::{ContrastRequest, ContrastResponse};
use crate::generate::{GenerateEvent, GenerateRequest, LikelyToken};

/// A model with an SAE, and the data collected about its features.
///
/// Every method blocks; none is called on the threads that serve. [`prompt`](Self::prompt) and [`check`](Self::check) are called one at a
/// time, [`feature`](Self::feature) by several threads at once.
pub trait Backend: Send + Sync + 'static {
    /// The bytes of [`overview_bytes`](sae_dashboard::page::overview_bytes). Asked once, when the server is bound.
    fn overview(&self) -> Vec<u8>;

    /// The bytes of [`feature_bytes`](sae_dashboard::page::feature_bytes), or `None` if there is no such feature.
    ///
    /// # Errors
    /// When the feature exists but cannot be read.
    fn feature(&self, index: u32) -> Result<Option<Vec<u8>>, BackendError>;

    /// The requests that can be made besides features. The page shows what it needs for them, and the server answers no others.
    fn offers(&self) -> Offers;

    /// The strongest features on each token of a text.
    ///
    /// # Errors
    /// [`PromptError::Invalid`] for a text that cannot be run, [`PromptError::Failed`] when running it went wrong.
    fn prompt(&self, request: PromptRequest, stop: &Stop) -> Result<PromptResponse, PromptError>;

    /// How the model takes an answer, plain and with the SAE in place: the JSON of `sae prompt --json`.
    ///
    /// # Errors
    /// As for [`prompt`](Self::prompt).
    fn check(&self, request: CheckRequest, stop: &Stop) -> Result<serde_json::Value, PromptError>;

    /// The activations of some features on each token of a text. Called as [`prompt`](Self::prompt) is, where it is offered.
    ///
    /// # Errors
    /// As for [`prompt`](Self::prompt).
    fn activations(
        &self,
        request: ActivationsRequest,
        stop: &Stop,
    ) -> Result<ActivationsResponse, PromptError> {
        let _ = (request, stop);
        Err(PromptError::Failed(NOT_OFFERED.to_owned()))
    }

    /// The effect of the features that fire on a text on the token after it. Called as [`prompt`](Self::prompt) is, where it is offered; `top` is
    /// within bounds.
    ///
    /// # Errors
    /// As for [`prompt`](Self::prompt).
    fn attribute(
        &self,
        request: AttributeRequest,
        stop: &Stop,
    ) -> Result<AttributeResponse, PromptError> {
        let _ = (request, stop);
        Err(PromptError::Failed(NOT_OFFERED.to_owned()))
    }

    /// The features that differ most between two texts. Called as [`prompt`](Self::prompt) is, where it is offered; `top` is within bounds.
    ///
    /// # Errors
    /// As for [`prompt`](Self::prompt).
    fn contrast(
        &self,
        request: ContrastRequest,
        stop: &Stop,
    ) -> Result<ContrastResponse, PromptError> {
        let _ = (request, stop);
        Err(PromptError::Failed(NOT_OFFERED.to_owned()))
    }

    /// Continues a text, plain and with some features steered, and gives each token to `emit` as it comes. An error of `emit` ends it, and is
    /// passed on. Called as [`prompt`](Self::prompt) is, where it is offered; numbers and the length of the text are within bounds.
    ///
    /// # Errors
    /// As for [`prompt`](Self::prompt).
    fn generate(
        &self,
        request: GenerateRequest,
        stop: &Stop,
        emit: &mut dyn FnMut(GenerateEvent) -> Result<(), PromptError>,
    ) -> Result<(), PromptError> {
        let _ = (request, stop, emit);
        Err(PromptError::Failed(NOT_OFFERED.to_owned()))
    }

    /// What people have said of features, by ascending feature. Called where labels are offered, by several threads at once.
    ///
    /// # Errors
    /// When they cannot be read.
    fn labels(&self) -> Result<Vec<Label>, BackendError> {
        Ok(Vec::new())
    }

    /// Keeps labels, in the place of what was said of their features; empty ones take it back. All of them are kept, or none. Called where
    /// labels can be [changed](LabelsOffer::Change), by several threads at once.
    ///
    /// # Errors
    /// [`PromptError::Invalid`] for labels that cannot be kept, [`PromptError::Failed`] when they cannot be written.
    fn set_labels(&self, labels: Vec<Label>) -> Result<(), PromptError> {
        drop(labels);
        Err(PromptError::Failed(NOT_OFFERED.to_owned()))
    }
}

const NOT_OFFERED: &str = "this server says that it answers this, and does not";

/// The requests that a backend answers besides showing features: the page shows a form for each. None by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a request of its own"
)]
pub struct Offers {
    /// `POST api/prompt`.
    pub prompt: bool,
    /// `POST api/check`.
    pub check: bool,
    /// `POST api/activations`.
    pub activations: bool,
    /// `POST api/generate`.
    pub generate: bool,
    /// `POST api/attribute`.
    pub attribute: bool,
    /// `POST api/contrast`.
    pub contrast: bool,
    /// Whether `POST api/generate` takes `chat`: the model has a chat template.
    pub chat: bool,
    /// `GET api/labels`, and `POST api/labels`.
    pub labels: LabelsOffer,
}

/// What can be done with labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelsOffer {
    /// Nothing: there are none.
    #[default]
    None,
    /// They are shown.
    Show,
    /// They are shown and can be changed.
    Change,
}

/// A feature that cannot be read: what went wrong, for the reader of the page.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct BackendError(pub String);

/// Why a text has no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// The text is at fault: what is wrong with it, and what to try.
    #[error("{0}")]
    Invalid(String),
    /// Running it went wrong.
    #[error("{0}")]
    Failed(String),
    /// [`Stop`] said to leave off.
    #[error("stopped: the client has gone")]
    Stopped,
}

/// Whether anybody still waits for the answer. Work of several passes looks at it between them.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// True once the client has gone or its time is up.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The body of `POST api/prompt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptRequest {
    /// The text to run.
    pub text: String,
    /// Whether to measure what removing each feature does to the loss by itself: passes of the unembedding.
    #[serde(default)]
    pub effects: bool,
    /// The place of a token, from 0, whose features are each removed in a forward pass of their own.
    #[serde(default)]
    pub exact: Option<usize>,
}

/// The answer to `POST api/prompt`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PromptResponse {
    /// The tokens that ran.
    pub tokens: Vec<PromptToken>,
    /// For each token, the features that fire on it, the strongest first.
    pub features: Vec<Vec<PromptFeature>>,
    /// How the model continues the text, where the backend says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The tokens that may come next, likeliest first, where the backend says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<LikelyToken>,
}

/// A token of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PromptToken {
    /// Its number in the vocabulary.
    pub id: u32,
    /// Its text, with the replacement character for bytes that are not UTF-8.
    pub text: String,
    /// Its bytes in hexadecimal, where they are not UTF-8: of several tokens they may be those of one character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
    /// Whether it counts in the statistics of features: BOS and the like do not, and are no measure for the others.
    pub counts: bool,
    /// How many features fire on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_active: Option<u32>,
}

impl PromptToken {
    /// A token that counts, of these bytes.
    pub fn new(id: u32, bytes: &[u8]) -> Self {
        let digits = || bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let hex = || {
            let digits = digits().filter_map(|four| char::from_digit(four.into(), 16));
            digits.collect()
        };
        Self {
            id,
            text: String::from_utf8_lossy(bytes).into_owned(),
            hex: std::str::from_utf8(bytes).is_err().then(hex),
            counts: true,
            n_active: None,
        }
    }
}

/// A feature that fires on a token. Numbers are finite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PromptFeature {
    /// Which of `d_sae`.
    pub index: u32,
    /// Its activation.
    pub value: f32,
    /// The share of its collected activations that are no larger, in `[0, 1]`.
    pub quantile: f32,
    /// The change in the loss of the next token, in nats, when its own write is taken away from the final residual; none where that was not
    /// measured.
    pub effect: Option<f32>,
    /// The same with the layers above run again without it; none where that was not asked for.
    pub exact: Option<f32>,
}

/// The body of `POST api/activations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivationsRequest {
    /// The text to run.
    pub text: String,
    /// The features that are wanted.
    pub features: Vec<u32>,
}

/// The answer to `POST api/activations`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ActivationsResponse {
    /// The tokens that ran.
    pub tokens: Vec<PromptToken>,
    /// For each feature asked for, its activation on each token. Numbers are finite.
    pub values: Vec<Vec<f32>>,
}

/// The body of `POST api/labels`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelsRequest {
    /// What is to be kept.
    pub labels: Vec<Label>,
}

/// The body of `POST api/check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// The prompt.
    pub prompt: String,
    /// The text that should come after it.
    pub answer: String,
}
