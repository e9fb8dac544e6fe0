//! Matrix products with weights as Hugging Face lays them.

#[cfg(feature = "cpu")]
use burn::tensor::bf16 as Bf16;
use burn::tensor::{FloatDType, Tensor};

#[cfg(feature = "cpu")]
use crate::host::{Format, format};

#[cfg(feature = "cpu")]
mod few;
#[cfg(feature = "cpu")]
mod host;
#[cfg(feature = "cpu")]
mod turned;

/// y = x·Wᵀ, in the dtype of x.
///
/// The product is made in the dtype of the weight, to which x is cast, with sums in f32. On the CPU weights in bf16 are not converted as a whole.
///
/// # Shapes
/// `x`: `[.., in]`, `weight`: `[out, in]` → `[.., out]`.
///
/// # Panics
/// If the widths differ.
pub fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>) -> Tensor<D> {
    let (rows, dims) = flattened(&x, &weight);
    let x = x.reshape(rows);
    #[cfg(feature = "cpu")]
    {
        let made: fn(_, _) -> Tensor<2> = match (format(&x), format(&weight)) {
            (Some(Format::F32), Some(Format::F32)) => host::linear,
            (Some(Format::F32), Some(Format::Bf16)) => host::linear_bf16::<f32, f32>,
            (Some(Format::Bf16), Some(Format::Bf16)) => host::linear_bf16::<Bf16, Bf16>,
            _ => composed,
        };
        made(x, weight).reshape(dims)
    }
    #[cfg(not(feature = "cpu"))]
    composed(x, weight).reshape(dims)
}

/// As [`linear`], in f32: on the CPU a product with weights in bf16 comes as it was summed up, not rounded to bf16 before.
///
/// # Shapes
/// `x`: `[.., in]`, `weight`: `[out, in]` → `[.., out]`.
///
/// # Panics
/// If the widths differ.
pub fn linear_f32<const D: usize>(x: Tensor<D>, weight: Tensor<2>) -> Tensor<D> {
    #[cfg(feature = "cpu")]
    if [format(&x), format(&weight)] == [Some(Format::Bf16); 2] {
        let (rows, dims) = flattened(&x, &weight);
        return host::linear_bf16::<Bf16, f32>(x.reshape(rows), weight).reshape(dims);
    }
    linear(x, weight).cast(FloatDType::F32)
}

/// As one matrix: a batched product would be split by batch.
fn composed(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let dtype = x.dtype();
    crate::matmul(x.cast(weight.dtype()), weight.transpose()).cast(dtype)
}

/// y = residual + x·Wᵀ, as [`linear`]: on the CPU added where the product is made, in place if this is the residual's only owner.
///
/// # Shapes
/// `x`: `[.., in]`, `weight`: `[out, in]`, `residual`: `[.., out]` → `[.., out]`.
///
/// # Panics
/// If the widths differ, or the residual is not of the product's shape.
pub fn linear_add<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    residual: Tensor<D>,
) -> Tensor<D> {
    let (rows, dims) = flattened(&x, &weight);
    assert_eq!(
        residual.dims(),
        dims,
        "the residual is not of the product's shape"
    );
    #[cfg(feature = "cpu")]
    {
        let formats = [format(&x), format(&residual), format(&weight)];
        let made: Option<fn(_, _, _) -> Tensor<2>> = match formats {
            [Some(Format::F32), Some(Format::F32), Some(Format::F32)] => Some(host::linear_add),
            [Some(Format::F32), Some(Format::F32), Some(Format::Bf16)] => {
                Some(host::linear_add_bf16::<f32>)
            }
            [Some(Format::Bf16), Some(Format::Bf16), Some(Format::Bf16)] => {
                Some(host::linear_add_bf16::<Bf16>)
            }
            _ => None,
        };
        if let Some(made) = made {
            let residual = residual.reshape([rows[0], dims[D - 1]]);
            return made(x.reshape(rows), weight, residual).reshape(dims);
        }
    }
    let _ = rows;
    residual + linear(x, weight)
}

/// The shape of `x` as one matrix, and the shape of the product.
fn flattened<const D: usize>(x: &Tensor<D>, weight: &Tensor<2>) -> ([usize; 2], [usize; D]) {
    let [n_out, n_in] = weight.dims();
    let mut dims = x.dims();
    assert_eq!(
        dims[D - 1],
        n_in,
        "the weight reads {n_in} values, the input has {}",
        dims[D - 1]
    );
    let rows = dims[..D - 1].iter().product();
    dims[D - 1] = n_out;
    ([rows, n_in], dims)
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::{linear, linear_add};
    use burn::tensor::{Device, Distribution, Tensor};

    fn random<const D: usize>(dims: [usize; D]) -> Tensor<D> {
        Tensor::random(dims, Distribution::Default, &Device::flex())
    }

    fn assert_close<const D: usize>(a: Tensor<D>, b: Tensor<D>) {
        let scale: f32 = b.clone().abs().max().into_scalar();
        let error: f32 = (a - b).abs().max().into_scalar();
        assert!(error < 1e-5 * scale.max(1.0), "{error} of {scale}");
    }

    #[test]
    fn is_the_product_with_the_transpose_for_any_layout() {
        for (rows, n_in, n_out) in [
            (1, 1, 1),
            (1, 70, 33),
            (1, 576, 700),
            (3, 97, 50),
            (7, 64, 130),
            (8, 200, 400),
            (9, 64, 31),
            (9, 1, 1),
            (37, 50, 1000),
            (192, 96, 300),
            (200, 96, 300),
        ] {
            let (x, w) = (random([rows, n_in]), random([n_out, n_in]));
            let expected = x.clone().matmul(w.clone().transpose());
            assert_close(linear(x.clone(), w.clone()), expected.clone());
            // The same numbers, laid out the other way round.
            let flipped = |t: Tensor<2>| {
                let [n, m] = t.dims();
                (t.transpose().reshape([n * m]).reshape([m, n])).transpose()
            };
            assert_close(
                linear(flipped(x.clone()), flipped(w.clone())),
                expected.clone(),
            );
            // A view into something larger.
            let wide = Tensor::cat(vec![random([rows, 3]), x], 1).narrow(1, 3, n_in);
            assert_close(linear(wide, w), expected);
        }
    }

    #[test]
    fn adds_in_place_only_what_nobody_else_holds() {
        let (x, w, residual) = (random([2, 5, 40]), random([24, 40]), random([2, 5, 24]));
        let expected = residual.clone() + linear(x.clone(), w.clone());
        let held = residual.clone();
        assert_close(linear_add(x.clone(), w.clone(), residual), expected.clone());
        assert_close(
            held.clone() + linear(x.clone(), w.clone()),
            expected.clone(),
        );
        assert_close(linear_add(x, w, held), expected);
    }

    #[test]
    fn nothing_in_gives_nothing_or_zeros() {
        assert_eq!(linear(random([0, 8]), random([4, 8])).dims(), [0, 4]);
    }

    #[test]
    #[should_panic(expected = "the weight reads 8 values, the input has 9")]
    fn widths_must_agree() {
        linear(random([2, 9]), random([4, 8]));
    }
}
