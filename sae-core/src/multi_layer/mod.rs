//! Dictionaries of several layers: cross-layer transcoders and crosscoders.

mod config;
mod cross_layer;
mod crosscoder;
mod dir;
mod mapped;
mod read;

pub use config::{LayerHooks, MultiLayerConfig, MultiLayerKind};
pub use cross_layer::CrossLayerTranscoder;
pub use crosscoder::Crosscoder;
pub use dir::{MultiLayer, MultiLayerDir};
