//! Root mean square normalisation.

use burn::tensor::{FloatDType, Tensor};

#[cfg(any(feature = "cuda", feature = "wgpu"))]
use crate::cube::{self, Kernels as _};
#[cfg(feature = "cpu")]
use crate::host::{Format, HostTensor, Number, common, filled_rows, format, tensor, vectorised};
#[cfg(any(feature = "cuda", feature = "wgpu"))]
use burn::backend::Dispatch;
#[cfg(feature = "cpu")]
use burn::tensor::bf16;

/// x / √(mean x² + ε), times a weight, along the last axis.
///
/// The statistics and the quotient are f32; the quotient is cast to the dtype of `x` before the weight, as transformers does.
///
/// # Shapes
/// `x`: `[.., d]`, `weight`: `[d]` → as `x`.
pub fn rms_norm<const D: usize>(x: Tensor<D>, weight: Tensor<1>, eps: f64) -> Tensor<D> {
    #[cfg(feature = "cpu")]
    match common([format(&x), format(&weight)]) {
        Some(Format::F32) => return host::<D, f32>(x, weight, eps as f32),
        Some(Format::Bf16) => return host::<D, bf16>(x, weight, eps as f32),
        None => {}
    }
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    if cube::on_gpu(&x) && weight.dtype() == x.dtype() {
        let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
        return Tensor::from_dispatch(Dispatch::kernel_rms_norm(x, weight, eps as f32));
    }
    let dtype = FloatDType::from(x.dtype());
    let x = x.cast(FloatDType::F32);
    let scale = x.clone().square().mean_dim(D - 1).add_scalar(eps).sqrt();
    (x / scale).cast(dtype) * weight.unsqueeze()
}

#[cfg(feature = "cpu")]
fn host<const D: usize, E: Number>(x: Tensor<D>, weight: Tensor<1>, eps: f32) -> Tensor<D> {
    let x = HostTensor::<D, E>::new(x).into_contiguous();
    let weight = HostTensor::<1, E>::new(weight).into_contiguous();
    let (dims, values, weight) = (x.dims(), x.as_slice(), weight.as_slice());
    let d = dims[D - 1];
    assert_eq!(weight.len(), d, "one weight per dimension");
    let rows = dims[..D - 1].iter().product();
    let out = filled_rows(rows, d, |row, out| {
        let x = &values[row * d..][..d];
        vectorised(|| {
            let scale = 1.0 / (sum_of_squares(x) / d as f32 + eps).sqrt();
            for ((out, &x), &w) in out.iter_mut().zip(x).zip(weight) {
                // Rounded in between only where the numbers are rounded at all.
                let normed = E::narrow(x.wide() * scale).wide();
                out.write(E::narrow(normed * w.wide()));
            }
        });
    });
    tensor(out, dims)
}

/// Σx² in lanes that the compiler turns into vectors; their partial sums lose less than one long sum would.
#[cfg(feature = "cpu")]
#[inline(always)]
#[allow(clippy::inline_always)] // compiled into the caller's vector code
fn sum_of_squares<E: Number>(x: &[E]) -> f32 {
    const LANES: usize = 32;
    let mut lanes = [0.0_f32; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += x.wide() * x.wide();
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|x| x.wide() * x.wide()).sum::<f32>()
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::rms_norm;
    use burn::tensor::{Device, Distribution, FloatDType, Tensor};

    #[test]
    fn is_the_formula_in_f64() {
        let device = Device::flex();
        for d in [1, 31, 32, 100, 576] {
            let x = Tensor::<3>::random([2, 41, d], Distribution::Normal(0.5, 3.0), &device);
            let w = Tensor::<1>::random([d], Distribution::Default, &device);
            let found: Vec<f32> = rms_norm(x.clone(), w.clone(), 1e-5)
                .into_data()
                .try_into_vec()
                .unwrap();
            let x: Vec<f32> = x.into_data().try_into_vec().unwrap();
            let w: Vec<f32> = w.into_data().try_into_vec().unwrap();
            for (x, found) in x.chunks(d).zip(found.chunks(d)) {
                let mean = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / d as f64;
                for ((&x, &w), &found) in x.iter().zip(&w).zip(found) {
                    let exact = f64::from(x) / (mean + 1e-5).sqrt() * f64::from(w);
                    assert!(
                        (f64::from(found) - exact).abs() <= 1e-6 * (1e-3 + exact.abs()),
                        "{found} {exact}"
                    );
                }
            }
        }
    }

    #[test]
    fn of_a_view_and_in_other_dtypes() {
        let device = Device::flex();
        let x = Tensor::<3>::random([2, 8, 16], Distribution::Default, &device);
        let w = Tensor::<1>::random([8], Distribution::Default, &device);
        let view = x.swap_dims(1, 2);
        let whole = rms_norm(view.clone(), w.clone(), 1e-6);
        let composed = rms_norm(view.cast(FloatDType::F64), w.cast(FloatDType::F64), 1e-6);
        let error: f64 = (whole.cast(FloatDType::F64) - composed)
            .abs()
            .max()
            .into_scalar();
        assert!(error < 1e-6, "{error}");
    }
}
