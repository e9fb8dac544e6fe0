//! Sparse autoencoders on burn: every architecture that SAELens runs, its files, and its numbers.
//!
//! A [`RunDir`] is what a training run leaves on disk; opening it reads the configuration only. [`Sae::load`] brings the weights to a
//! device. An [`Sae`] encodes activations of shape `[batch, position, d_in]` to features, densely ([`Sae::encode`]) or as sparse
//! rows ([`Sae::encode_sparse`]), and decodes them.
//!
//! ```
//! use burn::tensor::{Device, FloatDType, Tensor};
//! use sae_core::{Architecture, SaeLoadOptions, Sae, SaeConfig, TopK};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let device = Device::flex();
//! let topk = TopK { k: 4, rescale_acts_by_decoder_norm: false };
//! let cfg = SaeConfig::new(Architecture::TopK(topk), 16, 64);
//! let sae = Sae::random(cfg, 0, &device, FloatDType::F32).expect("topk has no weights of other kinds");
//!
//! let x = Tensor::<3>::ones([1, 3, 16], &device);
//! let sparse = sae.encode_sparse(x.clone());
//! assert!(sparse.features.row(0).0.len() <= 4);
//! assert_eq!(sae.forward(x).dims(), [1, 3, 16]);
//!
//! let dir = tempfile::tempdir()?;
//! sae.save(dir.path())?; // SAELens 6 loads this
//! let same = Sae::load(dir.path(), &SaeLoadOptions::new(&device))?;
//! assert_eq!(same.cfg().d_sae, 64);
//! # Ok(())
//! # }
//! ```
//!
//! Other people's files are read as they are ([`Format`]): Llama Scope, sparsify, `dictionary_learning`, pickles and more. [`RunDir::open`]
//! finds out whose they are, [`RunDir::open_as`] is told, and loading is the same for all.
//!
//! A transcoder reads at one hook and writes at another ([`SaeMetadata::hook_name`] and
//! [`SaeMetadata::write_hook`]), and `decode(encode(x))` is not the whole of [`Sae::forward`] where there is a skip connection or a
//! temporal prediction ([`Architecture::forward_adds_to_decode`]): SAELens' evaluation uses the former, a model with the SAE spliced
//! in the latter.
//!
//! A [`CrossLayerTranscoder`] and a [`Crosscoder`] are dictionaries of several layers at once; [`MultiLayerDir::find`] tells whether a folder is one.
//!
//! # Tasks
#![doc = include_str!("../README.md")]

mod architecture;
mod config;
mod formats;
mod multi_layer;
mod run_dir;
mod sae;
mod weights;

pub use architecture::{
    Architecture, GroupMax, MatchingPursuit, Temporal, TopK, TopKTranscoder, Transcoder,
};
pub use burn;
pub use config::{
    ActivationScales, NormalizeActivations, Problem, ReshapeActivations, SaeConfig, SaeConfigError,
    SaeMetadata, Unfinished,
};
pub use formats::{
    FORMATS, Foreign, Format, FormatError, FormatFiles, FormatInfo, GivenActivation,
    ParseActivationError, RunOptions, UnknownFormat, files_of, layers_of_set,
};
pub use multi_layer::{
    CrossLayerTranscoder, Crosscoder, LayerHooks, MultiLayer, MultiLayerConfig, MultiLayerDir,
    MultiLayerKind,
};
pub use run_dir::{LogSparsity, RunDir, RunDirError, RunLayout};
pub use sae::{
    Active, DecodeState, Encoded, EncodedSome, EncodedSparse, FeatureWeights, Finish, FoldError,
    MaxCosines, Sae, SaeLoadOptions, SaveError, flatten_heads, unflatten_heads,
};
pub use sae_traits::SparseRows;
pub use weights::SaeLoadError;
