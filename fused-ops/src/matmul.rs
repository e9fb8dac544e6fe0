//! Products of matrices.

#[cfg(any(feature = "cuda", feature = "wgpu"))]
use crate::cube::{self, Kernels as _};
#[cfg(any(feature = "cuda", feature = "wgpu"))]
use burn::backend::Dispatch;
use burn::tensor::Tensor;

/// a·b. As burn's own; on a GPU, kernels that have not been compared for such a product yet are compared on copies, since one that cannot be
/// launched may cost its operands.
///
/// # Shapes
/// `a`: `[.., m, k]`, `b`: `[.., k, n]`, of one dtype → `[.., m, n]`.
pub fn matmul<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    if cube::on_gpu(&a) && cube::on_gpu(&b) && a.dtype() == b.dtype() {
        let (a, b) = (a.into_dispatch(), b.into_dispatch());
        return Tensor::from_dispatch(Dispatch::kernel_matmul(a, b));
    }
    a.matmul(b)
}
