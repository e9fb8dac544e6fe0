//! Attribution graphs: which features cause which, on one prompt.
//!
//! The model's MLPs are replaced by [`Transcoders`], one a layer. With attention patterns and the divisors of the norms held at the values of
//! this prompt, everything between the features is linear, so that each feature's pre-activation is a sum: over earlier features, the
//! transcoders' errors, the tokens' embeddings, and biases. [`attribute`] finds the terms of these sums, for the features that matter to the
//! next token most, as a [`Graph`]; [`Graph::prune`] keeps what explains most of it; [`ViewerGraph`] writes it as circuit-tracer's viewer
//! reads it.
//!
//! ```
//! use burn::tensor::{Device, FloatDType};
//! use llama_hooked::{Llama, LlamaConfig};
//! use sae_attribution_graph::{AttributeOptions, Node, PruneOptions, Transcoders, attribute};
//! use sae_core::{Architecture, Sae, SaeConfig, Transcoder};
//! use sae_progress::Unobserved;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let device = Device::flex();
//! let config = LlamaConfig::from_json(
//!     r#"{"vocab_size": 50, "hidden_size": 16, "intermediate_size": 32,
//!         "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}"#,
//! )?;
//! let model = Llama::random(config, 0, &device, FloatDType::F32);
//! let transcoder = |layer: usize| {
//!     let architecture = Architecture::Transcoder(Transcoder { skip: false, jump_relu: false });
//!     let mut cfg = SaeConfig::new(architecture, 16, 64);
//!     cfg.metadata.hook_name = Some(format!("blocks.{layer}.mlp.hook_in"));
//!     cfg.metadata.hook_name_out = Some(format!("blocks.{layer}.hook_mlp_out"));
//!     Sae::random(cfg, layer as u64, &device, FloatDType::F32).expect("plain transcoders can be random")
//! };
//! let transcoders = Transcoders::loaded(vec![transcoder(0), transcoder(1)], model.config())?;
//!
//! let graph = attribute(&model, &transcoders, &[1, 7, 3], &AttributeOptions::default(), &mut Unobserved)?;
//! let pruned = graph.prune(&PruneOptions::default());
//! let strongest = graph.edges_into(graph.n_nodes() - 1).into_iter().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
//! if let Some((source, weight)) = strongest {
//!     println!("{:?} adds {weight} to the least likely logit of the graph", graph.node(source));
//! }
//! assert!(matches!(graph.node(graph.n_nodes() - 1), Node::Logit { .. }));
//! assert!(pruned.nodes.len() <= graph.n_nodes());
//! # Ok(())
//! # }
//! ```
//!
//! # Tasks
#![doc = include_str!("../README.md")]

mod attribute;
mod edges;
mod encode;
mod error;
mod folder;
mod frozen;
mod graph;
mod influence;
#[cfg(test)]
mod laws;
mod memory;
mod options;
mod place;
mod prune;
mod scores;
mod select;
mod summary;
mod targets;
mod transcoders;
mod viewer;
mod vjp;

pub use attribute::{AttributeProgress, attribute};
pub use burn;
pub use error::{AttributeError, TooLarge, TranscoderError};
pub use folder::{FolderError, check_slug, slug_of};
pub use graph::{ActiveFeature, Graph, LogitNode, Node};
pub use memory::{Demand, Work};
pub use options::{AttributeOptions, PruneOptions};
pub use place::{Place, Reads};
pub use prune::Pruned;
pub use scores::Scores;
pub use summary::{LogitSummary, Summary};
pub use transcoders::Transcoders;
pub use viewer::{Labels, ViewerGraph, ViewerLink, ViewerMetadata, ViewerNode, ViewerParams};
