//! Two sets of prompts through a model: the features of each prompt, one value a feature.
//!
//! Prompts become tokens ([`PromptTokenizer`]), go through the model once, as far as the highest hook, and every SAE encodes at its hook as the
//! activation comes by ([`Contrasting`]). What is kept of a prompt is one value for each feature that is not zero, for `sae_contrast`.

mod batches;
mod error;
mod examples;
mod memory;
mod pass;
mod pooled;
mod prompts;
mod reduce;

pub use crate::hooks::{HookRead, HooksError, TrainHooks};
pub use error::{ContrastError, PromptTokensError};
pub use examples::{Example, Wanted};
pub use memory::{Planned, planned};
pub use pass::{Contrasting, PromptProgress, Reduced};
pub use pooled::Pooled;
pub use prompts::{PromptOptions, PromptTokenizer, PromptTokens};
pub use reduce::Reduce;
