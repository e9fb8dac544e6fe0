//! The gate of a gated MLP.

use burn::tensor::{FloatDType, Tensor, activation::silu};

#[cfg(any(feature = "cuda", feature = "wgpu"))]
use crate::cube::{self, Kernels as _};
#[cfg(feature = "cpu")]
use crate::host::{Format, HostTensor, Number, common, for_each_row, format, tensor, vectorised};
#[cfg(feature = "cpu")]
use crate::softmax::exp;
#[cfg(any(feature = "cuda", feature = "wgpu"))]
use burn::backend::Dispatch;
#[cfg(feature = "cpu")]
use burn::tensor::bf16;

/// silu(gate) · up, where silu(x) = x·σ(x) = x / (1 + e⁻ˣ), rounded to the dtype of `gate` before the product.
///
/// # Shapes
/// Both of one shape, which is the result's.
///
/// # Panics
/// If the shapes differ.
pub fn silu_mul<const D: usize>(gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    assert_eq!(gate.dims(), up.dims(), "a gate for every value");
    #[cfg(feature = "cpu")]
    match common([format(&gate), format(&up)]) {
        Some(Format::F32) => return host::<D, f32>(gate, up),
        Some(Format::Bf16) => return host::<D, bf16>(gate, up),
        None => {}
    }
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    if cube::on_gpu(&gate) && cube::is_gpu(&up.device()) && up.dtype() == gate.dtype() {
        let (gate, up) = (gate.into_dispatch(), up.into_dispatch());
        return Tensor::from_dispatch(Dispatch::kernel_silu_mul(gate, up));
    }
    let dtype = FloatDType::from(gate.dtype());
    silu(gate.cast(FloatDType::F32)).cast(dtype) * up
}

/// In the memory of the gate, if this is its only owner.
#[cfg(feature = "cpu")]
fn host<const D: usize, E: Number>(gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    const CHUNK: usize = 1024;
    let dims = gate.dims();
    let up = HostTensor::<D, E>::new(up).into_contiguous();
    let up = up.as_slice();
    let mut out = HostTensor::<D, E>::new(gate).into_vec();
    let apply = |gate: &mut [E], up: &[E]| {
        vectorised(|| {
            for (gate, &up) in gate.iter_mut().zip(up) {
                // −88 and below: e⁸⁸ is the largest power of e an f32 holds, and the quotient is 0 to 36 digits.
                let x = gate.wide();
                let silu = E::narrow(x / (1.0 + exp((-x).min(88.0)))).wide();
                *gate = E::narrow(silu * up.wide());
            }
        });
    };
    let whole = out.len() / CHUNK * CHUNK;
    let (chunks, rest) = out.split_at_mut(whole);
    for_each_row(chunks, CHUNK, |row, gate| {
        apply(gate, &up[row * CHUNK..][..CHUNK]);
    });
    apply(rest, &up[whole..]);
    tensor(out, dims)
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::silu_mul;
    use burn::tensor::{Device, Distribution, Tensor};

    #[test]
    fn is_x_times_its_logistic_at_any_size_of_x() {
        let gates = [
            -1000.0_f32,
            -88.8,
            -20.0,
            -1.0,
            -0.0,
            1e-4,
            0.5,
            20.0,
            88.8,
            1000.0,
        ];
        let device = Device::flex();
        let gate = Tensor::<1>::from_floats(gates, &device);
        let found: Vec<f32> = silu_mul(gate.clone(), gate.ones_like().mul_scalar(2.0))
            .into_data()
            .try_into_vec()
            .unwrap();
        for (gate, found) in gates.into_iter().zip(found) {
            let exact = 2.0 * f64::from(gate) / (1.0 + (-f64::from(gate)).exp());
            let error = (f64::from(found) - exact).abs();
            assert!(
                error <= 1e-6 * exact.abs() + 1e-30,
                "{gate}: {found} against {exact}"
            );
        }
    }

    #[test]
    fn leaves_a_gate_that_others_hold() {
        let device = Device::flex();
        let gate = Tensor::<2>::random([70, 1000], Distribution::Normal(0.0, 4.0), &device);
        let up = Tensor::<2>::random([1000, 70], Distribution::Default, &device).transpose();
        let before = gate.clone().into_data();
        let first = silu_mul(gate.clone(), up.clone()).into_data();
        assert_eq!(gate.clone().into_data(), before);
        assert_eq!(silu_mul(gate, up).into_data(), first);
    }

    #[test]
    fn not_a_number_stays_one() {
        let x = Tensor::<1>::from_floats([f32::NAN, f32::NEG_INFINITY], &Device::flex());
        let found: Vec<f32> = silu_mul(x.clone(), x.ones_like())
            .into_data()
            .try_into_vec()
            .unwrap();
        assert!(found[0].is_nan());
    }
}
