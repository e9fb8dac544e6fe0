//! How many tokens a run had seen at a step.

use super::TrainingRecord;

/// Pairs at the most.
const MOST: usize = 256;

/// Steps and tokens between which the others lie on straight lines: two pairs, where batches are alike.
#[derive(Debug, Default)]
pub(super) struct Clock {
    knots: Vec<(u64, u64)>,
}

impl Clock {
    pub(super) fn new(records: &[TrainingRecord]) -> Self {
        let mut pairs: Vec<(u64, u64)> = records.iter().map(|r| (r.step, r.tokens)).collect();
        if !pairs.is_sorted() {
            pairs.sort_unstable();
        }
        pairs.dedup_by_key(|pair| pair.0);
        // A token more or less, unless that takes too many pairs.
        let mut tolerance = 0.5;
        loop {
            let knots = knots(&pairs, tolerance);
            if knots.len() <= MOST {
                return Self { knots };
            }
            tolerance *= 8.0;
        }
    }

    pub(super) fn knots(&self) -> &[(u64, u64)] {
        &self.knots
    }

    /// Tokens at a step, between the first and the last.
    pub(super) fn tokens(&self, step: u64) -> f64 {
        let after = self.knots.partition_point(|knot| knot.0 <= step);
        let at = |i: usize| self.knots.get(i).map(|&(s, t)| (s as f64, t as f64));
        match (after.checked_sub(1).and_then(at), at(after)) {
            (Some((s0, t0)), Some((s1, t1))) => t0 + (t1 - t0) * ((step as f64 - s0) / (s1 - s0)),
            (Some((_, tokens)), None) | (None, Some((_, tokens))) => tokens,
            (None, None) => 0.0,
        }
    }

    /// Steps and tokens at the first and at the last record.
    pub(super) fn ends(&self) -> Option<[(u64, u64); 2]> {
        Some([*self.knots.first()?, *self.knots.last()?])
    }

    /// Whether tokens were counted at all.
    pub(super) fn runs(&self) -> bool {
        self.knots.last().is_some_and(|last| last.1 > 0)
    }
}

/// Ends a line at the last pair up to which one line passes all others within the tolerance.
fn knots(pairs: &[(u64, u64)], tolerance: f64) -> Vec<(u64, u64)> {
    let mut knots: Vec<(u64, u64)> = pairs.first().copied().into_iter().collect();
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    for window in pairs.windows(2) {
        let (before, pair) = (window[0], window[1]);
        let from = *knots.last().unwrap_or(&before);
        let mut slopes = slopes(from, pair, tolerance);
        if !(low..=high).contains(&slopes[1]) {
            knots.push(before);
            (low, high) = (f64::NEG_INFINITY, f64::INFINITY);
            slopes = self::slopes(before, pair, tolerance);
        }
        (low, high) = (low.max(slopes[0]), high.min(slopes[2]));
    }
    if pairs.len() > 1 {
        knots.extend(pairs.last());
    }
    knots
}

fn slopes(from: (u64, u64), to: (u64, u64), tolerance: f64) -> [f64; 3] {
    let (steps, tokens) = ((to.0 - from.0) as f64, to.1 as f64 - from.1 as f64);
    [tokens - tolerance, tokens, tokens + tolerance].map(|tokens| tokens / steps)
}

#[cfg(test)]
mod tests {
    use super::{Clock, MOST};
    use crate::training::TrainingRecord;

    fn clock(pairs: impl IntoIterator<Item = (u64, u64)>) -> Clock {
        let record = |(step, tokens)| TrainingRecord::new(step, tokens, Vec::new());
        let records: Vec<TrainingRecord> = pairs.into_iter().map(record).collect();
        Clock::new(&records)
    }

    #[test]
    fn like_batches_take_two_pairs() {
        let even = clock((1..=1000).map(|step| (step, step * 4096)));
        assert_eq!(even.knots(), [(1, 4096), (1000, 4_096_000)]);
        assert!((even.tokens(500) - 500.0 * 4096.0).abs() < 1e-6);
        let changed = |step: u64| step * 4096 + step.saturating_sub(300) * 4096;
        let changed = clock((0..=1000).map(|step| (step, changed(step))));
        assert_eq!(changed.knots().len(), 3);
        assert!((changed.tokens(400) - 500.0 * 4096.0).abs() < 1e-6);
    }

    #[test]
    fn others_are_as_close_as_can_be() {
        let tokens = |step: u64| step * 1000 + (step * 7919) % 997;
        let wild = clock((0..20_000).map(|step| (step, tokens(step))));
        assert!(wild.knots().len() <= MOST);
        for step in (0..20_000).step_by(97) {
            assert!((wild.tokens(step) - tokens(step) as f64).abs() < 5000.0);
        }
        // Out of order, twice, none.
        assert_eq!(clock([(5, 50), (1, 10), (5, 50)]).knots().len(), 2);
        assert!(clock([(0, 0)]).tokens(3).abs() < 1e-9 && !clock([(0, 0)]).runs());
        assert!(!clock([]).runs() && clock([]).tokens(1).abs() < 1e-9);
    }
}
