//! The trait of autoencoders that are measured together and may use one another's features.

use crate::{Autoencoder, Reconstruction};
use burn::tensor::Tensor;
use std::ops::Range;

/// Several autoencoders, each at a place of a model, that are measured in one run of it. A member may need features of others: the layers of a
/// cross-layer transcoder those of the layers below, the layers of a crosscoder the features that all of them share.
///
/// Members count from 0, in the order in which the model comes to their places. In each run of the model they are reconstructed in this order.
pub trait Ensemble {
    /// What is known of some rows in one run of the model.
    type Memory;

    /// How many members there are.
    fn n_members(&self) -> usize;

    /// The number of a member's place, as [`MultiSplitModel`](crate::MultiSplitModel) counts them.
    fn place(&self, member: usize) -> usize;

    /// Width of the activations that a member reads.
    fn d_in(&self, member: usize) -> usize;

    /// The number of a member's features.
    fn d_sae(&self, member: usize) -> usize;

    /// What is known before the first reconstruction, in the run of the model as it is.
    ///
    /// # Shapes
    /// `inputs`: `[b, p, d_in]` for each member.
    fn begin(&self, inputs: &[Tensor<3>]) -> Self::Memory;

    /// What is known of some rows of a batch before the first reconstruction in a run with all members in place. `memory` is that of the run as it
    /// is, and `positions` is how long a row is.
    fn begin_chain(
        &self,
        memory: &Self::Memory,
        rows: Range<usize>,
        positions: usize,
    ) -> Self::Memory;

    /// A member's features and output, given what it reads and what is known of this run.
    ///
    /// # Shapes
    /// As of [`Autoencoder::reconstruct`].
    fn reconstruct(&self, member: usize, x: Tensor<3>, memory: &mut Self::Memory)
    -> Reconstruction;
}

/// Autoencoders that know nothing of one another, each with the number of its place.
impl<S: Autoencoder> Ensemble for [(usize, S)] {
    type Memory = ();

    fn n_members(&self) -> usize {
        self.len()
    }

    fn place(&self, member: usize) -> usize {
        self[member].0
    }

    fn d_in(&self, member: usize) -> usize {
        self[member].1.d_in()
    }

    fn d_sae(&self, member: usize) -> usize {
        self[member].1.d_sae()
    }

    fn begin(&self, _: &[Tensor<3>]) {}

    fn begin_chain(&self, (): &(), _: Range<usize>, _: usize) {}

    fn reconstruct(&self, member: usize, x: Tensor<3>, (): &mut ()) -> Reconstruction {
        self[member].1.reconstruct(x)
    }
}
