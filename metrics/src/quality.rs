//! How close is the reconstruction to the activation it replaces?

use crate::activations::TokenNorms;
use crate::merge::MergeError;
use crate::moments::Moments;
use serde::{Deserialize, Serialize};

/// Below this, the variance or the error counts as zero.
const ZERO: f64 = 1e-10;

/// Squared errors, explained variances and cosine similarity of the reconstruction x̂ of the activations x.
///
/// Three explained variances are in circulation. Two are here, as plain sums; the third, which is not one, is
/// [`LegacyVariance`](crate::LegacyVariance).
///
/// | method | formula | used by |
/// |---|---|---|
/// | [`explained_variance`](Self::explained_variance) | 1 − E‖x−x̂‖² / (E‖x‖² − ‖E x‖²) | SAELens since 6, the R² of a multivariate regression |
/// | [`explained_variance_uncentered`](Self::explained_variance_uncentered) | 1 − E‖x−x̂‖² / E‖x‖² | Llama Scope |
/// | [`LegacyVariance::value`](crate::LegacyVariance::value) | E\[1 − ‖x−x̂‖²/‖x−E x‖²\] | SAELens before |
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReconstructionQuality {
    /// ‖x‖² per token.
    pub squared_norm: Moments,
    /// ‖x − x̂‖² per token, summed over the dimensions.
    pub squared_error: Moments,
    /// x·x̂ / (‖x‖‖x̂‖) per token. A token where either norm is exactly zero has no angle and is left out, so this may have
    /// fewer values than the others; SAELens' mean is NaN as soon as there is one such token.
    pub cossim: Moments,
    /// Σx over the tokens, one sum per dimension; empty before the first token.
    #[serde(with = "crate::null::vec")]
    sum: Vec<f64>,
}

impl ReconstructionQuality {
    /// Takes in one token's norms. The token's x must also go through [`add_to_sum`](Self::add_to_sum).
    pub fn push(&mut self, token: &TokenNorms) {
        self.squared_norm.push(token.squared_in);
        self.squared_error.push(token.squared_error);
        let norms = (token.squared_in * token.squared_out).sqrt();
        if norms != 0.0 {
            self.cossim.push(token.dot / norms);
        }
    }

    /// Adds x, or the sum of several tokens' x, to the sum behind the mean.
    ///
    /// # Panics
    /// If `x` is not as wide as what was added before.
    pub fn add_to_sum(&mut self, x: &[f32]) {
        if self.sum.is_empty() {
            self.sum = vec![0.0; x.len()];
        }
        assert_eq!(
            self.sum.len(),
            x.len(),
            "activations of one hook have one width"
        );
        for (sum, &x) in self.sum.iter_mut().zip(x) {
            *sum += f64::from(x);
        }
    }

    /// E\[x\], one number per dimension; empty before the first token.
    pub fn mean_activation(&self) -> Vec<f64> {
        let n = self.squared_norm.n() as f64;
        self.sum.iter().map(|sum| sum / n).collect()
    }

    /// E‖x−x̂‖²: summed over the dimensions, averaged over the tokens.
    pub fn mse(&self) -> f64 {
        self.squared_error.mean()
    }

    /// E‖x‖² − ‖E x‖², the variance of x summed over the dimensions.
    pub fn total_variance(&self) -> f64 {
        let mean = self.mean_activation();
        self.squared_norm.mean() - mean.iter().map(|mean| mean * mean).sum::<f64>()
    }

    /// 1 − E‖x−x̂‖² / (E‖x‖² − ‖E x‖²). Where the variance is below 1e-10: 1 if the error is too, else 0. NaN without tokens.
    pub fn explained_variance(&self) -> f64 {
        let (variance, mse) = (self.total_variance(), self.mse());
        if variance < ZERO {
            return if mse < ZERO { 1.0 } else { 0.0 };
        }
        1.0 - mse / variance
    }

