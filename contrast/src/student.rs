//! Student's t.

use std::f64::consts::PI;

/// Terms of the continued fraction at most; it takes some √ν of them.
const TERMS: usize = 100_000;
/// From here on the series of `gamma_ratio` is exact to the last digits.
const LARGE: f64 = 24.0;

/// The probability of a t at least as far from 0 with so many degrees of freedom: `I_x(ν/2, 1/2)` at `x = ν/(ν + t²)`, which keeps its relative
/// precision far out in the tail, where `1 − cdf` has none.
///
/// Not a number if `t` is none or there are no degrees of freedom.
///
/// Written out here rather than taken from a library: those that were looked at stop the continued fraction after a fixed number of terms, too few
/// for many degrees of freedom.
pub fn two_sided_p(t: f64, degrees: f64) -> f64 {
    if t.is_nan() || degrees.is_nan() || degrees <= 0.0 {
        return f64::NAN;
    }
    if t == 0.0 {
        return 1.0;
    }
    if t.is_infinite() {
        return 0.0;
    }
    let (a, b) = (degrees / 2.0, 0.5);
    // x and 1 − x, each without cancellation; the quotient does not overflow where t² would.
    let ratio = (t / degrees.sqrt()).powi(2);
    let (x, rest) = (1.0 / (1.0 + ratio), ratio / (1.0 + ratio));
    if ratio.is_infinite() {
        return 0.0;
    }
    let front = gamma_ratio(a) / PI.sqrt() * (-a * ratio.ln_1p()).exp() * rest.sqrt();
    let p = if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(a, b, x) / a
    } else {
        1.0 - front * fraction(b, a, rest) / b
    };
    p.clamp(0.0, 1.0)
}

/// `Γ(a + 1/2) / Γ(a)`: the asymptotic series (Tricomi and Erdélyi), reached by `a·r(a+1)/(a + 1/2)`.
fn gamma_ratio(a: f64) -> f64 {
    let (mut a, mut factor) = (a, 1.0);
    while a < LARGE {
        factor *= a / (a + 0.5);
        a += 1.0;
    }
    let u = 1.0 / a;
    let coefficients = [
        -1.0 / 8.0,
        1.0 / 128.0,
        5.0 / 1024.0,
        -21.0 / 32_768.0,
        -399.0 / 262_144.0,
        869.0 / 4_194_304.0,
        39_325.0 / 33_554_432.0,
    ];
    let series = coefficients.iter().rev().fold(0.0, |sum, c| (sum + c) * u);
    factor * a.sqrt() * (1.0 + series)
}

/// The continued fraction of the incomplete beta function, by Lentz's method (Numerical Recipes, 6.4).
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    let away = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    for m in 1..TERMS {
        let m = m as f64;
        let even = m * (b - m) * x / ((a - 1.0 + 2.0 * m) * (a + 2.0 * m));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 1.0 + 2.0 * m));
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        let change = d * c;
        h *= change;
        if (change - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    h
}

#[cfg(test)]
mod tests {
    use super::two_sided_p;

    #[test]
    fn few_degrees_have_formulas() {
        for t in [1e-9, 0.1_f64, 1.0, 1.7, 30.0, 1e6] {
            // One: Cauchy's distribution. Two: 1 − t/√(2 + t²).
            let one = 2.0 * (1.0 / t).atan() / std::f64::consts::PI;
            let root = (2.0 + t * t).sqrt();
            let two = 2.0 / (root * (root + t));
            assert!((two_sided_p(t, 1.0) / one - 1.0).abs() < 1e-13, "{t}");
            assert!((two_sided_p(t, 2.0) / two - 1.0).abs() < 1e-13, "{t}");
            let difference = two_sided_p(t, 1.5) - two_sided_p(-t, 1.5);
            assert!(difference.abs() < 1e-300, "{t}");
        }
    }

    #[test]
    fn many_degrees_come_to_the_normal_distribution() {
        // scipy 1.16: 2·norm.sf(t); the t with 1e9 degrees of freedom differs by some 1e-8.
        for (t, p) in [
            (0.5, 0.617_075_077_451_973_9),
            (3.0, 0.002_699_796_063_260_189_4),
        ] {
            assert!((two_sided_p(t, 1e9) / p - 1.0).abs() < 1e-6, "{t}");
        }
    }

    #[test]
    fn the_ends() {
        assert!((two_sided_p(0.0, 3.0) - 1.0).abs() < f64::EPSILON);
        assert!(two_sided_p(f64::INFINITY, 3.0) == 0.0 && two_sided_p(1e200, 3.0) == 0.0);
        assert!(two_sided_p(f64::NAN, 3.0).is_nan() && two_sided_p(1.0, 0.0).is_nan());
    }
}
