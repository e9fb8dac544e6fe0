//! On the CPU.

use super::{few, turned};
use crate::bf16;
use crate::host::{HostTensor, Number, tensor};
use crate::product::Operand;
use burn::tensor::{Tensor, bf16 as Bf16};

/// x·Wᵀ, in f32.
pub(super) fn linear(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let (x, weight) = (HostTensor::new(x), HostTensor::new(weight));
    let dims = [x.dims()[0], weight.dims()[0]];
    let n = dims[0] * dims[1];
    if few::suits(&x, &weight) || turned::suits(&x, &weight) {
        let mut out = vec![0.0; n];
        add(&x, &weight, &mut out);
        return tensor(out, dims);
    }
    let mut out = Vec::with_capacity(n);
    // SAFETY: the vector has room for the product, which writes all of it without reading.
    unsafe {
        product(&x, &weight, out.as_mut_ptr(), false);
        out.set_len(n);
    }
    tensor(out, dims)
}

/// residual + x·Wᵀ, in f32.
pub(super) fn linear_add(x: Tensor<2>, weight: Tensor<2>, residual: Tensor<2>) -> Tensor<2> {
    let dims = residual.dims();
    let (x, weight) = (HostTensor::new(x), HostTensor::new(weight));
    let mut out = HostTensor::new(residual).into_vec();
    add(&x, &weight, &mut out);
    tensor(out, dims)
}

/// x·Wᵀ of `X` as `E`, with weights in bf16.
pub(super) fn linear_bf16<X: Number, E: Number>(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let (x, weight) = (
        HostTensor::<2, X>::new(x),
        HostTensor::<2, Bf16>::new(weight),
    );
    let dims = [x.dims()[0], weight.dims()[0]];
    let n = dims[0] * dims[1];
    let mut out = Vec::<E>::with_capacity(n);
    // SAFETY: the vector has room for the product, which writes all of it without reading.
    unsafe {
        bf16::product(out.as_mut_ptr(), operand(&x), operand(&weight), false);
        out.set_len(n);
    }
    tensor(out, dims)
}

/// residual + x·Wᵀ in the format of both, with weights in bf16.
pub(super) fn linear_add_bf16<E: Number>(
    x: Tensor<2>,
    weight: Tensor<2>,
    residual: Tensor<2>,
) -> Tensor<2> {
    let dims = residual.dims();
    let (x, weight) = (
        HostTensor::<2, E>::new(x),
        HostTensor::<2, Bf16>::new(weight),
    );
    let mut out = HostTensor::<2, E>::new(residual).into_vec();
    assert_eq!(out.len(), x.dims()[0] * weight.dims()[0]);
    // SAFETY: the vector is as large as the product, by the assertion above.
    unsafe { bf16::product(out.as_mut_ptr(), operand(&x), operand(&weight), true) };
    tensor(out, dims)
}

/// out += x·Wᵀ.
///
/// # Panics
/// If `out` is not of the product's size.
fn add(x: &HostTensor<2>, weight: &HostTensor<2>, out: &mut [f32]) {
    assert_eq!(out.len(), x.dims()[0] * weight.dims()[0]);
    if few::suits(x, weight) {
        few::add(x, weight, out);
    } else if turned::suits(x, weight) {
        turned::add(operand(x), operand(weight), out);
    } else {
        // SAFETY: the slice is as large as the product, by the assertion above.
        unsafe { product(x, weight, out.as_mut_ptr(), true) };
    }
}

/// out = x·Wᵀ, or out += x·Wᵀ.
///
/// # Safety
/// `out` is valid for writing `rows · out` values, and for reading as many where it is added to.
unsafe fn product(x: &HostTensor<2>, weight: &HostTensor<2>, out: *mut f32, add: bool) {
    // SAFETY: the caller vouches for `out`.
    unsafe { crate::product::product(out, operand(x), operand(weight).transpose(), add) };
}

fn operand<E: Number>(tensor: &HostTensor<2, E>) -> Operand<'_, E> {
    Operand {
        data: tensor.data(),
        dims: tensor.dims(),
        strides: tensor.strides(),
    }
}
