//! A linear map without bias.

use burn::tensor::Tensor;
use std::ops::Range;

/// y = x·Wᵀ, with the weight as Hugging Face lays it, `[out, in]`: the transposed product is also the faster one on the CPU.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    weight: Tensor<2>,
}

impl Linear {
    pub(crate) fn new(weight: Tensor<2>) -> Self {
        Self { weight }
    }

    pub(crate) fn weight(&self) -> Tensor<2> {
        self.weight.clone()
    }

    /// # Shapes
    /// `[.., in]` → `[.., out]`.
    pub(crate) fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        fused_ops::linear(x, self.weight.clone())
    }

    /// [`forward`](Self::forward), in f32.
    ///
    /// # Shapes
    /// `[.., in]` → `[.., out]`.
    pub(crate) fn forward_f32<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        fused_ops::linear_f32(x, self.weight.clone())
    }

    /// [`forward`](Self::forward), added to what is there.
    ///
    /// # Shapes
    /// `x`: `[.., in]`, `residual`: `[.., out]` → `[.., out]`.
    pub(crate) fn add_to<const D: usize>(&self, residual: Tensor<D>, x: Tensor<D>) -> Tensor<D> {
        fused_ops::linear_add(x, self.weight.clone(), residual)
    }

    /// Some of the outputs only.
    pub(crate) fn outputs(&self, range: Range<usize>) -> Self {
        Self::new(self.weight.clone().narrow(0, range.start, range.len()))
    }

    /// Each head's rows of the weight times its own input.
    ///
    /// # Shapes
    /// `x`: `[b, p, heads, in]`, where the weight is `[heads·d, in]` → `[b, p, heads, d]`.
    pub(crate) fn forward_per_head(&self, x: Tensor<4>) -> Tensor<4> {
        let [n_out, n_in] = self.weight.dims();
        let [b, p, heads, _] = x.dims();
        let d = n_out / heads;
        let x = x.reshape([b * p, heads, n_in]).swap_dims(0, 1);
        let weight = self
            .weight
            .clone()
            .reshape([heads, d, n_in])
            .swap_dims(1, 2);
        fused_ops::matmul(x, weight)
            .swap_dims(0, 1)
            .reshape([b, p, heads, d])
    }

    /// Each head's share of the output: the sum over heads is [`forward`](Self::forward) of the heads side by side.
    ///
    /// # Shapes
    /// `x`: `[b, p, heads, d]`, where the weight is `[out, heads·d]` → `[b, p, heads, out]`.
    pub(crate) fn forward_from_heads(&self, x: Tensor<4>) -> Tensor<4> {
        let [n_out, _] = self.weight.dims();
        let [b, p, heads, d] = x.dims();
        let x = x.reshape([b * p, heads, d]).swap_dims(0, 1);
        let weight = self
            .weight
            .clone()
            .reshape([n_out, heads, d])
            .permute([1, 2, 0]);
        fused_ops::matmul(x, weight)
            .swap_dims(0, 1)
            .reshape([b, p, heads, n_out])
    }
}
