//! Matrix products whose operands have a dtype of their own.

use burn::tensor::{DType, FloatDType, Tensor};

/// Casts operands and gives results in f32, as autocast does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Product(pub(super) FloatDType);

impl Product {
    /// As an operand; what is used several times is cast once.
    pub(super) fn operand(self, x: Tensor<2>) -> Tensor<2> {
        cast(x, self.0)
    }

    /// a·b, in f32.
    pub(super) fn of(self, a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
        cast(
            fused_ops::matmul(self.operand(a), self.operand(b)),
            FloatDType::F32,
        )
    }
}

fn cast(x: Tensor<2>, dtype: FloatDType) -> Tensor<2> {
    if x.dtype() == DType::from(dtype) {
        x
    } else {
        x.cast(dtype)
    }
}
