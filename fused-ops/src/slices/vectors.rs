//! Operations on two vectors. Sums have many accumulators, so that they vectorise; call them within [`vectorised`](super::vectorised).

use crate::host::Number;

/// Accumulators of a sum: two of the widest vectors.
const LANES: usize = 32;

/// Σ a·b.
///
/// # Panics
/// If the lengths differ.
#[inline(always)]
#[allow(clippy::inline_always)] // compiled into the caller's vectorised loop
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    wide_dot(a, b)
}

/// As [`dot`], of numbers in another format.
#[inline(always)]
#[allow(clippy::inline_always)] // compiled into the caller's vectorised loop
pub(crate) fn wide_dot<E: Number>(a: &[f32], b: &[E]) -> f32 {
    assert_eq!(a.len(), b.len());
    let mut sums = [0.0_f32; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            sums[i] += a[i] * b[i].wide();
        }
    }
    total(sums)
        + a_rest
            .iter()
            .zip(b_rest)
            .map(|(a, b)| a * b.wide())
            .sum::<f32>()
}

/// Σ a².
#[inline(always)]
#[allow(clippy::inline_always)] // compiled into the caller's vectorised loop
pub fn sum_of_squares(a: &[f32]) -> f32 {
    dot(a, a)
}

/// out += scale·x.
///
/// # Panics
/// If the lengths differ.
#[inline(always)]
#[allow(clippy::inline_always)] // compiled into the caller's vectorised loop
pub fn add_scaled(out: &mut [f32], scale: f32, x: &[f32]) {
    add_scaled_wide(out, scale, x);
}

/// As [`add_scaled`], of numbers in another format.
#[inline(always)]
#[allow(clippy::inline_always)] // compiled into the caller's vectorised loop
pub(crate) fn add_scaled_wide<E: Number>(out: &mut [f32], scale: f32, x: &[E]) {
    assert_eq!(out.len(), x.len());
    for (out, &x) in out.iter_mut().zip(x) {
        *out += scale * x.wide();
    }
}

#[inline(always)]
#[allow(clippy::inline_always)] // compiled into the caller's vectorised loop
fn total(mut sums: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            sums[i] += sums[i + width];
        }
        width /= 2;
    }
    sums[0]
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // one multiplication and one addition, here and there
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_agree_with_f64(pairs in prop::collection::vec((-3.0_f32..3.0, -3.0_f32..3.0), 0..200)) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let wide = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
                a.iter().zip(&b).map(|(&a, &b)| f(f64::from(a), f64::from(b))).sum()
            };
            prop_assert!((f64::from(dot(&a, &b)) - wide(&|a, b| a * b)).abs() < 1e-3);
            prop_assert!((f64::from(sum_of_squares(&a)) - wide(&|a, _| a * a)).abs() < 1e-3);
            let mut out = b.clone();
            add_scaled(&mut out, 0.5, &a);
            for i in 0..a.len() {
                prop_assert_eq!(out[i], b[i] + 0.5 * a[i]);
            }
        }
    }
}
