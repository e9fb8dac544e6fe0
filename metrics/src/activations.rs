//! Per-token numbers about activations and their reconstructions, reduced where the tensors are.

use burn::tensor::{Bool, DType, Tensor, TensorData};

/// How many positions one f32 sum spans. Sums over groups of positions of one sequence are added in f64, so that the result
/// is the same whatever sequences share a batch, and long contexts lose no digits.
const POSITIONS_PER_SUM: usize = 128;

/// The numbers that the metrics need from one token's activation x and its reconstruction x̂.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenNorms {
    /// ‖x‖².
    pub squared_in: f64,
    /// ‖x̂‖².
    pub squared_out: f64,
    /// x·x̂.
    pub dot: f64,
    /// ‖x−x̂‖².
    pub squared_error: f64,
}

impl TokenNorms {
    /// Each token's, from what [`token_norms`] gave.
    pub(crate) fn all(sums: &[f32]) -> Vec<Self> {
        let n = sums.len() / 4;
        let at = |quantity: usize, token: usize| f64::from(sums[quantity * n + token]);
        let tokens = (0..n).map(|token| Self {
            squared_in: at(0, token),
            squared_out: at(1, token),
            dot: at(2, token),
            squared_error: at(3, token),
        });
        tokens.collect()
    }
}

/// The norms of every token, sequence after sequence, to be taken apart by [`TokenNorms::all`]. The sums over the dimensions are f32, on the
/// device.
///
/// # Shapes
/// `x`, `decoded`: `[b, p, d]` → `[4·b·p]`.
pub(crate) fn token_norms(x: &Tensor<3>, decoded: &Tensor<3>) -> Tensor<1> {
    let [b, p, _] = x.dims();
    let x = x.clone().cast(DType::F32);
    let decoded = decoded.clone().cast(DType::F32);
    let sums = [
        x.clone().square(),
        decoded.clone().square(),
        x.clone() * decoded.clone(),
        (x - decoded).square(),
    ]
    .map(|products| products.sum_dim(2).reshape([b * p]));
    Tensor::cat(sums.to_vec(), 0)
}

/// Σx over groups of kept positions of one sequence.
///
/// # Shapes
/// `x`: `[b, p, d]`, `kept`: `b·p` → rows of width `d`, in a row.
pub(crate) fn position_sums(x: &Tensor<3>, kept: &[bool]) -> Tensor<1> {
    let [b, p, d] = x.dims();
    let mut x = x.clone().cast(DType::F32);
    if kept.contains(&false) {
        // Filling, not multiplying: an infinite activation at a masked position must not become NaN.
        x = x.clone().mask_fill(mask(kept, &x).bool_not(), 0.0);
    }
    let groups = (0..p).step_by(POSITIONS_PER_SUM).map(|start| {
        let length = POSITIONS_PER_SUM.min(p - start);
        x.clone()
            .narrow(1, start, length)
            .sum_dim(1)
            .reshape([b * d])
    });
    Tensor::cat(groups.collect(), 0)
}

/// ‖x − center‖² of every token, sequence after sequence.
///
/// # Shapes
/// `x`: `[b, p, d]`, `center`: `d` → `[b·p]`.
pub(crate) fn squared_distances(x: &Tensor<3>, center: &[f64]) -> Tensor<1> {
    let [b, p, d] = x.dims();
    let center: Vec<f32> = center.iter().map(|&c| c as f32).collect();
    let center = Tensor::<3>::from_data(
        TensorData::new(center, [1, 1, d]),
        (&x.device(), DType::F32),
    );
    let distances = (x.clone().cast(DType::F32) - center).square().sum_dim(2);
    distances.reshape([b * p])
}

/// `replacement` where `kept`, `x` elsewhere, in the dtype of `x`.
///
/// # Shapes
/// `x`, `replacement`: `[b, p, d]`, `kept`: `b·p`.
pub(crate) fn splice(x: &Tensor<3>, replacement: Tensor<3>, kept: &[bool]) -> Tensor<3> {
    let replacement = replacement.cast(x.dtype());
    if kept.contains(&false) {
        x.clone().mask_where(mask(kept, x), replacement)
    } else {
        replacement
    }
}

/// One truth value per token, spread over the dimensions of `like` `[b, p, d]`.
pub(crate) fn mask(kept: &[bool], like: &Tensor<3>) -> Tensor<3, Bool> {
    let [b, p, d] = like.dims();
    let kept = TensorData::new(kept.to_vec(), [b, p, 1]);
    Tensor::<3, Bool>::from_data(kept, &like.device()).expand([b, p, d])
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::{
        POSITIONS_PER_SUM, TokenNorms, position_sums, splice, squared_distances, token_norms,
    };
    use crate::tensors::to_f32s;
    use burn::tensor::{DType, Device, Tensor, TensorData};

    fn tensor(values: Vec<f32>, shape: [usize; 3]) -> Tensor<3> {
        Tensor::from_data(
            TensorData::new(values, shape),
            (&Device::flex(), DType::F32),
        )
    }

    #[test]
    fn norms_of_each_token() {
        let x = tensor(vec![3.0, 4.0, 1.0, 0.0], [1, 2, 2]);
        let decoded = tensor(vec![1.0, 1.0, 0.0, 2.0], [1, 2, 2]);
        let norms = |squared_in, squared_out, dot, squared_error| TokenNorms {
            squared_in,
            squared_out,
            dot,
            squared_error,
        };
        assert_eq!(
            TokenNorms::all(&to_f32s(token_norms(&x, &decoded))),
            [norms(25.0, 2.0, 7.0, 13.0), norms(1.0, 4.0, 0.0, 5.0)]
        );
        let distances = squared_distances(&x, &[1.0, 1.0]);
        assert_eq!(to_f32s(distances), [13.0, 1.0]);
    }

    #[test]
    fn sums_leave_out_masked_positions_even_infinite_ones() {
        let (b, p) = (2, 2 * POSITIONS_PER_SUM + 3);
        let mut values: Vec<f32> = (0..b * p).map(|i| (i % 7) as f32).collect();
        let kept: Vec<bool> = (0..b * p).map(|i| i % 5 != 0).collect();
        values[10] = f32::INFINITY;
        let truth: f32 = values
            .iter()
            .zip(&kept)
            .filter(|(_, kept)| **kept)
            .map(|(x, _)| x)
            .sum();
        let sums = to_f32s(position_sums(&tensor(values, [b, p, 1]), &kept));
        assert_eq!(sums.len(), 3 * b, "sums do not reach over sequences");
        assert!((sums.iter().sum::<f32>() - truth).abs() < f32::EPSILON);
    }

    #[test]
    fn splices_where_kept_and_in_the_dtype_of_the_model() {
        let x = tensor(vec![1.0, 2.0, 3.0, 4.0], [1, 2, 2]).cast(DType::BF16);
        let spliced = splice(
            &x,
            tensor(vec![5.0, 6.0, 7.0, 8.0], [1, 2, 2]),
            &[false, true],
        );
        assert_eq!(spliced.dtype(), DType::BF16);
        assert_eq!(crate::tensors::to_f32s(spliced), [1.0, 2.0, 7.0, 8.0]);
    }
}
