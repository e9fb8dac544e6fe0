//! Count, mean, spread and range of one number per token.

use serde::{Deserialize, Serialize};

/// Count, sum, sum of squares, minimum and maximum of a stream of numbers, in f64.
///
/// Merging two of them gives, to f64 rounding, what one pass over both streams would have given.
///
/// A NaN is counted and makes [`sum`](Self::sum), [`mean`](Self::mean) and [`std`](Self::std) NaN, so that a model that has
/// blown up cannot look healthy; minimum and maximum are those of the other values.
///
/// ```
/// use sae_metrics::Moments;
///
/// let mut left: Moments = [1.0, 2.0].into_iter().collect();
/// let right: Moments = [3.0, 6.0].into_iter().collect();
/// left.merge(&right);
/// assert_eq!((left.n(), left.mean(), left.min(), left.max()), (4, 3.0, Some(1.0), Some(6.0)));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    n: u64,
    #[serde(with = "crate::null")]
    sum: f64,
    #[serde(with = "crate::null")]
    sum_of_squares: f64,
    min: Option<f64>,
    max: Option<f64>,
}

impl Moments {
    /// Takes in one value.
    pub fn push(&mut self, value: f64) {
        self.n += 1;
        self.sum += value;
        self.sum_of_squares += value * value;
        if !value.is_nan() {
            self.min = Some(self.min.map_or(value, |min| min.min(value)));
            self.max = Some(self.max.map_or(value, |max| max.max(value)));
        }
    }

    /// Takes in everything `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        self.n += other.n;
        self.sum += other.sum;
        self.sum_of_squares += other.sum_of_squares;
        self.min = pick(self.min, other.min, f64::min);
        self.max = pick(self.max, other.max, f64::max);
    }

    /// How many values were seen.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Σx.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Σx / n; NaN when nothing was seen.
    pub fn mean(&self) -> f64 {
        self.sum / self.n as f64
    }

    /// The unbiased standard deviation √((Σx² − (Σx)²/n) / (n − 1)), as `torch.std` computes it; NaN for fewer than two values.
    pub fn std(&self) -> f64 {
        unbiased_std(self.n as f64, self.sum, self.sum_of_squares)
    }

    /// The smallest value, if any.
    pub fn min(&self) -> Option<f64> {
        self.min
    }

    /// The largest value, if any.
    pub fn max(&self) -> Option<f64> {
        self.max
    }
}

impl Extend<f64> for Moments {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.push(value));
    }
}

impl FromIterator<f64> for Moments {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut moments = Self::default();
        moments.extend(values);
        moments
    }
}

/// The unbiased standard deviation from n, Σx and Σx². Rounding may leave a constant stream a hair below zero: that is zero.
pub(crate) fn unbiased_std(n: f64, sum: f64, sum_of_squares: f64) -> f64 {
    if n < 2.0 {
        return f64::NAN;
    }
    let squares = sum_of_squares - sum * sum / n;
    if squares < 0.0 {
        0.0
    } else {
        (squares / (n - 1.0)).sqrt()
    }
}

fn pick(left: Option<f64>, right: Option<f64>, choose: fn(f64, f64) -> f64) -> Option<f64> {
    match (left, right) {
        (Some(left), Some(right)) => Some(choose(left, right)),
        (one, None) | (None, one) => one,
    }
}

#[cfg(test)]
mod tests {
    use super::Moments;

    #[test]
    fn the_standard_deviation_is_unbiased() {
        let moments: Moments = [1.0, 2.0, 3.0, 4.0].into_iter().collect();
        assert!(
            (moments.std() - 1.290_994_448_735_805_6).abs() < 1e-15,
            "torch.tensor([1., 2., 3., 4.]).std()"
        );
        let constant: Moments = [0.1; 1000].into_iter().collect();
        assert!(constant.std() < 1e-7);
        assert!([5.0].into_iter().collect::<Moments>().std().is_nan());
        assert!(Moments::default().mean().is_nan());
    }

    #[test]
    fn nan_is_seen_and_survives_being_written() {
        let moments: Moments = [1.0, f64::NAN, 3.0].into_iter().collect();
        assert!(moments.mean().is_nan() && moments.std().is_nan());
        assert_eq!(
            (moments.n(), moments.min(), moments.max()),
            (3, Some(1.0), Some(3.0))
        );
        let text = serde_json::to_string(&moments).unwrap();
        assert_eq!(
            text,
            r#"{"n":3,"sum":null,"sum_of_squares":null,"min":1.0,"max":3.0}"#
        );
        let back: Moments = serde_json::from_str(&text).unwrap();
        assert!(back.sum().is_nan());
    }
}
