//! What each feature of a sparse autoencoder responds to.
//!
//! Collecting goes over the tokens once, whatever the number of features: the activations that are not zero are appended to an
//! [activation log](LogWriter) on disk, and everything a dashboard shows follows from that log and the SAE's weights. Memory is bounded, and
//! the result depends on the activations only, not on batches, threads or shards.
//!
//! # Tasks
#![doc = include_str!("../README.md")]

#[cfg(any(feature = "cpu", feature = "cuda", feature = "wgpu"))]
pub mod assemble;
mod collect;
pub mod export;
mod feature;
pub mod figures;
pub mod labels;
mod log;
mod overview;
pub mod page;
mod place;
#[cfg(any(feature = "cpu", feature = "cuda", feature = "wgpu"))]
pub mod weights;

pub use collect::{
    CollectError, CollectOptions, CollectProgress, Contexts, FeaturePart, SinkError, Summary,
    collect, firing_tokens, shares_below,
};
pub use feature::{
    Example, Feature, Group, GroupKind, Lens, LensConvention, Neighbour, Neighbours, NeuronWeight,
    Quantile, Statistics, TokenLogit, ValueHistogram,
};
pub use log::{ActivationLog, Entry, LogError, LogInfo, LogWriter};
pub use overview::{Overview, Source};
pub use sae_progress::{Observer, Unobserved};
