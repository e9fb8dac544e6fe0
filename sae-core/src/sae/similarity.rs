//! How much features resemble each other, from the weights alone.

use super::topk::to_f32;
use super::{Encoder, Sae};
use burn::tensor::{DType, Tensor};
use rayon::prelude::*;

/// Rows and columns of the products that exist at a time: 16 MiB of f32.
const BLOCK: usize = 2048;
/// Directions shorter than this are divided by it, as torch's `normalize` does.
const SHORTEST: f32 = 1e-12;

/// For each feature, the largest cosine with any **other** feature, `[d_sae]` each; NaN where there is no other.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MaxCosines {
    /// Between columns of `W_enc`.
    pub encoder: Vec<f32>,
    /// Between rows of `W_dec`.
    pub decoder: Vec<f32>,
}

impl Sae {
    /// Computes [`MaxCosines`], SAEBench's `max_encoder_cosine_sim` and `max_decoder_cosine_sim`. Takes `d_sae² · (d_in + d_out)` floating-point
    /// operations: each pair of features is multiplied once.
    pub fn max_cosines(&self) -> MaxCosines {
        let decoder = largest(self.w_dec());
        let tied = match &self.encoder {
            Encoder::MatchingPursuit => true,
            Encoder::Temporal(temporal) => temporal.is_tied(),
            Encoder::Linear(_) | Encoder::Gated(_) => false,
        };
        let encoder = if tied {
            decoder.clone()
        } else {
            largest(self.w_enc().transpose())
        };
        MaxCosines { encoder, decoder }
    }
}

/// Of each row of `[n, d]`, the largest cosine with another row.
fn largest(directions: Tensor<2>) -> Vec<f32> {
    let [n, _] = directions.dims();
    let directions = directions.cast(DType::F32);
    let norms = directions.clone().square().sum_dim(1).sqrt();
    let units = directions / norms.clamp_min(SHORTEST);
    let block = |first: usize| units.clone().narrow(0, first, BLOCK.min(n - first));
    let mut most = vec![f32::NAN; n];
    for first in (0..n).step_by(BLOCK) {
        let own = block(first);
        for second in (first..n).step_by(BLOCK) {
            let width = BLOCK.min(n - second);
            // `linear` takes the transpose of what it multiplies with.
            let products = to_f32(fused_ops::linear(own.clone(), block(second)));
            let rows = most[first..]
                .par_iter_mut()
                .zip(products.par_chunks_exact(width));
            rows.enumerate().for_each(|(row, (most, products))| {
                let others = products.iter().enumerate();
                let others = others.filter(|(column, _)| second + column != first + row);
                *most = others.fold(*most, |most, (_, &cosine)| most.max(cosine));
            });
            if second > first {
                for products in products.chunks_exact(width) {
                    let others = most[second..].iter_mut().zip(products);
                    others.for_each(|(most, &cosine)| *most = most.max(cosine));
                }
            }
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, largest};
    use burn::tensor::{Device, Tensor, TensorData};

    #[test]
    fn the_nearest_other_row_across_blocks() {
        let n = BLOCK + 3;
        // Rows on a circle, an eighth of a turn apart, but for two neighbours across the border of the blocks.
        let angle = |row: usize| row as f32 * std::f32::consts::TAU / n as f32;
        let rows = (0..n).flat_map(|row| [3.0 * angle(row).cos(), 3.0 * angle(row).sin()]);
        let data = TensorData::new(rows.collect::<Vec<f32>>(), [n, 2]);
        let found = largest(Tensor::from_data(data, &Device::flex()));
        let expected = angle(1).cos();
        assert!(found.iter().all(|cosine| (cosine - expected).abs() < 1e-6));
    }

    #[test]
    fn one_row_has_no_other_and_zeros_have_cosine_zero() {
        let of = |rows: Vec<f32>, n: usize| {
            largest(Tensor::from_data(
                TensorData::new(rows, [n, 2]),
                &Device::flex(),
            ))
        };
        assert!(of(vec![1.0, 0.0], 1)[0].is_nan());
        assert_eq!(of(vec![1.0, 0.0, 0.0, 0.0, -1.0, 0.0], 3), [0.0, 0.0, 0.0]);
    }
}
