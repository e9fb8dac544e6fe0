//! Rotary position embedding.

use crate::config::LlamaConfig;
use burn::tensor::{Device, Tensor, TensorData};

/// Cosines and sines for the positions of one run; never for more than its input has.
#[derive(Debug, Clone)]
pub(crate) struct Rotary {
    /// `[1, p, 1, d_head / 2]`, or `[b, p, 1, d_head / 2]` where rows differ, f32.
    cos: Tensor<4>,
    sin: Tensor<4>,
}

impl Rotary {
    /// For positions `0..n_positions`.
    pub(crate) fn new(config: &LlamaConfig, n_positions: usize, device: &Device) -> Self {
        Self::at(config, &[0], n_positions, device)
    }

    /// For `n_positions` positions from each row's first on; one row stands for all. Before 0, where padding is, positions are 0.
    pub(crate) fn at(
        config: &LlamaConfig,
        first: &[isize],
        n_positions: usize,
        device: &Device,
    ) -> Self {
        let same = first.iter().all(|start| *start == first[0]);
        let first = if same { &first[..1] } else { first };
        let frequencies = config.rope.inverse_frequencies(config.d_head);
        // The angle is rounded to f32, as in the peers, before a cosine that is then exact for it.
        let angles = first
            .iter()
            .flat_map(|start| {
                (0..n_positions).map(move |i| start.saturating_add_unsigned(i).max(0))
            })
            .flat_map(|position| frequencies.iter().map(move |inv| position as f32 * inv));
        let (cos, sin): (Vec<f32>, Vec<f32>) = angles
            .map(|angle| (f64::from(angle).cos() as f32, f64::from(angle).sin() as f32))
            .unzip();
        let shape = [first.len(), n_positions, 1, frequencies.len()];
        let tensor = |values| {
            Tensor::from_data(
                TensorData::new(values, shape),
                (device, burn::tensor::DType::F32),
            )
        };
        Self {
            cos: tensor(cos),
            sin: tensor(sin),
        }
    }

    /// Turns queries or keys by their positions' angles.
    ///
    /// # Shapes
    /// `x`: `[b, p, heads, d_head]` → the same.
    pub(crate) fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        fused_ops::rotate_half(x, self.cos.clone(), self.sin.clone())
    }
}
