//! On the CPU, by the `gemm` crate.

use crate::host::{HostTensor, tensor};
use burn::tensor::Tensor;
use gemm::Parallelism;

/// Multiplications below which a second thread does not pay.
const MIN_PARALLEL: usize = 192 * 192 * 192;

pub(super) fn linear(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let (x, weight) = (HostTensor::new(x), HostTensor::new(weight));
    let ([rows, _], [n_out, _]) = (x.dims(), weight.dims());
    let mut out = Vec::with_capacity(rows * n_out);
    // SAFETY: the vector has room for the product, which writes all of it without reading.
    unsafe {
        product(&x, &weight, out.as_mut_ptr(), false);
        out.set_len(rows * n_out);
    }
    tensor(out, [rows, n_out])
}

pub(super) fn linear_add(x: Tensor<2>, weight: Tensor<2>, residual: Tensor<2>) -> Tensor<2> {
    let dims = residual.dims();
    let (x, weight) = (HostTensor::new(x), HostTensor::new(weight));
    let mut out = HostTensor::new(residual).into_vec();
    assert_eq!(out.len(), x.dims()[0] * weight.dims()[0]);
    // SAFETY: the vector is as large as the product, by the assertion above.
    unsafe { product(&x, &weight, out.as_mut_ptr(), true) };
    tensor(out, dims)
}

/// out = x·Wᵀ, or out += x·Wᵀ.
///
/// # Safety
/// `out` is valid for writing `rows · out` values, and for reading as many where it is added to.
unsafe fn product(x: &HostTensor<2>, weight: &HostTensor<2>, out: *mut f32, add: bool) {
    let ([m, k], [n, _]) = (x.dims(), weight.dims());
    let ([x_rows, x_cols], [w_rows, w_cols]) = (x.strides(), weight.strides());
    check(x);
    check(weight);
    let parallelism = if m * n * k < MIN_PARALLEL {
        Parallelism::None
    } else {
        Parallelism::Rayon(0)
    };
    // SAFETY: `check` has found every element of both operands inside their storage; the caller vouches for `out`, and nothing
    // else refers to it.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out,
            1,
            n as isize,
            add,
            x.data().as_ptr(),
            x_cols as isize,
            x_rows as isize,
            weight.data().as_ptr(),
            // The columns of Wᵀ are the rows of W.
            w_rows as isize,
            w_cols as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Asserts that the last element lies in the storage, and with it, strides being non-negative, all others.
fn check(x: &HostTensor<2>) {
    let ([rows, cols], [row, col]) = (x.dims(), x.strides());
    if rows > 0 && cols > 0 {
        assert!((rows - 1) * row + (cols - 1) * col < x.data().len());
    }
}
