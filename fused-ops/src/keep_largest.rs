//! Top-k.

#[cfg(any(feature = "cuda", feature = "wgpu"))]
use crate::cube::{self, Kernels as _};
#[cfg(any(feature = "cuda", feature = "wgpu"))]
use burn::backend::Dispatch;
use burn::tensor::activation::relu;
use burn::tensor::{IndexingUpdateOp, Tensor};

/// The `k` largest values of each row where they are positive, or the `k` of largest magnitude with their signs; zeros elsewhere.
///
/// Meant for devices other than the host, whose rows are better read where they lie. On a GPU one kernel, whose time does not depend on `k`;
/// of equal values the ones of lower columns stay.
///
/// # Shapes
/// `[n, m]` → the same.
pub fn keep_largest(x: Tensor<2>, k: usize, by_magnitude: bool) -> Tensor<2> {
    if k == 0 {
        return x.zeros_like();
    }
    if k >= x.dims()[1] {
        // A selection wants something to leave out.
        return if by_magnitude { x } else { relu(x) };
    }
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    if cube::on_gpu(&x) {
        return Tensor::from_dispatch(Dispatch::kernel_keep_largest(
            x.into_dispatch(),
            k,
            by_magnitude,
        ));
    }
    let zeros = x.zeros_like();
    let (values, indices) = if by_magnitude {
        let indices = x.clone().abs().argtopk(k, 1);
        (x.gather(1, indices.clone()), indices)
    } else {
        let (values, indices) = x.topk_with_indices(k, 1);
        (relu(values), indices)
    };
    zeros.scatter(1, indices, values, IndexingUpdateOp::Add)
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::keep_largest;
    use burn::tensor::{Device, Tensor};

    #[test]
    fn what_stays() {
        let x = Tensor::<2>::from_floats([[0.5, -3.0, 2.0, -0.1, 0.25]], &Device::flex());
        let kept = |k, by_magnitude| -> Vec<f32> {
            let kept = keep_largest(x.clone(), k, by_magnitude);
            kept.into_data().try_into_vec().unwrap()
        };
        assert_eq!(kept(0, false), [0.0; 5]);
        assert_eq!(kept(2, false), [0.5, 0.0, 2.0, 0.0, 0.0]);
        assert_eq!(kept(4, false), [0.5, 0.0, 2.0, 0.0, 0.25]);
        assert_eq!(kept(5, false), [0.5, 0.0, 2.0, 0.0, 0.25]);
        assert_eq!(kept(2, true), [0.0, -3.0, 2.0, 0.0, 0.0]);
        assert_eq!(kept(5, true), [0.5, -3.0, 2.0, -0.1, 0.25]);
    }
}
