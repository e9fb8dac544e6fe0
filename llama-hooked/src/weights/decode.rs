//! Bytes of a safetensors file to numbers of the dtype wanted.

use burn::tensor::{DType, Element, FloatDType, TensorData};
use half::{bf16, f16};
use safetensors::Dtype;

/// The dtypes that weights may be stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    F32,
    F16,
    Bf16,
}

impl Stored {
    pub(crate) fn new(dtype: Dtype) -> Option<Self> {
        match dtype {
            Dtype::F32 => Some(Self::F32),
            Dtype::F16 => Some(Self::F16),
            Dtype::BF16 => Some(Self::Bf16),
            _ => None,
        }
    }
}

/// The dtypes that a model may run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    F32,
    F16,
    Bf16,
}

impl Target {
    pub(crate) fn new(dtype: FloatDType) -> Option<Self> {
        match dtype {
            FloatDType::F32 => Some(Self::F32),
            FloatDType::F16 => Some(Self::F16),
            FloatDType::BF16 => Some(Self::Bf16),
            _ => None,
        }
    }

    pub(crate) fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
        }
    }
}

/// Decodes little-endian numbers, each straight to its final dtype: no copy in between.
pub(crate) fn decode(bytes: &[u8], stored: Stored, target: Target, shape: &[usize]) -> TensorData {
    match target {
        Target::F32 => TensorData::new(numbers(bytes, stored, |x| x), shape),
        Target::F16 => TensorData::new(numbers(bytes, stored, f16::from_f32), shape),
        Target::Bf16 => TensorData::new(numbers(bytes, stored, bf16::from_f32), shape),
    }
}

fn numbers<T: Element>(bytes: &[u8], stored: Stored, cast: impl Fn(f32) -> T) -> Vec<T> {
    match stored {
        Stored::F32 => words(bytes, f32::from_le_bytes).map(cast).collect(),
        Stored::F16 => words(bytes, f16::from_le_bytes)
            .map(|x| cast(x.to_f32()))
            .collect(),
        Stored::Bf16 => words(bytes, bf16::from_le_bytes)
            .map(|x| cast(x.to_f32()))
            .collect(),
    }
}

fn words<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> impl Iterator<Item = T> {
    bytes.as_chunks::<N>().0.iter().map(move |word| read(*word))
}
