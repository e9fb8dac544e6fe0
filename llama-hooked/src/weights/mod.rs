//! Where weights come from.

mod decode;
mod error;
mod files;
mod load;
mod random;
mod stream;
mod tensors;

pub use error::LlamaLoadError;
pub use load::{LlamaLoadOptions, Placement};
pub(crate) use stream::StreamedWeights;

use burn::tensor::Tensor;

/// Gives out the tensors of a model by Hugging Face's names.
pub(crate) trait TensorSource {
    type Error;

    fn vector(&mut self, name: &str, len: usize) -> Result<Tensor<1>, Self::Error>;

    /// `shape`: `[out, in]`.
    fn matrix(&mut self, name: &str, shape: [usize; 2]) -> Result<Tensor<2>, Self::Error>;
}
