//! Rotary position embedding in Hugging Face's form.

#[cfg(any(feature = "cuda", feature = "wgpu"))]
use burn::tensor::DType;
use burn::tensor::{FloatDType, Tensor};

#[cfg(any(feature = "cuda", feature = "wgpu"))]
use crate::cube::{self, Kernels as _};
#[cfg(feature = "cpu")]
use crate::host::{Format, HostTensor, Number, common, for_each_row, format, tensor, vectorised};
#[cfg(any(feature = "cuda", feature = "wgpu"))]
use burn::backend::Dispatch;
#[cfg(feature = "cpu")]
use burn::tensor::bf16;

/// Turns the pair (xᵢ, xᵢ₊ₕ), h half the head, by the position's i-th angle: the half-split form of Hugging Face, not the
/// interleaved one of the paper. In f32, cast back.
///
/// # Shapes
/// `x`: `[b, p, heads, d_head]`, `cos`, `sin`: `[1, p, 1, d_head / 2]` or `[b, p, 1, d_head / 2]`, f32 → as `x`.
///
/// # Panics
/// If the shapes do not fit.
pub fn rotate_half(x: Tensor<4>, cos: Tensor<4>, sin: Tensor<4>) -> Tensor<4> {
    let [b, p, _, d_head] = x.dims();
    let half = d_head / 2;
    let rows = cos.dims()[0];
    assert!(
        rows == 1 || rows == b,
        "the same angles for every row, or each row's own"
    );
    assert_eq!(cos.dims(), [rows, p, 1, half], "an angle for every pair");
    assert_eq!(sin.dims(), [rows, p, 1, half], "an angle for every pair");
    #[cfg(feature = "cpu")]
    if common([format(&cos), format(&sin)]) == Some(Format::F32) {
        match format(&x) {
            Some(Format::F32) => return host::<f32>(x, cos, sin),
            Some(Format::Bf16) => return host::<bf16>(x, cos, sin),
            None => {}
        }
    }
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    if cube::on_gpu(&x) && [cos.dtype(), sin.dtype()] == [DType::F32; 2] {
        let [x, cos, sin] = [x, cos, sin].map(Tensor::into_dispatch);
        return Tensor::from_dispatch(Dispatch::kernel_rotate_half(x, cos, sin));
    }
    let dtype = FloatDType::from(x.dtype());
    let x = x.cast(FloatDType::F32);
    let (first, second) = (x.clone().narrow(3, 0, half), x.narrow(3, half, half));
    let turned_first = first.clone() * cos.clone() - second.clone() * sin.clone();
    let turned_second = second * cos + first * sin;
    Tensor::cat(vec![turned_first, turned_second], 3).cast(dtype)
}

/// In the memory of `x`, if this is its only owner.
#[cfg(feature = "cpu")]
fn host<E: Number>(x: Tensor<4>, cos: Tensor<4>, sin: Tensor<4>) -> Tensor<4> {
    let dims @ [_, p, heads, d_head] = x.dims();
    let half = d_head / 2;
    let positions = cos.dims()[0] * p;
    let (cos, sin) = (
        HostTensor::<4>::new(cos).into_contiguous(),
        HostTensor::<4>::new(sin).into_contiguous(),
    );
    let (cos, sin) = (cos.as_slice(), sin.as_slice());
    let mut values = HostTensor::<4, E>::new(x).into_vec();
    for_each_row(&mut values, heads * d_head, |row, heads| {
        let start = row % positions * half;
        let (cos, sin) = (&cos[start..][..half], &sin[start..][..half]);
        vectorised(|| {
            for head in heads.chunks_exact_mut(d_head) {
                let (first, second) = head.split_at_mut(half);
                for (((x, y), &cos), &sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                    let (a, b) = (x.wide(), y.wide());
                    *x = E::narrow(a * cos - b * sin);
                    *y = E::narrow(b * cos + a * sin);
                }
            }
        });
    });
    tensor(values, dims)
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::rotate_half;
    use burn::tensor::{Device, Distribution, FloatDType, Tensor};

    #[test]
    fn both_ways_agree_and_keep_lengths() {
        let device = Device::flex();
        let x = Tensor::<4>::random([2, 70, 3, 8], Distribution::Normal(0.0, 1.0), &device);
        let angle = Tensor::<4>::random([1, 70, 1, 4], Distribution::Uniform(0.0, 6.3), &device);
        let (cos, sin) = (angle.clone().cos(), angle.sin());
        let turned = rotate_half(x.clone(), cos.clone(), sin.clone());
        let wide = rotate_half(
            x.clone().cast(FloatDType::F64),
            cos.cast(FloatDType::F32),
            sin.cast(FloatDType::F32),
        );
        let error: f64 = (turned.clone().cast(FloatDType::F64) - wide)
            .abs()
            .max()
            .into_scalar();
        assert!(error < 1e-6, "{error}");
        let length = |x: Tensor<4>| x.square().sum_dim(3);
        let error: f32 = (length(turned) - length(x)).abs().max().into_scalar();
        assert!(error < 1e-4, "{error}");
    }
}
