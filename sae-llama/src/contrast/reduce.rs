//! The features of a prompt's tokens as one value a feature.

use sae_contrast::Active;
use sae_traits::SparseRows;
use serde::Serialize;
use std::ops::Range;

/// How the values of a prompt's tokens become one. Tokens that do not count are left out; where a feature is not active its value is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reduce {
    /// The largest.
    #[default]
    Max,
    /// Their mean.
    Mean,
    /// The one of the last token.
    Last,
}

impl Reduce {
    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Mean => "mean",
            Self::Last => "last",
        }
    }
}

/// What is known of a feature while its prompt is read.
#[derive(Debug, Clone, Copy)]
struct Seen {
    feature: u32,
    count: usize,
    sum: f64,
    max: f32,
    position: u32,
}

/// Reduces prompts one after the other; its table of all features is made once.
#[derive(Debug)]
pub(super) struct Reducer {
    /// For each feature one more than its place in `seen`, 0 for none.
    place: Vec<u32>,
    seen: Vec<Seen>,
}

impl Reducer {
    pub(super) fn new(d_sae: usize) -> Self {
        Self {
            place: vec![0; d_sae],
            seen: Vec::new(),
        }
    }

    /// Reduces these rows, which are a prompt's tokens that count, at these positions in it. The features come in ascending order.
    pub(super) fn reduce(
        &mut self,
        how: Reduce,
        features: &SparseRows,
        rows: Range<usize>,
        positions: &[u32],
    ) -> Vec<Active> {
        let n = rows.len();
        let used = match how {
            Reduce::Last => n.saturating_sub(1)..n,
            _ => 0..n,
        };
        for at in used.clone() {
            for (feature, value) in features.entries(rows.start + at) {
                self.see(feature as u32, value, positions[at]);
            }
        }
        let n = used.len();
        let value = |seen: &Seen| match how {
            Reduce::Mean => (seen.sum / n as f64) as f32,
            // On the other tokens it is 0.
            _ if seen.count < n && seen.max < 0.0 => 0.0,
            _ => seen.max,
        };
        let mut active: Vec<Active> = self
            .seen
            .iter()
            .map(|seen| Active {
                feature: seen.feature,
                value: value(seen),
                position: seen.position,
            })
            .filter(|active| active.value != 0.0)
            .collect();
        for seen in self.seen.drain(..) {
            self.place[seen.feature as usize] = 0;
        }
        active.sort_unstable_by_key(|active| active.feature);
        active
    }

    fn see(&mut self, feature: u32, value: f32, position: u32) {
        let place = &mut self.place[feature as usize];
        if *place == 0 {
            self.seen.push(Seen {
                feature,
                count: 1,
                sum: f64::from(value),
                max: value,
                position,
            });
            *place = self.seen.len() as u32;
            return;
        }
        let seen = &mut self.seen[*place as usize - 1];
        seen.count += 1;
        seen.sum += f64::from(value);
        // What is no number stays, so that it is found later.
        if value > seen.max || (value.is_nan() && !seen.max.is_nan()) {
            (seen.max, seen.position) = (value, position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Reduce, Reducer};
    use sae_traits::SparseRows;

    #[test]
    fn one_value_a_feature() {
        let rows = [
            vec![(0, 9.0)],
            vec![(2, 1.0), (4, -1.0), (5, -2.0)],
            vec![(2, 3.0), (5, -3.0)],
            vec![(1, 0.5), (2, 3.0), (5, -1.0)],
        ];
        let rows = SparseRows::from_rows(rows, 6);
        let mut reducer = Reducer::new(6);
        let mut reduce = |how| -> Vec<(u32, f32, u32)> {
            let active = reducer.reduce(how, &rows, 1..4, &[2, 3, 7]);
            active
                .iter()
                .map(|a| (a.feature, a.value, a.position))
                .collect()
        };
        // Of equals the first; what is below 0 on one token and 0 on others is 0 at the most.
        let max = [(1, 0.5, 7), (2, 3.0, 3), (5, -1.0, 7)];
        assert_eq!(reduce(Reduce::Max), max);
        let mean = [
            (1, 0.5 / 3.0, 7),
            (2, 7.0 / 3.0, 3),
            (4, -1.0 / 3.0, 2),
            (5, -2.0, 7),
        ];
        assert_eq!(reduce(Reduce::Mean), mean);
        let last = [(1, 0.5, 7), (2, 3.0, 7), (5, -1.0, 7)];
        assert_eq!(reduce(Reduce::Last), last);
        assert_eq!(reduce(Reduce::Max), max);
    }

    #[test]
    fn what_is_no_number_is_not_lost() {
        let rows = SparseRows::from_rows([vec![(0, 1.0)], vec![(0, f32::NAN)], vec![(0, 2.0)]], 1);
        let active = Reducer::new(1).reduce(Reduce::Max, &rows, 0..3, &[0, 1, 2]);
        assert!(active[0].value.is_nan());
    }
}
