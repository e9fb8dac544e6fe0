//! Products with weights in bf16 that are never converted as a whole: x·Wᵀ with sums in f32.
//!
//! Where the processor multiplies pairs of bf16 numbers (`AVX512_BF16`), the weights of some outputs at a time are laid out as that
//! instruction reads them ([`pack`]) and meet all rows of x ([`blocked`]); a few rows meet the weights as they lie ([`few`]). Elsewhere
//! some outputs at a time become f32 ([`portable`]). Both ways x is rounded to bf16 first, so that they compute the same but for the
//! order of the sums.

#[cfg(target_arch = "x86_64")]
mod blocked;
#[cfg(target_arch = "x86_64")]
mod few;
#[cfg(target_arch = "x86_64")]
mod kernel;
#[cfg(target_arch = "x86_64")]
mod pack;
mod place;
mod portable;
#[cfg(test)]
mod tests;

use crate::host::Number;
use crate::product::Operand;
use burn::tensor::bf16;
use place::Place;

/// Multiplications below which a second thread does not pay.
const MIN_PARALLEL: usize = 1 << 20;

/// out = x·Wᵀ, or out += x·Wᵀ, `out` being row-major. Sums, and what is added to, are in f32; the result is rounded once.
///
/// # Shapes
/// `x`: `[rows, in]`, `weight`: `[out, in]`, `out`: `rows · out` numbers.
///
/// # Safety
/// `out` is valid for writing that many numbers, and for reading them where it is added to; nothing else refers to it.
///
/// # Panics
/// If the widths differ, or an operand is larger than its slice.
pub(crate) unsafe fn product<X: Number, E: Number>(
    out: *mut E,
    x: Operand<'_, X>,
    weight: Operand<'_, bf16>,
    add: bool,
) {
    // SAFETY: as the caller says.
    unsafe { product_by(sae_backend::has_bf16_products(), out, x, weight, add) };
}

/// As [`product`], by the processor's instructions or without them.
///
/// # Safety
/// As [`product`]; `native` only where [`sae_backend::has_bf16_products`].
unsafe fn product_by<X: Number, E: Number>(
    native: bool,
    out: *mut E,
    x: Operand<'_, X>,
    weight: Operand<'_, bf16>,
    add: bool,
) {
    let ([rows, n_in], [n_out, inner]) = (x.dims, weight.dims);
    assert_eq!(n_in, inner, "the inner dimensions differ");
    x.check();
    weight.check();
    // SAFETY: `out` is of the product's size and nobody else's, as the caller says.
    let place = unsafe { Place::new(out, rows, n_out, add) };
    if rows == 0 || n_out == 0 {
        return;
    }
    if n_in == 0 {
        for row in 0..rows {
            // SAFETY: this thread writes all of it, row by row.
            unsafe { place.put(row, 0, &vec![0.0; n_out]) };
        }
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if native {
        // SAFETY: the caller has found the instructions.
        unsafe {
            if few::suits(&x, &weight) {
                few::product(&place, x, weight);
            } else {
                blocked::product(&place, x, weight);
            }
        }
        return;
    }
    let _ = native;
    portable::product(&place, x, weight);
}
