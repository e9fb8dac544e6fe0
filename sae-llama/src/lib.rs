#![doc = include_str!("../README.md")]

#[cfg(feature = "contrast")]
pub mod contrast;
#[cfg(feature = "dashboard")]
pub mod dashboard;
pub mod features;
mod fingerprint;
pub mod generate;
#[cfg(any(feature = "contrast", feature = "train"))]
mod hooks;
mod multi_layer;
pub mod plan;
mod question;
pub mod record;
pub mod resolve;
mod spliced;
mod split;
#[cfg(feature = "train")]
pub mod train;

pub use burn;
pub use fingerprint::{FingerprintError, difference, fingerprint};
pub use multi_layer::SplicedLayers;
pub use question::{Question, QuestionError, SeveralAnswers};
pub use spliced::{ReconstructionPath, Spliced};
pub use split::{LlamaPlaces, Place, PlacesResume, Resume, SplitError, SplitLlama};
