//! On the CPU in bf16 every operation gives what it gives in f32 of the same numbers, rounded.

#![cfg(feature = "cpu")]
#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use fused_ops::softmax::cross_entropy;
use fused_ops::{
    KeyValues, causal_attention, linear, linear_add, linear_f32, rms_norm, rotate_half, silu_mul,
    sparse_matmul,
};

/// Half the distance of two neighbours, as a share of a number.
const ROUNDING: f32 = 1.0 / 256.0;

/// Numbers without a pattern that bf16 has.
fn random<const D: usize>(dims: [usize; D], seed: u64) -> Tensor<D> {
    let values = (0..dims.iter().product::<usize>() as u64)
        .map(|i| (((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0) * 1.7);
    let data = TensorData::new(values.collect::<Vec<f32>>(), dims);
    half(Tensor::from_data(data, &Device::flex())).cast(DType::F32)
}

fn half<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.cast(DType::BF16)
}

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

/// `found` is in bf16 and, but for `roundings` of numbers as large as they come, what was expected.
fn assert_rounded<const D: usize>(
    name: &str,
    found: Tensor<D>,
    expected: Tensor<D>,
    roundings: f32,
) {
    assert_eq!(found.dtype(), DType::BF16, "{name}");
    assert_eq!(found.dims(), expected.dims(), "{name}");
    let expected = numbers(expected);
    for (i, (found, expected)) in numbers(found).into_iter().zip(expected).enumerate() {
        let error = roundings * ROUNDING * expected.abs() + 1e-5;
        assert!(
            (found - expected).abs() <= error,
            "{name}, number {i}: {found}, in f32 {expected}"
        );
    }
}

#[test]
fn products() {
    for (rows, n_in, n_out) in [(1, 70, 33), (5, 64, 17), (50, 97, 130), (0, 3, 4)] {
        let (x, w) = (random([rows, n_in], 1), random([n_out, n_in], 2));
        let residual = random([rows, n_out], 3);
        let expected = linear(x.clone(), w.clone());
        let found = linear(half(x.clone()), half(w.clone()));
        assert_rounded("linear", found, expected.clone(), 1.0);
        // The weight the other way round, and a part of something larger.
        let turned = half(w.clone().transpose().reshape([n_out, n_in]));
        let turned = turned.reshape([n_in, n_out]).transpose();
        let found = linear(half(x.clone()), turned);
        assert_rounded("linear, turned", found, expected.clone(), 1.0);
        let wide = Tensor::cat(vec![random([rows, 3], 4), x.clone()], 1);
        let found = linear(half(wide).narrow(1, 3, n_in), half(w.clone()));
        assert_rounded("linear, a part", found, expected.clone(), 1.0);
        for x in [x.clone(), half(x.clone())] {
            let found = linear_f32(x, half(w.clone()));
            assert_eq!(found.dtype(), DType::F32);
            let error = numbers(found - expected.clone()).into_iter().map(f32::abs);
            assert!(error.fold(0.0, f32::max) < 1e-4);
        }
        let found = linear_add(half(x), half(w), half(residual.clone()));
        assert_rounded("linear_add", found, residual + expected, 1.0);
    }
}

#[test]
fn a_residual_that_others_hold_stays_as_it_is() {
    let (x, w, residual) = (random([9, 40], 1), random([24, 40], 2), random([9, 24], 3));
    let [x, w, residual] = [x, w, residual].map(half);
    let before = numbers(residual.clone());
    let first = numbers(linear_add(x.clone(), w.clone(), residual.clone()));
    assert_eq!(numbers(residual.clone()), before);
    assert_eq!(numbers(linear_add(x, w, residual)), first);
}

#[test]
fn norms_and_gates() {
    let (x, w) = (random([3, 7, 100], 1), random([100], 2));
    let expected = rms_norm(x.clone(), w.clone(), 1e-5);
    // Rounded before the weight as well, as transformers does.
    assert_rounded("rms_norm", rms_norm(half(x), half(w), 1e-5), expected, 2.1);
    let (gate, up) = (random([70, 33], 3) * 4, random([70, 33], 4));
    let gate = half(gate).cast(DType::F32);
    let expected = silu_mul(gate.clone(), up.clone());
    assert_rounded("silu_mul", silu_mul(half(gate), half(up)), expected, 2.1);
}

#[test]
fn turning_and_attention() {
    let x = random([2, 70, 3, 8], 1);
    let angle = random([1, 70, 1, 4], 2);
    let (cos, sin) = (angle.clone().cos(), angle.sin());
    let expected = rotate_half(x.clone(), cos.clone(), sin.clone());
    assert_rounded("rotate_half", rotate_half(half(x), cos, sin), expected, 1.0);

    for (p, n, heads, kv) in [(1, 1, 2, 1), (5, 5, 6, 2), (70, 130, 4, 4), (1, 9, 3, 1)] {
        let q = random([2, p, heads, 16], 3);
        let [k, v] = [4, 5].map(|seed| random([2, n, kv, 16], seed));
        let expected = causal_attention(q.clone(), k.clone(), v.clone());
        let found = causal_attention(half(q), half(k), half(v));
        assert_rounded("causal_attention", found, expected, 1.0);
    }
}

/// In two steps, the second of one position or of several; the rows padded or not.
#[test]
fn attention_that_goes_on() {
    for (first, second, padding) in [(6, 1, [0, 0]), (6, 1, [2, 0]), (9, 3, [0, 4])] {
        let run = |cast: fn(Tensor<4>) -> Tensor<4>| {
            let mut past = KeyValues::with_room(4);
            let mut step = |p: usize, seed: u64, padding: &[usize]| {
                let q = cast(random([2, p, 4, 8], seed));
                let [k, v] = [1, 2].map(|i| cast(random([2, p, 2, 8], seed + i)));
                past.attend(q, k, v, padding)
            };
            step(first, 10, &padding);
            let out = step(second, 20, &[0, 0]);
            (out, past.dense())
        };
        let (expected, dense) = run(|x| x);
        let (found, half_dense) = run(half);
        assert_rounded("KeyValues", found, expected, 1.0);
        assert_eq!(numbers(half_dense.0), numbers(dense.0));
        assert_eq!(numbers(half_dense.1), numbers(dense.1));
    }
}

#[test]
fn sparse_products_and_losses() {
    let w = random([20, 1500], 1);
    let (indptr, indices, values) = ([0, 2, 2, 5], [3, 19, 0, 7, 8], [0.3, -2.0, 1.1, 0.7, 5.0]);
    let expected = sparse_matmul(&indptr, &indices, &values, w.clone());
    let found = sparse_matmul(&indptr, &indices, &values, half(w));
    // Terms that cancel out are rounded as exactly as any: sums are in f32.
    assert_rounded("sparse_matmul", found, expected, 1.0);

    let logits = random([6, 3000], 2) * 4;
    let logits = half(logits).cast(DType::F32);
    let targets = Tensor::<1, Int>::from_ints([0, 1, 77, 1500, 2047, 2999], &Device::flex());
    let losses = |logits: Tensor<2>| {
        let piece = |rows: std::ops::Range<usize>, entries: std::ops::Range<usize>| {
            let rows = logits.clone().narrow(0, rows.start, rows.len());
            rows.narrow(1, entries.start, entries.len())
        };
        numbers(cross_entropy(targets.clone(), 3000, 1 << 15, piece))
    };
    // Losses are f32: of the same logits they are the same.
    assert_eq!(losses(half(logits.clone())), losses(logits));
}