    /// The fraction of variance unexplained, 1 − [`explained_variance`](Self::explained_variance).
    pub fn fvu(&self) -> f64 {
        1.0 - self.explained_variance()
    }

    /// 1 − E‖x−x̂‖² / E‖x‖²: flattering wherever the mean of x is large.
    pub fn explained_variance_uncentered(&self) -> f64 {
        1.0 - self.mse() / self.squared_norm.mean()
    }

    /// 1 − E‖x−x̂‖² / (E‖x‖² − (E‖x‖²/d)²), with d dimensions: what SAEBench 0.6 (`evals/core/main.py`) writes as `explained_variance`. It takes
    /// the mean of the squares where the square of the mean was meant, so that it is no share of a variance: it falls below 0 or rises above 1
    /// where activations are large. Here for the comparison with SAEBench's figures alone.
    pub fn explained_variance_saebench(&self) -> f64 {
        let squares = self.squared_norm.mean();
        let per_dimension = squares / self.sum.len() as f64;
        1.0 - self.mse() / (squares - per_dimension * per_dimension)
    }

    /// Takes in everything `other` has seen.
    ///
    /// # Errors
    /// If the two are about activations of different widths; `self` is then unchanged.
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        if self.sum.is_empty() {
            self.sum.clone_from(&other.sum);
        } else if !other.sum.is_empty() {
            MergeError::check(
                "the width of the activations",
                self.sum.len(),
                other.sum.len(),
            )?;
            for (sum, more) in self.sum.iter_mut().zip(&other.sum) {
                *sum += more;
            }
        }
        self.squared_norm.merge(&other.squared_norm);
        self.squared_error.merge(&other.squared_error);
        self.cossim.merge(&other.cossim);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::ReconstructionQuality;
    use crate::activations::TokenNorms;

    fn quality(tokens: &[([f32; 2], [f32; 2])]) -> ReconstructionQuality {
        let mut quality = ReconstructionQuality::default();
        for &([a, b], [c, d]) in tokens {
            quality.add_to_sum(&[a, b]);
            quality.push(&TokenNorms {
                squared_in: (a * a + b * b).into(),
                squared_out: (c * c + d * d).into(),
                dot: (a * c + b * d).into(),
                squared_error: ((a - c).powi(2) + (b - d).powi(2)).into(),
            });
        }
        quality
    }

    #[test]
    fn the_explained_variances_differ_where_the_mean_is_large() {
        // x = (10 ± 1, 0), x̂ = its mean shifted by 0.5: E‖x‖² = 101, Var = 1, mse = 1.25.
        let quality = quality(&[([11.0, 0.0], [10.5, 0.0]), ([9.0, 0.0], [10.5, 0.0])]);
        assert!((quality.mse() - 1.25).abs() < 1e-12);
        assert!((quality.total_variance() - 1.0).abs() < 1e-12);
        assert!((quality.explained_variance() + 0.25).abs() < 1e-12);
        assert!((quality.fvu() - 1.25).abs() < 1e-12);
        assert!((quality.explained_variance_uncentered() - (1.0 - 1.25 / 101.0)).abs() < 1e-12);
    }

    #[test]
    fn without_variance_it_is_all_or_nothing() {
        let same = [3.0, 4.0];
        assert!((quality(&[(same, same), (same, same)]).explained_variance() - 1.0).abs() < 1e-12);
        assert!(
            quality(&[(same, [3.0, 4.1]), (same, same)])
                .explained_variance()
                .abs()
                < 1e-12
        );
        assert!(quality(&[]).explained_variance().is_nan());
    }

    #[test]
    fn a_vanishing_reconstruction_has_no_angle() {
        let quality = quality(&[([3.0, 4.0], [0.0, 0.0]), ([3.0, 4.0], [6.0, 8.0])]);
        assert_eq!((quality.cossim.n(), quality.squared_error.n()), (1, 2));
        assert!((quality.cossim.mean() - 1.0).abs() < 1e-12);
    }
}
