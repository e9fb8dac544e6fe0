//! Sums over dense features.

#[cfg(any(feature = "cuda", feature = "wgpu"))]
use crate::cube::{self, Kernels as _};
#[cfg(any(feature = "cuda", feature = "wgpu"))]
use burn::backend::Dispatch;
use burn::tensor::{FloatDType, Int, Tensor};

/// What [`feature_sums`] finds.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FeatureSums {
    /// `[b·p, 2]`, f32: of each token, how many features are not zero, and the sum of their magnitudes.
    pub tokens: Tensor<2>,
    /// `[3, b, m]`, f32: of each sequence and feature, how many kept tokens it fires on, the sum of its magnitudes there, and the largest.
    pub features: Tensor<3>,
}

/// Counts, sums and maxima of features by token, and by sequence and feature.
///
/// Meant for devices other than the host. On a GPU two kernels that read the features once each and make nothing of their size.
///
/// # Shapes
/// `x`: `[b, p, m]`; `kept`: `[b·p]`, 0 for tokens that do not count by feature.
///
/// # Panics
/// If `kept` has not one value for each token.
pub fn feature_sums(x: Tensor<3>, kept: Tensor<1, Int>) -> FeatureSums {
    let [b, p, m] = x.dims();
    assert_eq!(kept.dims(), [b * p], "one value for each token");
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    if cube::on_gpu(&x) {
        let x = x.reshape([b * p, m]);
        let tokens = Dispatch::kernel_row_sums(x.clone().into_dispatch());
        let features = Dispatch::kernel_column_sums(x.into_dispatch(), kept.into_dispatch(), p);
        return FeatureSums {
            tokens: Tensor::from_dispatch(tokens),
            features: Tensor::from_dispatch(features),
        };
    }
    let x = x.cast(FloatDType::F32);
    let fires = x
        .clone()
        .not_equal_scalar(0.0)
        .float()
        .cast(FloatDType::F32);
    let magnitudes = x.abs();
    let of_tokens = [fires.clone(), magnitudes.clone()].map(|x| x.sum_dim(2).reshape([b * p, 1]));
    let left_out = kept.equal_scalar(0).reshape([b, p, 1]).expand([b, p, m]);
    let [fires, magnitudes] = [fires, magnitudes].map(|x| x.mask_fill(left_out.clone(), 0.0));
    let of_features = [
        fires.sum_dim(1),
        magnitudes.clone().sum_dim(1),
        magnitudes.max_dim(1),
    ];
    FeatureSums {
        tokens: Tensor::cat(of_tokens.to_vec(), 1),
        features: Tensor::cat(of_features.map(|x| x.reshape([1, b, m])).to_vec(), 0),
    }
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::feature_sums;
    use burn::tensor::{Device, Tensor};

    #[test]
    fn tokens_count_as_a_whole_and_features_on_what_is_kept() {
        let device = Device::flex();
        let x = [[[1.0, 0.0], [-2.0, 3.0]], [[0.0, 0.0], [0.0, 4.0]]];
        let x = Tensor::<3>::from_floats(x, &device);
        let kept = Tensor::from_ints([1, 0, 1, 1], &device);
        let found = feature_sums(x, kept);
        let tokens: Vec<f32> = found.tokens.into_data().try_into_vec().unwrap();
        assert_eq!(tokens, [1.0, 1.0, 2.0, 5.0, 0.0, 0.0, 1.0, 4.0]);
        let features: Vec<f32> = found.features.into_data().try_into_vec().unwrap();
        let expected = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 4.0, 1.0, 0.0, 0.0, 4.0];
        assert_eq!(features, expected);
    }
}
