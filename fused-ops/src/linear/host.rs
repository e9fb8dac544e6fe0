//! On the CPU.

use super::few;
use crate::host::{HostTensor, tensor};
use crate::product::Operand;
use burn::tensor::Tensor;

pub(super) fn linear(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let (x, weight) = (HostTensor::new(x), HostTensor::new(weight));
    let ([rows, _], [n_out, _]) = (x.dims(), weight.dims());
    if few::suits(&x, &weight) {
        let mut out = vec![0.0; rows * n_out];
        few::add(&x, &weight, &mut out);
        return tensor(out, [rows, n_out]);
    }
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
    if few::suits(&x, &weight) {
        few::add(&x, &weight, &mut out);
        return tensor(out, dims);
    }
    // SAFETY: the vector is as large as the product, by the assertion above.
    unsafe { product(&x, &weight, out.as_mut_ptr(), true) };
    tensor(out, dims)
}

/// out = x·Wᵀ, or out += x·Wᵀ.
///
/// # Safety
/// `out` is valid for writing `rows · out` values, and for reading as many where it is added to.
unsafe fn product(x: &HostTensor<2>, weight: &HostTensor<2>, out: *mut f32, add: bool) {
    // SAFETY: the caller vouches for `out`.
    unsafe { crate::product::product(out, operand(x), operand(weight).transpose(), add) };
}

fn operand(tensor: &HostTensor<2>) -> Operand<'_> {
    Operand {
        data: tensor.data(),
        dims: tensor.dims(),
        strides: tensor.strides(),
    }
}
