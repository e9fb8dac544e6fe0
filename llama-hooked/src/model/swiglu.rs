//! The gate of the MLP.

use super::cpu::is_cpu;
use burn::tensor::activation::silu;
use burn::tensor::{FloatDType, Tensor};

/// silu(gate) · up, where silu(x) = x · σ(x) = x / (1 + exp(−x)), rounded to the dtype of `gate` before the product.
///
/// The place for a fused kernel: this is half a dozen passes over memory, and on the CPU the exponentials are scalar.
///
/// # Shapes
/// Both of one shape, which is the result's.
pub(crate) fn silu_mul<const D: usize>(gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    let dtype = FloatDType::from(gate.dtype());
    let device = gate.device();
    let gate = gate.cast(FloatDType::F32);
    let gate = if is_cpu(&device) && !device.is_autodiff() {
        // Half the time of the backend's sigmoid, which branches at every number. Where exp overflows the quotient is the
        // right −0, but its derivative would not be a number.
        gate.clone() / gate.neg().exp().add_scalar(1.0)
    } else {
        silu(gate)
    };
    gate.cast(dtype) * up
}

#[cfg(test)]
mod tests {
    use super::silu_mul;
    use burn::tensor::{Device, Tensor};

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
            .try_into_vec_as()
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
}
