//! The reduced features of prompts, by feature.

use crate::error::ObservationError;
use std::ops::Range;

/// A feature that is not zero in a prompt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Active {
    /// The feature.
    pub feature: u32,
    /// Its value in this prompt: the maximum over the tokens, their mean, or another.
    pub value: f32,
    /// The token that the value is of, counted from 0; of a mean, the token of the maximum.
    pub position: u32,
}

/// What one prompt has of a feature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// The prompt, counted from 0 through both sets.
    pub prompt: u32,
    /// The value, never 0.
    pub value: f32,
    /// The token that the value is of.
    pub position: u32,
}

/// The features of prompts in compressed sparse column form: what is not zero, feature after feature, and within a feature by prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Observations {
    n_prompts: usize,
    starts: Vec<usize>,
    entries: Vec<Entry>,
}

impl Observations {
    /// Turns prompts with their active features into features with their prompts. The features of a prompt may come in any order; values of
    /// zero are dropped.
    ///
    /// # Errors
    /// If a feature is not below `d_sae`, comes twice in one prompt, or has a value that is not finite.
    pub fn new(d_sae: usize, prompts: &[Vec<Active>]) -> Result<Self, ObservationError> {
        let mut starts = vec![0_usize; d_sae + 1];
        for (prompt, active) in prompts.iter().enumerate() {
            for &Active { feature, value, .. } in active {
                if feature as usize >= d_sae {
                    return Err(ObservationError::Feature {
                        prompt,
                        feature,
                        d_sae,
                    });
                }
                if !value.is_finite() {
                    return Err(ObservationError::NotFinite {
                        prompt,
                        feature,
                        value,
                    });
                }
                starts[feature as usize + 1] += usize::from(value != 0.0);
            }
        }
        for feature in 0..d_sae {
            starts[feature + 1] += starts[feature];
        }
        let empty = Entry {
            prompt: u32::MAX,
            value: 0.0,
            position: 0,
        };
        let mut entries = vec![empty; starts[d_sae]];
        let mut next = starts.clone();
        for (prompt, active) in prompts.iter().enumerate() {
            for one in active.iter().filter(|one| one.value != 0.0) {
                let feature = one.feature as usize;
                let at = next[feature];
                let before = at.checked_sub(1).filter(|&at| at >= starts[feature]);
                if before.is_some_and(|at| entries[at].prompt == prompt as u32) {
                    return Err(ObservationError::Twice {
                        prompt,
                        feature: one.feature,
                    });
                }
                entries[at] = Entry {
                    prompt: prompt as u32,
                    value: one.value,
                    position: one.position,
                };
                next[feature] += 1;
            }
        }
        Ok(Self {
            n_prompts: prompts.len(),
            starts,
            entries,
        })
    }

    /// Width of the dictionary.
    pub fn d_sae(&self) -> usize {
        self.starts.len() - 1
    }

    /// Prompts in all, those of both sets.
    pub fn n_prompts(&self) -> usize {
        self.n_prompts
    }

    /// Values that are not zero, over all features and prompts.
    pub fn n_entries(&self) -> usize {
        self.entries.len()
    }

    /// The prompts in which a feature is not zero, in ascending order.
    ///
    /// # Panics
    /// If there is no such feature.
    pub fn feature(&self, feature: u32) -> &[Entry] {
        let feature = feature as usize;
        &self.entries[self.starts[feature]..self.starts[feature + 1]]
    }

    /// The prompts of a range in which a feature is largest, the largest first, `n` at most.
    ///
    /// # Panics
    /// If there is no such feature.
    pub fn largest(&self, feature: u32, prompts: Range<usize>, n: usize) -> Vec<Entry> {
        let entries = self.feature(feature).iter().copied();
        let mut of_range: Vec<Entry> = entries
            .filter(|entry| prompts.contains(&(entry.prompt as usize)))
            .collect();
        // Stable: equals stay in the order of prompts.
        of_range.sort_by(|x, y| y.value.total_cmp(&x.value));
        of_range.truncate(n);
        of_range
    }
}

#[cfg(test)]
mod tests {
    use super::{Active, Observations};

    fn active(feature: u32, value: f32) -> Active {
        Active {
            feature,
            value,
            position: 3,
        }
    }

    #[test]
    fn prompts_become_columns_without_their_zeros() {
        let prompts = [
            vec![active(2, 1.0), active(0, -2.0)],
            vec![active(1, 0.0)],
            vec![active(2, 4.0)],
        ];
        let observed = Observations::new(4, &prompts).unwrap();
        let column = |feature| -> Vec<_> {
            let entries = observed.feature(feature).iter();
            entries.map(|entry| (entry.prompt, entry.value)).collect()
        };
        assert_eq!(column(0), [(0, -2.0)]);
        assert!(column(1).is_empty() && column(3).is_empty());
        assert_eq!(column(2), [(0, 1.0), (2, 4.0)]);
        assert_eq!((observed.d_sae(), observed.n_entries()), (4, 3));
        let largest = observed.largest(2, 0..3, 1);
        assert_eq!((largest.len(), largest[0].prompt), (1, 2));
        assert_eq!(observed.largest(2, 0..2, 9)[0].prompt, 0);
    }

    #[test]
    fn what_cannot_be_taken_is_named() {
        let message = |active| {
            let error = Observations::new(4, &[vec![], active]).unwrap_err();
            error.to_string()
        };
        assert_eq!(
            message(vec![active(4, 1.0)]),
            "prompt 1 has feature 4, and there are 4, counted from 0"
        );
        assert_eq!(
            message(vec![active(2, 1.0), active(3, 1.0), active(2, 2.0)]),
            "prompt 1 has feature 2 twice; give each feature one value a prompt"
        );
        assert!(message(vec![active(2, f32::NAN)]).starts_with("prompt 1: feature 2 is NaN;"));
    }
}
