//! Tensors of an SAE in a safetensors file, and back.

mod error;
mod file;
mod write;

pub use error::LoadError;
pub(crate) use file::WeightFile;
pub(crate) use write::write_atomic;
