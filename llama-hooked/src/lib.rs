//! Llama-architecture language models on burn with TransformerLens' hook points.
//!
//! A [`Llama`] is loaded from the files of a [`ModelSource`], a local directory or a repository on the Hugging Face Hub, onto a
//! device and in a dtype chosen at run time. It runs as a whole ([`Llama::forward`]) or in parts ([`Llama::embed`], [`Llama::blocks`],
//! [`Llama::ln_final`], [`Llama::unembed`], [`Llama::loss_per_token`]).
//!
//! At every [`HookPoint`], named as in TransformerLens, a [`Hook`] may take the activation and return the one that the network
//! continues with. [`Capture`] keeps activations, [`Edit`] changes them, a pair does both, [`NoHooks`] neither. Activations that nobody
//! wants are not computed.
//!
//! ```
//! use burn::tensor::{Device, FloatDType, Int, Tensor};
//! use llama_hooked::{Capture, Edit, ForwardOptions, HookPoint, Llama, LlamaConfig};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = LlamaConfig::from_json(
//!     r#"{"vocab_size": 50, "hidden_size": 16, "intermediate_size": 32,
//!         "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}"#,
//! )?;
//! let device = Device::flex();
//! let model = Llama::random(config, 0, &device, FloatDType::F32);
//! let tokens = Tensor::<2, Int>::from_ints([[1, 2, 3], [4, 5, 6]], &device);
//!
//! // Switch off a head of block 0, and see what that leaves of the residual stream.
//! let resid_post: HookPoint = "blocks.0.hook_resid_post".parse()?;
//! let ablate = Edit::r4(HookPoint::Z(0), |z| {
//!     let [b, p, _, d_head] = z.dims();
//!     let zeros = Tensor::zeros([b, p, 1, d_head], &z.device());
//!     z.slice_assign([0..b, 0..p, 3..4, 0..d_head], zeros)
//! });
//! let mut hooks = (ablate, Capture::new(resid_post));
//! let output = model.forward(tokens, &ForwardOptions::default(), &mut hooks)?;
//!
//! assert_eq!(hooks.1.into_cache().r3(resid_post).dims(), [2, 3, 16]);
//! assert_eq!(output.logits().map(|logits| logits.dims()), Some([2, 3, 50]));
//! # Ok(())
//! # }
//! ```
//!
//! Inputs are checked where they enter: files by [`Llama::load`], tokens, layers and hook names by [`Llama::forward`]. What is left to
//! go wrong after that is a hook that returns another shape, which panics.
//!
//! # Tasks
#![doc = include_str!("../README.md")]

mod config;
pub mod generate;
mod hook;
mod model;
mod source;
mod weights;

pub use burn;
pub use config::{LlamaConfig, LlamaConfigError, ModelMemory, Rope, RopeScaling};
pub use hook::{
    Activation, ActivationCache, Capture, Edit, Hook, HookError, HookPoint, LayerOutOfRange,
    NoHooks, ParsePositionsError, PointFilter, Positions, RowPlace, Run, UnknownHook,
};
pub use hub_io::{Cache, DownloadProgress, HubOptions, Observer};
pub use model::{
    ForwardError, ForwardOptions, Input, KvCache, LinearParts, Llama, Output, OutputKind, Pass,
};
pub use sae_progress::Unobserved;
pub use source::{ModelFiles, ModelSource, ModelSourceError};
pub use weights::{LlamaLoadError, LlamaLoadOptions, Placement};
