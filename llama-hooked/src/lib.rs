//! Llama-architecture language models on burn with TransformerLens' hook points.

mod config;
mod hook;
mod model;
mod source;
mod weights;

pub use config::{ConfigError, LlamaConfig, Rope, RopeScaling};
pub use hook::{
    Activation, ActivationCache, Capture, Edit, Hook, HookError, HookPoint, LayerOutOfRange,
    NoHooks, ParsePositionsError, PointFilter, Positions, Run, UnknownHook,
};
pub use model::{ForwardError, ForwardOptions, Input, Llama, Output, OutputKind};
pub use source::{ModelFiles, ModelSource, SourceError};
pub use weights::{LoadError, LoadOptions};
