//! How strongly does each feature fire?

use crate::merge::MergeError;
use serde::{Deserialize, Serialize};

/// The sum and the largest of each feature's activations, by magnitude.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureStrength {
    sum: Vec<f64>,
    max: Vec<f32>,
}

impl FeatureStrength {
    /// Nothing seen of `d_sae` features.
    pub fn new(d_sae: usize) -> Self {
        Self {
            sum: vec![0.0; d_sae],
            max: vec![0.0; d_sae],
        }
    }

    /// Takes in activations of one feature, by their sum and the largest of them.
    ///
    /// # Panics
    /// If the feature is not below `d_sae`.
    pub fn push(&mut self, feature: usize, sum: f64, max: f32) {
        self.sum[feature] += sum;
        self.max[feature] = self.max[feature].max(max);
    }

    /// Σ|f| over the tokens, per feature.
    pub fn sum(&self) -> &[f64] {
        &self.sum
    }

    /// The largest |f|, per feature; 0 for one that never fired.
    pub fn max(&self) -> &[f32] {
        &self.max
    }

    /// Takes in everything `other` has seen.
    ///
    /// # Errors
    /// If the two are about different numbers of features; `self` is then unchanged.
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        MergeError::check(
            "the number of features (d_sae)",
            self.sum.len(),
            other.sum.len(),
        )?;
        for (feature, (&sum, &max)) in other.sum.iter().zip(&other.max).enumerate() {
            self.push(feature, sum, max);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::FeatureStrength;

    #[test]
    fn parts_add_up() {
        let mut strength = FeatureStrength::new(3);
        strength.push(0, 1.5, 1.0);
        let mut other = FeatureStrength::new(3);
        other.push(0, 0.5, 0.5);
        other.push(2, 4.0, 4.0);
        strength.merge(&other).unwrap();
        assert_eq!(strength.sum(), [2.0, 0.0, 4.0]);
        assert_eq!(strength.max(), [1.0, 0.0, 4.0]);
        assert!(strength.merge(&FeatureStrength::new(2)).is_err());
    }
}
