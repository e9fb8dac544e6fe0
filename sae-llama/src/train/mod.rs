//! What training needs of a model: its activations, row after row, and figures of an SAE on rows that are not trained on.

mod activations;
mod cache;
mod evaluate;

pub use crate::hooks::{HookRead, HooksError, TrainHooks};
pub use activations::{ActivationsError, ModelActivations, Tokens};
pub use cache::{CacheActivationsError, cache_activations};
pub use evaluate::HeldOut;
