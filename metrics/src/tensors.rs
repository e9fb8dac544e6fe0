//! Reading tensors back.

use burn::tensor::{DType, Tensor};

/// All elements as f32, in row-major order.
///
/// # Panics
/// If the device fails; there is no recovering from that here.
pub(crate) fn to_f32s<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .cast(DType::F32)
        .into_data()
        .try_into_vec()
        .expect("a tensor cast to f32 reads back as f32")
}
