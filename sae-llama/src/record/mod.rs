//! Activations and features to files, a batch at a time.

mod activations;
mod encode;
mod error;
mod shape;

pub use activations::{ActivationOptions, RecordProgress, record_activations};
pub use encode::EncodeInput;
pub use error::RecordError;

use burn::tensor::{DType, TensorData};
use whole_file::{Dtype, TensorBatch, TensorFile, TensorFileError};

/// Appends tensors that are on the host.
fn push(file: &mut TensorFile, batch: &[(String, TensorData)]) -> Result<(), TensorFileError> {
    let shapes: Vec<Vec<usize>> = batch
        .iter()
        .map(|(_, data)| data.shape().to_vec())
        .collect();
    let parts: Vec<_> = batch
        .iter()
        .zip(&shapes)
        .map(|((name, data), shape)| {
            TensorBatch::new(name, dtype(data.dtype()), shape, data.as_bytes())
        })
        .collect();
    file.push(&parts)
}

fn dtype(dtype: DType) -> Dtype {
    match dtype {
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        other => unreachable!("no activation is of {other:?}"),
    }
}
