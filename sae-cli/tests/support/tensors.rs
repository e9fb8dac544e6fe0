//! Safetensors files, read and made.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::BTreeMap;
use std::path::Path;

/// A tensor of numbers, whatever its type in the file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Numbers {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

impl Numbers {
    pub(crate) fn f32(shape: &[usize], values: impl IntoIterator<Item = f32>) -> Self {
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        assert_eq!(values.len(), shape.iter().product::<usize>());
        Self {
            dtype: Dtype::F32,
            shape: shape.to_vec(),
            values,
        }
    }

    pub(crate) fn zeros(shape: &[usize]) -> Self {
        Self::f32(shape, vec![0.0; shape.iter().product()])
    }

    pub(crate) fn of(self, dtype: Dtype) -> Self {
        Self { dtype, ..self }
    }

    /// The rows along all axes but the last.
    pub(crate) fn rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.values.chunks_exact(*self.shape.last().unwrap())
    }

    fn bytes(&self) -> Vec<u8> {
        let values = self.values.iter();
        match self.dtype {
            Dtype::F32 => values.flat_map(|&x| (x as f32).to_le_bytes()).collect(),
            Dtype::F64 => values.flat_map(|x| x.to_le_bytes()).collect(),
            Dtype::U32 => values.flat_map(|&x| (x as u32).to_le_bytes()).collect(),
            Dtype::I64 => values.flat_map(|&x| (x as i64).to_le_bytes()).collect(),
            other => panic!("{other:?} is not written here"),
        }
    }
}

/// Every tensor of a file.
pub(crate) fn read(path: &Path) -> BTreeMap<String, Numbers> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors().into_iter().map(|(name, view)| {
        let numbers = Numbers {
            dtype: view.dtype(),
            shape: view.shape().to_vec(),
            values: values(&view),
        };
        (name, numbers)
    });
    tensors.collect()
}

fn values(view: &TensorView) -> Vec<f64> {
    let data = view.data();
    match view.dtype() {
        Dtype::F32 => data
            .as_chunks()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b).into())
            .collect(),
        Dtype::BF16 => data
            .as_chunks()
            .0
            .iter()
            .map(|b| f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16).into())
            .collect(),
        Dtype::U32 => data
            .as_chunks()
            .0
            .iter()
            .map(|b| u32::from_le_bytes(*b).into())
            .collect(),
        Dtype::I8 => data.iter().map(|b| b.cast_signed().into()).collect(),
        other => panic!("{other:?} is not read here"),
    }
}

/// Writes a file of these tensors.
pub(crate) fn write<'a>(path: &Path, tensors: impl IntoIterator<Item = (&'a str, Numbers)>) {
    let stored: Vec<_> = tensors
        .into_iter()
        .map(|(name, numbers)| (name, numbers.bytes(), numbers))
        .collect();
    let views = stored.iter().map(|(name, bytes, numbers)| {
        let view = TensorView::new(numbers.dtype, numbers.shape.clone(), bytes).unwrap();
        (*name, view)
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}
