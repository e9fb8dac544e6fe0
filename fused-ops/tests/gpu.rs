//! Every kernel for GPUs on every GPU there is, beside the same operation on the CPU, for shapes that are multiples of nothing.
//!
//! `cargo test -p fused-ops --features cuda,wgpu --test gpu`; on a machine without a GPU it says so.
#![cfg(all(feature = "cpu", any(feature = "cuda", feature = "wgpu")))]

use burn::tensor::{Device, DeviceType, Distribution, Int, Tensor, TensorData};
use fused_ops::softmax::{cross_entropy, divergences};
use fused_ops::{feature_sums, keep_largest, rms_norm, rotate_half, silu_mul};

/// Every accelerator that burn finds.
fn devices() -> Vec<Device> {
    let mut found = Vec::new();
    #[cfg(feature = "cuda")]
    found.extend(Device::enumerate(DeviceType::Cuda));
    #[cfg(all(feature = "wgpu", target_os = "macos"))]
    found.extend(Device::enumerate(DeviceType::Metal));
    #[cfg(all(feature = "wgpu", not(target_os = "macos")))]
    found.extend(Device::enumerate(DeviceType::Vulkan));
    if found.is_empty() {
        eprintln!("skipped: no GPU was found");
    }
    found
}

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec().unwrap()
}

/// The same numbers on another device.
fn on<const D: usize>(x: &Tensor<D>, device: &Device) -> Tensor<D> {
    Tensor::from_data(x.clone().into_data(), device)
}

fn assert_close(what: &str, device: &Device, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what} on {device:?}");
    let scale = expected.iter().fold(1.0_f32, |most, x| most.max(x.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = (found - expected).abs();
        assert!(
            off <= tolerance * scale,
            "{what} on {device:?}, number {i}: {found}, on the CPU {expected}"
        );
    }
}

fn random<const D: usize>(dims: [usize; D]) -> Tensor<D> {
    Tensor::random(dims, Distribution::Normal(0.0, 2.0), &Device::flex())
}

#[test]
fn norms_gates_and_rotations() {
    for device in devices() {
        for (rows, width) in [(1, 1), (3, 7), (5, 64), (2, 257), (70, 576), (9, 4096)] {
            let (x, w) = (random([rows, width]), random([width]));
            let found = rms_norm(on(&x, &device), on(&w, &device), 1e-5);
            let expected = numbers(rms_norm(x.clone(), w, 1e-5));
            assert_close("rms_norm", &device, &numbers(found), &expected, 1e-5);
            let up = random([rows, width]);
            let found = silu_mul(on(&x, &device), on(&up, &device));
            let expected = numbers(silu_mul(x, up));
            assert_close("silu_mul", &device, &numbers(found), &expected, 1e-5);
        }
        for (b, p, heads, d_head, own) in [
            (1, 1, 1, 2, false),
            (2, 5, 3, 10, false),
            (3, 17, 4, 64, true),
        ] {
            let x = random([b, p, heads, d_head]);
            let angles = random([if own { b } else { 1 }, p, 1, d_head / 2]);
            let (cos, sin) = (angles.clone().cos(), angles.sin());
            let found = rotate_half(on(&x, &device), on(&cos, &device), on(&sin, &device));
            let expected = numbers(rotate_half(x, cos, sin));
            assert_close("rotate_half", &device, &numbers(found), &expected, 1e-5);
        }
    }
}

#[test]
fn losses() {
    for device in devices() {
        for (n, vocab) in [(1, 2), (3, 255), (5, 1000), (2, 4099)] {
            let logits = random([2 * n + 1, vocab]);
            let targets: Vec<i64> = (0..n as i64).map(|i| i * 7 % vocab as i64).collect();
            let at = |device: &Device| {
                Tensor::<1, Int>::from_data(TensorData::new(targets.clone(), [n]), device)
            };
            let here = on(&logits, &device);
            let found = divergences(&here, &at(&device), &[n, 1]);
            let expected = numbers(divergences(&logits, &at(&Device::flex()), &[n, 1]));
            assert_close("divergences", &device, &numbers(found), &expected, 1e-5);
            let whole = |logits: Tensor<2>, device: &Device| {
                cross_entropy(at(device), vocab, 1 << 20, move |rows, entries| {
                    let rows = logits.clone().narrow(0, rows.start, rows.len());
                    rows.narrow(1, entries.start, entries.len())
                })
            };
            let found = whole(here, &device);
            let expected = numbers(whole(logits, &Device::flex()));
            assert_close("cross_entropy", &device, &numbers(found), &expected, 1e-5);
        }
    }
}

/// What [`keep_largest`] keeps, by sorting; of equal values the first.
fn kept(row: &[f32], k: usize, by_magnitude: bool) -> Vec<f32> {
    let key = |x: f32| if by_magnitude { x.abs() } else { x.max(0.0) };
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&i, &j| key(row[j]).total_cmp(&key(row[i])).then(i.cmp(&j)));
    let mut kept = vec![0.0; row.len()];
    for &i in &order[..k] {
        if key(row[i]) > 0.0 {
            kept[i] = row[i];
        }
    }
    kept
}

#[test]
fn selections() {
    for device in devices() {
        for (rows, width) in [(2, 3), (3, 100), (4, 511), (2, 5000)] {
            let x = numbers(random([rows, width]));
            // Coarse as well, so that many are equal.
            let coarse: Vec<f32> = x.iter().map(|x| x.round()).collect();
            for values in [x, coarse] {
                let here =
                    Tensor::<2>::from_data(TensorData::new(values.clone(), [rows, width]), &device);
                for k in [1, 2, width / 3 + 1, width - 1] {
                    for by_magnitude in [false, true] {
                        let found = numbers(keep_largest(here.clone(), k, by_magnitude));
                        let rows = values.chunks(width);
                        let expected: Vec<f32> =
                            rows.flat_map(|row| kept(row, k, by_magnitude)).collect();
                        let what = format!("the {k} largest of {width} ({by_magnitude})");
                        assert_close(&what, &device, &found, &expected, 0.0);
                    }
                }
            }
        }
    }
}

#[test]
fn sums_of_features() {
    for device in devices() {
        for (b, p, m) in [(1, 1, 1), (2, 3, 7), (3, 5, 260), (2, 130, 1024)] {
            let x = burn::tensor::activation::relu(random([b, p, m]));
            let kept: Vec<i32> = (0..b * p).map(|i| i32::from(i % 3 != 1)).collect();
            let at = |device: &Device| {
                Tensor::<1, Int>::from_data(TensorData::new(kept.clone(), [b * p]), device)
            };
            let found = feature_sums(on(&x, &device), at(&device));
            let expected = feature_sums(x, at(&Device::flex()));
            let [tokens, features] = [numbers(expected.tokens), numbers(expected.features)];
            assert_close("of tokens", &device, &numbers(found.tokens), &tokens, 1e-6);
            assert_close(
                "of features",
                &device,
                &numbers(found.features),
                &features,
                1e-6,
            );
        }
    }
}
