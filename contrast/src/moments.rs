//! Mean and standard deviation of values most of which are zero.

/// The share of a value that is rounding: some digits of an f32.
const ROUNDING: f64 = 1e-6;

/// Mean and variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moments {
    pub(crate) n: usize,
    pub(crate) mean: f64,
    /// The sum of squared differences from the mean.
    squares: f64,
}

impl Moments {
    /// Of `n` values, of which these are not zero: in two passes, so that nothing cancels.
    pub(crate) fn new(n: usize, values: impl Iterator<Item = f64> + Clone) -> Self {
        let (mut sum, mut fired) = (0.0, 0_usize);
        for value in values.clone() {
            sum += value;
            fired += 1;
        }
        let mean = sum / n as f64;
        let mut squares = (n - fired) as f64 * mean * mean;
        for value in values {
            squares += (value - mean) * (value - mean);
        }
        Self { n, mean, squares }
    }

    /// The unbiased variance; none of a single value.
    pub(crate) fn variance(&self) -> Option<f64> {
        (self.n > 1).then(|| self.squares / (self.n - 1) as f64)
    }

    pub(crate) fn sd(&self) -> Option<f64> {
        self.variance().map(f64::sqrt)
    }

    /// Whether the values of the sets vary by more than what is left of rounding: where prompts begin alike, a feature may be largest on the
    /// same token of all, and its value then differs in the last digits only, by how prompts were batched. An effect over that would be noise.
    pub(crate) fn vary(&self, other: &Self) -> bool {
        let size = self.mean.abs().max(other.mean.abs());
        self.pooled_sd(other).is_some_and(|sd| sd > ROUNDING * size)
    }

    /// Whether these values differ by more than the rounding of values of this size.
    pub(crate) fn varies(&self, size: f64) -> bool {
        self.sd().is_some_and(|sd| sd > ROUNDING * size)
    }

    /// The standard deviation within two sets, ddof 1 in each.
    pub(crate) fn pooled_sd(&self, other: &Self) -> Option<f64> {
        let degrees = (self.n + other.n).checked_sub(2).filter(|&n| n > 0)?;
        Some(((self.squares + other.squares) / degrees as f64).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::Moments;

    #[test]
    fn zeros_count() {
        let some = Moments::new(4, [3.0, 5.0].into_iter());
        let all = Moments::new(4, [3.0, 0.0, 5.0, 0.0].into_iter());
        assert_eq!(some, all);
        assert_eq!((some.mean, some.variance()), (2.0, Some(6.0)));
        assert_eq!(Moments::new(1, [3.0].into_iter()).sd(), None);
    }
}
