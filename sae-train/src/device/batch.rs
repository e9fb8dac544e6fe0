//! What the parts of a step share: the batch, and weights as operands of products.

use super::adam::row_norms;
use super::options::DeviceOptions;
use super::product::Product;
use super::sums::Sums;
use super::weights::{DeviceWeights, Gradient, add, upload};
use crate::options::TrainOptions;
use crate::step::StepInput;
use crate::weights::Shape;
use burn::tensor::Tensor;

/// A batch on the device.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub(super) options: &'a TrainOptions,
    pub(super) weights: &'a DeviceWeights,
    pub(super) product: Product,
    pub(super) rows: usize,
    /// Whether the decoder's bias is subtracted from the input.
    pub(super) centred: bool,
    /// 2 / tokens: from an error to its gradient.
    pub(super) scale: f32,
    /// The decoder, as an operand.
    pub(super) w_dec: Tensor<2>,
    /// Norms of the decoder's rows, `[1, d_sae]`.
    pub(super) norms: Tensor<2>,
    w_enc: Tensor<2>,
    x: Tensor<2>,
    y: Option<Tensor<2>>,
    piece_tokens: usize,
}

/// Some tokens of a batch.
#[derive(Debug)]
pub(super) struct Piece {
    /// The input as an operand, as it is.
    pub(super) raw: Tensor<2>,
    /// The input as an operand, centred where the encoder's is.
    pub(super) input: Tensor<2>,
    /// What is to be reconstructed.
    pub(super) target: Tensor<2>,
    /// What the reconstruction begins with: the bias, or that and the skip connection.
    pub(super) base: Tensor<2>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        options: &'a TrainOptions,
        on: &DeviceOptions,
        shape: Shape,
        weights: &'a DeviceWeights,
        input: &StepInput<'_>,
    ) -> Self {
        let product = Product(on.product_dtype);
        Self {
            options,
            weights,
            product,
            rows: input.rows,
            centred: options.apply_b_dec_to_input && !options.architecture.is_transcoder(),
            scale: 2.0 / input.rows as f32,
            w_dec: product.operand(weights.w_dec.clone()),
            norms: row_norms(&weights.w_dec).reshape([1, shape.d_sae]),
            w_enc: product.operand(weights.w_enc.clone()),
            x: upload(input.x.to_vec(), shape.d_in, &on.device),
            y: input.y.map(|y| upload(y.to_vec(), shape.d_out, &on.device)),
            piece_tokens: on.piece_tokens(input.rows, shape.d_sae),
        }
    }

    /// The batch, some tokens at a time.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece> {
        let starts = (0..self.rows).step_by(self.piece_tokens);
        starts.map(|start| self.piece(start, self.piece_tokens.min(self.rows - start)))
    }

    fn piece(&self, start: usize, rows: usize) -> Piece {
        let x = part(&self.x, 0, start, rows);
        let target = self.y.as_ref().map(|y| part(y, 0, start, rows));
        let centred = self.centred.then(|| x.clone() - self.weights.b_dec.clone());
        let raw = self.product.operand(x.clone());
        let bias = self.weights.b_dec.clone();
        let base = match &self.weights.w_skip {
            Some(skip) => self.product.of(raw.clone(), skip.clone().transpose()) + bias,
            None => bias,
        };
        Piece {
            input: centred.map_or_else(|| raw.clone(), |x| self.product.operand(x)),
            target: target.unwrap_or(x),
            raw,
            base,
        }
    }

    /// `h = x·W_enc + b_enc`.
    pub(super) fn pre_activations(&self, piece: &Piece) -> Tensor<2> {
        let product = self
            .product
            .of(piece.input.clone(), self.w_enc.clone().transpose());
        product + self.weights.b_enc.clone()
    }

    /// From the gradient of `x·W_enc` to that of `W_enc`.
    pub(super) fn encoder_gradient(
        &self,
        dz: Tensor<2>,
        piece: &Piece,
        gradient: &mut Gradient,
        sums: &mut Sums,
    ) {
        add(&mut sums.product, dz.clone().sum_dim(0));
        add(
            &mut gradient.w_enc,
            self.product.of(dz.transpose(), piece.input.clone()),
        );
    }
}

/// Some rows or columns; the tensor itself where that is all of them.
pub(super) fn part(x: &Tensor<2>, axis: usize, start: usize, len: usize) -> Tensor<2> {
    if start == 0 && len == x.dims()[axis] {
        x.clone()
    } else {
        x.clone().narrow(axis, start, len)
    }
}
