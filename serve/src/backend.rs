//! The trait that the server gets its answers from.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

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

    /// The requests that can be made besides features.
    fn offers(&self) -> Offers {
        Offers {
            prompt: true,
            check: true,
        }
    }

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
}

/// The requests that a backend answers besides showing features: the page shows a form for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Offers {
    /// `POST api/prompt`.
    pub prompt: bool,
    /// `POST api/check`.
    pub check: bool,
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptResponse {
    /// The tokens that ran.
    pub tokens: Vec<PromptToken>,
    /// For each token, the features that fire on it, the strongest first.
    pub features: Vec<Vec<PromptFeature>>,
    /// How the model continues the text, where the backend says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// A token of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptToken {
    /// Its number in the vocabulary.
    pub id: u32,
    /// Its text, with the replacement character for bytes that are not UTF-8.
    pub text: String,
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

/// The body of `POST api/check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// The prompt.
    pub prompt: String,
    /// The text that should come after it.
    pub answer: String,
}
