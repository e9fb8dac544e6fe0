//! Feature activations as an autoencoder hands them over.

use crate::SparseRows;
use burn::tensor::Tensor;

/// Feature activations of a batch of `b` sequences of `p` tokens.
///
/// Sparse is the natural form on the CPU (a few hundred of tens of thousands of features are active); dense spares an
/// accelerator the trip through host memory. Both give the same numbers.
#[derive(Debug, Clone)]
pub enum Features {
    /// One row per token, `b·p` rows, sequence after sequence.
    Sparse(SparseRows),
    /// `[b, p, d_sae]`.
    Dense(Tensor<3>),
}
