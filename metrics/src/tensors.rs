//! Reading tensors back.

use burn::tensor::{DType, Device, Tensor};
use std::ops::Index;

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

/// Tensors that are wanted on the host, and are read together once everything is on its way: each read waits for the device.
#[derive(Debug, Default)]
pub(crate) struct Readout {
    parts: Vec<Tensor<1>>,
}

/// Which tensor of a [`Readout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part(usize);

impl Readout {
    /// Asks for a tensor's elements, as f32 in row-major order.
    pub(crate) fn ask<const D: usize>(&mut self, tensor: Tensor<D>) -> Part {
        let n: usize = tensor.dims().iter().product();
        self.parts.push(tensor.cast(DType::F32).reshape([n]));
        Part(self.parts.len() - 1)
    }

    /// Waits for all of them.
    pub(crate) fn read(self) -> Numbers {
        let on_host = |device: Device| sae_backend::is_host(&device);
        let first = self.parts.first();
        if first.is_none_or(|part| on_host(part.device())) {
            return Numbers(self.parts.into_iter().map(to_f32s).collect());
        }
        let sizes: Vec<usize> = self.parts.iter().map(|part| part.dims()[0]).collect();
        let all = to_f32s(Tensor::cat(self.parts, 0));
        let mut rest = all.as_slice();
        let parts = sizes.into_iter().map(|n| {
            let (part, others) = rest.split_at(n);
            rest = others;
            part.to_vec()
        });
        Numbers(parts.collect())
    }
}

/// What a [`Readout`] gave.
#[derive(Debug)]
pub(crate) struct Numbers(Vec<Vec<f32>>);

impl Index<Part> for Numbers {
    type Output = [f32];

    fn index(&self, part: Part) -> &[f32] {
        &self.0[part.0]
    }
}
