//! On a CPU device that records gradients every operation gives the plain device's numbers, and gradients reach every input.

#![cfg(feature = "cpu")]
#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use fused_ops::softmax::cross_entropy;
use fused_ops::{
    causal_attention, linear, linear_add, rms_norm, rotate_half, silu_mul, sparse_matmul,
};

/// Numbers without a pattern, the same at every call: the device's generator is shared by all tests.
fn random<const D: usize>(dims: [usize; D], seed: u64) -> TensorData {
    let values = (0..dims.iter().product::<usize>() as u64)
        .map(|i| (((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0) * 1.7);
    TensorData::new(values.collect::<Vec<f32>>(), dims)
}

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

/// Runs an operation of one input both ways: the same numbers, and a gradient that is that of finite differences.
fn check<const D: usize, const E: usize>(
    name: &str,
    dims: [usize; D],
    operation: impl Fn(Tensor<D>) -> Tensor<E>,
) {
    let data = random(dims, 7);
    let plain = operation(Tensor::from_data(data.clone(), &Device::flex()));
    let recording = Device::flex().autodiff();
    let x = Tensor::<D>::from_data(data.clone(), &recording).require_grad();
    let out = operation(x.clone());
    let (plain, out_numbers) = (numbers(plain), numbers(out.clone().inner()));
    for (a, b) in plain.iter().zip(&out_numbers) {
        assert!((a - b).abs() < 1e-4, "{name}: {a} and {b}");
    }
    let gradients = out.square().sum().backward();
    let gradient = numbers(
        x.grad(&gradients)
            .unwrap_or_else(|| panic!("{name} detaches")),
    );
    let values: Vec<f32> = data.iter::<f32>().collect();
    let loss = |at: usize, step: f32| {
        let mut moved = values.clone();
        moved[at] += step;
        let moved = Tensor::from_data(TensorData::new(moved, dims), &Device::flex());
        let squares = numbers(operation(moved)).into_iter();
        squares.map(|x| f64::from(x) * f64::from(x)).sum::<f64>()
    };
    for at in [0, values.len() / 2, values.len() - 1] {
        let step = 1e-2;
        let expected = (loss(at, step) - loss(at, -step)) / (2.0 * f64::from(step));
        let found = f64::from(gradient[at]);
        let scale = expected.abs().max(1.0);
        assert!(
            (found - expected).abs() < 2e-2 * scale,
            "{name}, element {at}: {found}, by differences {expected}"
        );
    }
}

/// Another operand, on the device of `x`.
fn beside<const D: usize, const E: usize>(x: &Tensor<D>, dims: [usize; E], seed: u64) -> Tensor<E> {
    Tensor::from_data(random(dims, seed), &x.device())
}

#[test]
fn products_and_norms() {
    check("linear", [2, 3, 5], |x: Tensor<3>| {
        let weight = beside(&x, [4, 5], 1);
        linear(x, weight)
    });
    check("linear, its weight", [4, 5], |weight: Tensor<2>| {
        let x = beside::<2, 3>(&weight, [2, 3, 5], 1);
        linear(x, weight)
    });
    check("linear_add", [2, 3, 4], |residual: Tensor<3>| {
        let (x, weight) = (
            beside(&residual, [2, 3, 5], 1),
            beside(&residual, [4, 5], 2),
        );
        linear_add(x, weight, residual)
    });
    check("rms_norm", [2, 3, 6], |x: Tensor<3>| {
        let weight = beside(&x, [6], 1);
        rms_norm(x, weight, 1e-5)
    });
    check("silu_mul", [2, 3, 4], |gate: Tensor<3>| {
        let up = beside(&gate, [2, 3, 4], 1);
        silu_mul(gate, up)
    });
    check("sparse_matmul", [4, 3], |w: Tensor<2>| {
        sparse_matmul(&[0, 2, 3], &[0, 3, 1], &[1.5, -2.0, 0.5], w)
    });
}

#[test]
fn attention_and_rotation() {
    check("causal_attention, queries", [1, 5, 4, 2], |q: Tensor<4>| {
        let (k, v) = (beside(&q, [1, 5, 2, 2], 1), beside(&q, [1, 5, 2, 2], 2));
        causal_attention(q, k, v)
    });
    check("causal_attention, values", [1, 5, 2, 2], |v: Tensor<4>| {
        let (q, k) = (beside(&v, [1, 5, 4, 2], 1), beside(&v, [1, 5, 2, 2], 2));
        causal_attention(q, k, v)
    });
    check("rotate_half", [1, 3, 2, 4], |x: Tensor<4>| {
        let (cos, sin) = (beside(&x, [1, 3, 1, 2], 1), beside(&x, [1, 3, 1, 2], 2));
        rotate_half(x, cos, sin)
    });
}

/// Targets record nothing, whatever the logits do.
#[test]
fn losses() {
    let (n, vocab) = (4, 9);
    check("cross_entropy", [n, vocab], |logits: Tensor<2>| {
        let targets = TensorData::new(vec![3_i32, 0, 8, 3], [n]);
        let targets = Tensor::<1, Int>::from_data(targets, (&Device::flex(), DType::I32));
        cross_entropy(targets, vocab, 1 << 20, |rows, entries| {
            logits.clone().slice([rows, entries])
        })
    });
}
