//! Tensors of an SAE in a file, of safetensors, `PyTorch` or numpy.

mod error;
mod file;
mod npy;
mod peek;
mod pickle;
mod tensors;

pub use error::SaeLoadError;
pub(crate) use file::WeightFile;
pub(crate) use peek::{Numbers, Peeked, peek};
pub(crate) use tensors::{Stored, Tensors, to_f32};
