//! The old explained variance, which is not a sum.

use crate::merge::MergeError;
use crate::moments::Moments;
use serde::{Deserialize, Serialize};

/// `explained_variance_legacy`: the mean over tokens of 1 − ‖x−x̂‖²/‖x−x̄‖², with x̄ the mean over all tokens.
///
/// x̄ is known only at the end and sits in a denominator per token, so no fixed number of sums gives the figure. (SAELens takes
/// x̄ within each batch, so that its figure depends on the batch size.) The exact figure needs every x once x̄ is known, and
/// there are two ways to have that:
///
/// - this accumulator keeps x itself (f32) as long as all of it fits in `max_bytes`, and drops everything beyond that. It merges
///   exactly: which values are kept, and whether any are, does not depend on the order;
/// - where it has dropped them, a second pass over the same rows, [`explained_variance_legacy`](crate::explained_variance_legacy),
///   computes the same figure in constant memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegacyVariance {
    max_bytes: usize,
    width: usize,
    activations: Vec<f32>,
    squared_errors: Vec<f64>,
    complete: bool,
}

impl LegacyVariance {
    /// Keeps at most `max_bytes` of activations; 0 keeps none.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            width: 0,
            activations: Vec::new(),
            squared_errors: Vec::new(),
            complete: true,
        }
    }

    /// Whether everything seen is still there, so that [`value`](Self::value) is known.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Takes in one token: its activation and its ‖x−x̂‖².
    ///
    /// # Panics
    /// If `x` is not as wide as the tokens before.
    pub fn push(&mut self, x: &[f32], squared_error: f64) {
        self.width = if self.width == 0 { x.len() } else { self.width };
        assert_eq!(
            self.width,
            x.len(),
            "activations of one hook have one width"
        );
        if self.makes_room(x.len()) {
            self.activations.extend_from_slice(x);
            self.squared_errors.push(squared_error);
        }
    }

    /// The figure, given [`mean_activation`](crate::ReconstructionQuality::mean_activation) of the same tokens; `None` where too
    /// much was seen to keep, NaN where nothing was.
    pub fn value(&self, mean_activation: &[f64]) -> Option<f64> {
        if !self.complete {
            return None;
        }
        let tokens = self.activations.chunks_exact(self.width.max(1));
        let terms: Moments = tokens
            .zip(&self.squared_errors)
            .map(|(x, error)| term(*error, squared_distance(x, mean_activation)))
            .collect();
        Some(terms.mean())
    }

    /// Takes in everything `other` has seen. The smaller of the two limits holds from then on.
    ///
    /// # Errors
    /// If the two are about activations of different widths; `self` is then unchanged.
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        if self.width == 0 {
            self.width = other.width;
        } else if other.width != 0 {
            MergeError::check("the width of the activations", self.width, other.width)?;
        }
        self.max_bytes = self.max_bytes.min(other.max_bytes);
        self.complete &= other.complete;
        if self.makes_room(other.activations.len()) {
            self.activations.extend_from_slice(&other.activations);
            self.squared_errors.extend_from_slice(&other.squared_errors);
        }
        Ok(())
    }

    /// Drops everything if `more` numbers do not fit. Returns whether they fit.
    fn makes_room(&mut self, more: usize) -> bool {
        let bytes = (self.activations.len() + more).saturating_mul(size_of::<f32>());
        if !self.complete || bytes > self.max_bytes {
            self.complete = false;
            self.activations = Vec::new();
            self.squared_errors = Vec::new();
        }
        self.complete
    }
}

/// One token's share, 1 − ‖x−x̂‖²/‖x−x̄‖².
pub(crate) fn term(squared_error: f64, squared_distance: f64) -> f64 {
    1.0 - squared_error / squared_distance
}

fn squared_distance(x: &[f32], mean: &[f64]) -> f64 {
    x.iter()
        .zip(mean)
        .map(|(&x, mean)| (f64::from(x) - mean).powi(2))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::LegacyVariance;

    #[test]
    fn keeps_all_or_nothing() {
        let mut legacy = LegacyVariance::new(16);
        assert!(
            legacy.value(&[]).is_some_and(f64::is_nan),
            "nothing seen is undefined, not too much"
        );
        legacy.push(&[1.0, 0.0], 0.5);
        legacy.push(&[-1.0, 0.0], 1.0);
        assert_eq!(
            legacy.value(&[0.0, 0.0]),
            Some(0.25),
            "the mean of 1 − 0.5/1 and 1 − 1/1"
        );
        let sixteen_bytes = legacy.clone();
        legacy.push(&[0.0, 0.0], 0.0);
        assert!(!legacy.is_complete());
        assert_eq!(
            (legacy.value(&[0.0, 0.0]), legacy.activations.capacity()),
            (None, 0)
        );

        let mut with_room = LegacyVariance::new(1000);
        with_room.merge(&sixteen_bytes).unwrap();
        assert!(with_room.is_complete());
        with_room.push(&[0.0, 0.0], 0.0);
        assert!(!with_room.is_complete(), "the smaller limit holds");
    }
}
