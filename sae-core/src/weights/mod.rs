//! Tensors of an SAE in a safetensors file, and back.

mod error;
mod file;

pub use error::SaeLoadError;
pub(crate) use file::WeightFile;
