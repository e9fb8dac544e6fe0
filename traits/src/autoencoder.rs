//! The trait of a sparse autoencoder.

use crate::Features;
use burn::tensor::Tensor;

/// A sparse autoencoder (or transcoder) as seen from outside.
pub trait Autoencoder {
    /// Width of the activations it reads.
    fn d_in(&self) -> usize;

    /// The number of features.
    fn d_sae(&self) -> usize;

    /// Encodes and decodes activations.
    ///
    /// Whether `decoded` includes a skip connection or a predicted part is the implementation's choice and should be named in
    /// the output: SAELens' evaluation decodes the encoding only, a full forward pass adds them.
    ///
    /// # Shapes
    /// `x`: `[b, p, d_in]`.
    fn reconstruct(&self, x: Tensor<3>) -> Reconstruction;
}

/// The outcome of [`Autoencoder::reconstruct`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Reconstruction {
    /// The feature activations of every token.
    pub features: Features,
    /// `[b, p, d_out]`, in any float dtype.
    pub decoded: Tensor<3>,
}

impl Reconstruction {
    /// Features, and what they decode to.
    pub fn new(features: Features, decoded: Tensor<3>) -> Self {
        Self { features, decoded }
    }
}
