//! The operations of this crate on burn's GPU backends (CUDA, Vulkan, Metal), a kernel each where the composed form takes several.
//!
//! One source for all of them, in cubecl's language. Every kernel reads and writes device memory once (a row that has to be known before
//! it is written is read twice, the second time from a cache) and computes in f32, as the composed forms do. Rows are reduced in a fixed
//! order, so that a result does not depend on what else runs.

mod cross_entropy;
mod feature_sums;
mod launch;
mod on_copies;
mod reduce;
mod rms_norm;
mod rotary;
mod silu_mul;
mod top_k;

use burn::backend::tensor::{BoolTensor, FloatTensor, IntTensor};
use burn::backend::{Backend, backend_extension};
use burn::tensor::{DType, Device, Tensor};
use burn_cubecl::CubeBackend;

/// Whether kernels of this module may take a tensor: it is on a GPU, no gradient is recorded, and its numbers are of 16 or 32 bits.
pub(crate) fn on_gpu<const D: usize>(x: &Tensor<D>) -> bool {
    is_gpu(&x.device()) && matches!(x.dtype(), DType::F32 | DType::BF16 | DType::F16)
}

/// Whether the device is a GPU's, and records no gradients.
pub(crate) fn is_gpu(device: &Device) -> bool {
    !sae_backend::is_cpu(device) && !device.is_autodiff()
}

/// What burn's GPU backend does beyond burn's own operations. All inputs may have any strides.
#[backend_extension(Cube)]
pub(crate) trait Kernels: Backend {
    /// [`matmul`](crate::matmul).
    fn kernel_matmul(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;

    /// burn's attention under a causal mask.
    fn kernel_causal_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// burn's attention, with what is not seen.
    fn kernel_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        hidden: BoolTensor<Self>,
    ) -> FloatTensor<Self>;

    /// [`rms_norm`](crate::rms_norm) of `[.., d]`.
    fn kernel_rms_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        eps: f32,
    ) -> FloatTensor<Self>;

    /// [`silu_mul`](crate::silu_mul).
    fn kernel_silu_mul(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self>;

    /// [`rotate_half`](crate::rotate_half).
    fn kernel_rotate_half(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// Cross-entropy and divergence of rows of logits, see [`divergences`](crate::softmax::divergences).
    fn kernel_divergences(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
        other: Option<(usize, usize)>,
    ) -> FloatTensor<Self>;

    /// The largest of each row, the others zero, see [`keep_largest`](crate::keep_largest).
    fn kernel_keep_largest(x: FloatTensor<Self>, k: usize, by_magnitude: bool)
    -> FloatTensor<Self>;

    /// Counts and sums of magnitudes of each row, see [`feature_sums`](crate::feature_sums).
    fn kernel_row_sums(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Counts, sums and maxima of magnitudes of each column of each group of rows, see [`feature_sums`](crate::feature_sums).
    fn kernel_column_sums(
        x: FloatTensor<Self>,
        kept: IntTensor<Self>,
        rows_per_group: usize,
    ) -> FloatTensor<Self>;
}

impl Kernels for CubeBackend {
    fn kernel_matmul(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        on_copies::matmul(a, b)
    }

    fn kernel_causal_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        on_copies::attention(q, k, v, None)
    }

    fn kernel_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        hidden: BoolTensor<Self>,
    ) -> FloatTensor<Self> {
        on_copies::attention(q, k, v, Some(hidden))
    }

    fn kernel_rms_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        eps: f32,
    ) -> FloatTensor<Self> {
        rms_norm::launch(x, weight, eps)
    }

    fn kernel_silu_mul(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        silu_mul::launch(gate, up)
    }

    fn kernel_rotate_half(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        rotary::launch(x, cos, sin)
    }

    fn kernel_divergences(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
        other: Option<(usize, usize)>,
    ) -> FloatTensor<Self> {
        cross_entropy::launch(logits, targets, other)
    }

    fn kernel_keep_largest(
        x: FloatTensor<Self>,
        k: usize,
        by_magnitude: bool,
    ) -> FloatTensor<Self> {
        top_k::launch(x, k, by_magnitude)
    }

    fn kernel_row_sums(x: FloatTensor<Self>) -> FloatTensor<Self> {
        feature_sums::launch_rows(x)
    }

    fn kernel_column_sums(
        x: FloatTensor<Self>,
        kept: IntTensor<Self>,
        rows_per_group: usize,
    ) -> FloatTensor<Self> {
        feature_sums::launch_columns(x, kept, rows_per_group)
    }
}
