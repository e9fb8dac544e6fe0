//! A model's prediction of the next token, at one position.

use std::cmp::Ordering;

/// The distribution over the next token, from its logits.
///
/// ```
/// use sae_metrics::Prediction;
///
/// let prediction = Prediction::new(vec![1.0, 3.0, 2.0]);
/// assert_eq!((prediction.rank(1), prediction.rank(0)), (Some(0), Some(2)));
/// assert_eq!(prediction.top(2), [1, 2]);
/// assert!((prediction.prob(1) - 0.6652).abs() < 1e-4);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    logits: Vec<f32>,
    /// ln Σ exp(logit), in f64: a probability near 1 keeps its digits.
    log_sum_exp: f64,
}

impl Prediction {
    /// Takes one logit per token id.
    pub fn new(logits: Vec<f32>) -> Self {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|&x| f64::from(x - max).exp()).sum();
        Self {
            log_sum_exp: f64::from(max) + sum.ln(),
            logits,
        }
    }

    /// The logit of a token.
    ///
    /// # Panics
    /// If there is no such token.
    pub fn logit(&self, token: u32) -> f32 {
        self.logits[token as usize]
    }

    /// The probability of a token.
    ///
    /// # Panics
    /// If there is no such token.
    pub fn prob(&self, token: u32) -> f64 {
        (f64::from(self.logit(token)) - self.log_sum_exp).exp()
    }

    /// How many tokens come before this one when they are sorted by descending logit, equal ones by id; `None` if a logit is NaN or
    /// none is finite, as there is no order then.
    ///
    /// # Panics
    /// If there is no such token.
    pub fn rank(&self, token: u32) -> Option<usize> {
        let own = self.logit(token);
        if self.log_sum_exp.is_nan() {
            return None;
        }
        let before = |(id, logit): &(usize, &f32)| match logit.total_cmp(&own) {
            Ordering::Greater => true,
            Ordering::Equal => *id < token as usize,
            Ordering::Less => false,
        };
        Some(self.logits.iter().enumerate().filter(before).count())
    }

    /// The `n` likeliest tokens, likeliest first, equal ones by id.
    pub fn top(&self, n: usize) -> Vec<u32> {
        let mut ids: Vec<u32> = (0..self.logits.len() as u32).collect();
        let by_logit = |&a: &u32, &b: &u32| self.logit(b).total_cmp(&self.logit(a)).then(a.cmp(&b));
        let n = n.min(ids.len());
        if n < ids.len() {
            ids.select_nth_unstable_by(n, by_logit);
            ids.truncate(n);
        }
        ids.sort_unstable_by(by_logit);
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::Prediction;

    #[test]
    fn probabilities_add_up_whatever_the_scale_of_the_logits() {
        for scale in [0.0, 1.0, 1e3] {
            let prediction = Prediction::new((0..100).map(|i| scale * (i as f32).sin()).collect());
            let sum: f64 = (0..100).map(|token| prediction.prob(token)).sum();
            assert!((sum - 1.0).abs() < 1e-9, "{sum} at scale {scale}");
        }
    }

    #[test]
    fn ranks_are_places_in_the_order_of_top() {
        let prediction = Prediction::new(vec![0.5, 2.0, 2.0, -1.0, 0.5]);
        assert_eq!(prediction.top(9), [1, 2, 0, 4, 3]);
        for (rank, &token) in prediction.top(5).iter().enumerate() {
            assert_eq!(prediction.rank(token), Some(rank));
        }
    }

    #[test]
    fn what_is_not_a_number_has_no_rank() {
        let prediction = Prediction::new(vec![0.5, f32::NAN, 2.0]);
        assert_eq!((prediction.rank(0), prediction.rank(1)), (None, None));
        assert!(prediction.prob(0).is_nan());
        assert_eq!(Prediction::new(vec![f32::NEG_INFINITY; 3]).rank(1), None);
        // A token that cannot come is the last, not without a place.
        let prediction = Prediction::new(vec![f32::NEG_INFINITY, 1.0]);
        assert_eq!(prediction.rank(0), Some(1));
    }
}
