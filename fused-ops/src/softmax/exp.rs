//! The exponential the compiler can vectorise.

/// eˣ for x ≤ 88, within 1.5e-7 of the truth relatively; below −87 it stays at e⁻⁸⁷ ≈ 1.6e-38. NaN stays NaN.
///
/// The Cephes reduction and polynomial (eˣ = 2ⁿ·eʳ, |r| ≤ ln 2 / 2), without branches, calls or float-to-integer casts: adding
/// `ROUND` rounds to an integer, and leaves that integer in the low bits of the sum, from where it is shifted into the exponent.
#[inline(always)]
#[allow(clippy::inline_always)] // it must end up inside the caller's loop to become vector code
pub fn exp(x: f32) -> f32 {
    // ln 2 in two parts, the first short enough that n·LN_2_HIGH is exact.
    const LN_2_HIGH: f32 = 355.0 / 512.0;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    /// 1.5·2²³.
    const ROUND: f32 = 12_582_912.0;

    let x = if x < -87.0 { -87.0 } else { x };
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let mut p = 1.987_569_1e-4;
    for coefficient in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ] {
        p = p * r + coefficient;
    }
    let power = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    (p * r * r + r + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn agrees_with_the_standard_library_to_single_precision() {
        let mut x = 88.0_f32;
        while x > -87.0 {
            let truth = f64::from(x).exp();
            let error = (f64::from(exp(x)) - truth).abs() / truth;
            assert!(error < 1.5e-7, "exp({x}) is off by {error:e}");
            x -= 3.1e-4;
        }
    }

    #[test]
    fn ends_of_the_range() {
        assert!((exp(0.0) - 1.0).abs() < f32::EPSILON);
        assert!(exp(-1000.0) < 2e-38);
        assert!(exp(f32::NEG_INFINITY) < 2e-38);
        assert!(exp(f32::NAN).is_nan());
    }
}
