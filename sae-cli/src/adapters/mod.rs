//! A Llama and an SAE as the protocols of `sae_metrics` want them.
//!
//! [`SplitLlama`] cuts a model at an SAE's hook, so that what lies below runs once; [`Spliced`] puts an SAE's output in its place.

mod cut;
mod spliced;
mod split;

pub use cut::SplitLlama;
pub use spliced::{Path, Spliced};
pub use split::Resume;
