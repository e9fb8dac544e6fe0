//! Activation functions of each feature by itself: the loop over pieces.

use super::batch::{Batch, Piece};
use super::sums::{Sums, total};
use super::weights::{Gradient, add};
use burn::tensor::Tensor;

/// An activation function, out of which come `C` numbers, each of which reconstructs. As the host's `Unit`, for whole pieces.
pub(super) trait Unit<const C: usize> {
    /// What comes out of pre-activations: `[tokens, d_sae]` each.
    fn values(&self, h: &Tensor<2>) -> [Tensor<2>; C];

    /// Σ over tokens of the sparsity loss, `[1, 1]`, and the derivative of the batch's loss by each token's sum, `[tokens, 1]` or, where
    /// it is the same for all, `[1, 1]`.
    fn sparsity(&self, h: &Tensor<2>, values: &[Tensor<2>; C]) -> (Tensor<2>, Tensor<2>);

    /// From the gradients of what came out and of the sum of sparsity: the gradient of `x·W_enc`. The others are added to the sums.
    fn back(&self, h: Tensor<2>, back: Back<C>, sums: &mut Sums) -> Tensor<2>;
}

/// What flows back into an activation function.
#[derive(Debug)]
pub(super) struct Back<const C: usize> {
    /// What came out of it.
    pub(super) values: [Tensor<2>; C],
    /// The gradient of each of these by the reconstruction.
    pub(super) df: [Tensor<2>; C],
    /// The derivative by a token's sum of sparsity.
    pub(super) up: Tensor<2>,
}

/// Losses summed over tokens, `[1, 1]` each.
#[derive(Debug)]
pub(super) struct Losses<const C: usize> {
    pub(super) squared: [Option<Tensor<2>>; C],
    pub(super) sparsity: Option<Tensor<2>>,
}

/// Piece by piece: pre-activations, reconstructions, gradients.
pub(super) fn pieces<const C: usize>(
    unit: &impl Unit<C>,
    batch: &Batch<'_>,
    gradient: &mut Gradient,
    sums: &mut Sums,
) -> Losses<C> {
    let mut losses = Losses {
        squared: [const { None }; C],
        sparsity: None,
    };
    for piece in batch.pieces() {
        let h = batch.pre_activations(&piece);
        let values = unit.values(&h);
        let (sparsity, up) = unit.sparsity(&h, &values);
        add(&mut losses.sparsity, sparsity);
        let df = std::array::from_fn(|channel| {
            let squared = &mut losses.squared[channel];
            reconstruct(
                &values[channel],
                channel == 0,
                batch,
                &piece,
                gradient,
                squared,
            )
        });
        let dz = unit.back(h, Back { values, df, up }, sums);
        batch.encoder_gradient(dz, &piece, gradient, sums);
    }
    losses
}

/// From values to their gradient by the squared error of what they reconstruct.
fn reconstruct(
    values: &Tensor<2>,
    is_output: bool,
    batch: &Batch<'_>,
    piece: &Piece,
    gradient: &mut Gradient,
    squared: &mut Option<Tensor<2>>,
) -> Tensor<2> {
    let product = batch.product;
    let values = product.operand(values.clone());
    let decoded = product.of(values.clone(), batch.w_dec.clone());
    let errors = decoded + piece.base.clone() - piece.target.clone();
    add(squared, total(errors.clone().square()));
    let errors = errors.mul_scalar(batch.scale);
    add(&mut gradient.b_dec, errors.clone().sum_dim(0));
    let errors = product.operand(errors);
    if is_output && batch.weights.w_skip.is_some() {
        let of_skip = product.of(errors.clone().transpose(), piece.raw.clone());
        add(&mut gradient.w_skip, of_skip);
    }
    let of_decoder = product.of(values.transpose(), errors.clone());
    add(&mut gradient.w_dec, of_decoder);
    product.of(errors, batch.w_dec.clone().transpose())
}
