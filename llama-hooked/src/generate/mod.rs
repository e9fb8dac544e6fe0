//! Text that goes on: tokens drawn one after the other, with hooks in place.
//!
//! [`Llama::generate`](crate::Llama::generate) does it all; a [`Generator`] does it a token at a time, for callers that show tokens as they
//! come, or decide when to stop. Every row draws from a stream of random numbers of its own, so that what it says does not depend on the
//! rows beside it. The order and the meaning of the settings are those of transformers.
//!
//! ```
//! use burn::tensor::{Device, FloatDType};
//! use llama_hooked::generate::{GenerateOptions, Sampling};
//! use llama_hooked::{Llama, LlamaConfig, NoHooks, Unobserved};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = LlamaConfig::from_json(
//!     r#"{"vocab_size": 50, "hidden_size": 16, "intermediate_size": 32,
//!         "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}"#,
//! )?;
//! let model = Llama::random(config, 0, &Device::flex(), FloatDType::F32);
//! let mut options = GenerateOptions::new(8);
//! options.sampling = Sampling::Draw(Default::default());
//! let prompts = [vec![1, 2, 3], vec![4]];
//! let rows = model.generate(&prompts, &options, &mut NoHooks, &mut Unobserved)?;
//! assert_eq!(rows[1].tokens.len(), 8);
//! # Ok(())
//! # }
//! ```

mod config;
mod draw;
mod generator;
mod log_probs;
mod options;
mod sampling;

pub use config::{GenerationConfig, GenerationConfigError};
pub use generator::{GenerateError, Generated, Generator, NewToken, StopReason};
pub use log_probs::{LogProbs, likeliest};
pub use options::GenerateOptions;
pub use sampling::{DrawOptions, InvalidSampling, Sampling};
