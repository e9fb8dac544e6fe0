//! Two texts, feature by feature.

use super::TextActivations;
use std::collections::BTreeMap;

/// The largest activation of a feature in a text.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Peak {
    /// The activation; 0 where the feature does not fire.
    pub value: f32,
    /// The first token that has it, by its place; `None` where the feature does not fire.
    pub token: Option<usize>,
}

/// A feature in two texts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureDifference {
    /// The feature.
    pub feature: u32,
    /// Its largest activation in each text.
    pub peaks: [Peak; 2],
}

impl FeatureDifference {
    /// The first largest activation less the second.
    pub fn difference(&self) -> f32 {
        self.peaks[0].value - self.peaks[1].value
    }
}

impl TextActivations {
    /// The largest activation of each feature that fires on a token that counts.
    pub fn peaks(&self, counts: impl Fn(usize) -> bool) -> BTreeMap<u32, Peak> {
        let mut peaks: BTreeMap<u32, Peak> = BTreeMap::new();
        for token in (0..self.0.n_rows()).filter(|&token| counts(token)) {
            let (features, values) = self.0.row(token);
            for (&feature, &value) in features.iter().zip(values) {
                // What is no number stays, so that it is found later.
                let none = !value.is_nan() && value <= 0.0;
                if none {
                    continue;
                }
                let peak = peaks.entry(feature).or_default();
                if value > peak.value || (value.is_nan() && !peak.value.is_nan()) {
                    *peak = Peak {
                        value,
                        token: Some(token),
                    };
                }
            }
        }
        peaks
    }
}

/// The features that differ most between two texts, by the size of the difference of their largest activations, those that differ most first; of
/// equal ones the one with the lower number. With how many differ in all.
pub fn most_different(
    peaks: &[BTreeMap<u32, Peak>; 2],
    most: usize,
) -> (Vec<FeatureDifference>, usize) {
    let [first, second] = peaks;
    let peak =
        |of: &BTreeMap<u32, Peak>, feature: &u32| of.get(feature).copied().unwrap_or_default();
    let only_second = second.keys().filter(|feature| !first.contains_key(feature));
    let both = first.keys().chain(only_second);
    let difference = |feature: &u32| FeatureDifference {
        feature: *feature,
        peaks: [peak(first, feature), peak(second, feature)],
    };
    let all = both.map(difference);
    let mut found: Vec<FeatureDifference> = all.filter(|f| f.difference() != 0.0).collect();
    let n = found.len();
    found.sort_by(|a, b| {
        let sizes = (a.difference().abs(), b.difference().abs());
        sizes.1.total_cmp(&sizes.0).then(a.feature.cmp(&b.feature))
    });
    found.truncate(most);
    (found, n)
}

#[cfg(test)]
mod tests {
    use super::{Peak, TextActivations, most_different};
    use proptest::prelude::*;
    use sae_traits::SparseRows;

    fn text(rows: &[Vec<f32>], d_sae: usize) -> TextActivations {
        TextActivations(SparseRows::from_dense(&rows.concat(), d_sae))
    }

    fn peak(value: f32, token: usize) -> Peak {
        Peak {
            value,
            token: Some(token),
        }
    }

    #[test]
    fn the_largest_differences_come_first_and_tokens_that_do_not_count_are_nothing() {
        let first = text(
            &[
                vec![900.0, 900.0, 900.0, 0.0],
                vec![1.0, 0.0, 2.0, 0.0],
                vec![3.0, 0.0, 2.0, 0.0],
            ],
            4,
        );
        let second = text(&[vec![900.0; 4], vec![0.5, 4.0, 2.0, 0.0]], 4);
        let peaks = [&first, &second].map(|text| text.peaks(|token| token > 0));
        let (found, n) = most_different(&peaks, 9);
        assert_eq!(n, 2);
        assert_eq!((found[0].feature, found[0].difference()), (1, -4.0));
        assert_eq!(found[0].peaks, [Peak::default(), peak(4.0, 1)]);
        assert_eq!((found[1].feature, found[1].difference()), (0, 2.5));
        // Of equals the first token.
        assert_eq!(peaks[0][&2], peak(2.0, 1));
        assert_eq!(most_different(&peaks, 1).0, found[..1]);
    }

    #[test]
    fn what_is_no_number_is_not_lost() {
        let bad = text(&[vec![1.0], vec![f32::NAN], vec![2.0]], 1);
        let peaks = [bad.peaks(|_| true), text(&[vec![0.0]], 1).peaks(|_| true)];
        assert!(most_different(&peaks, 1).0[0].difference().is_nan());
    }

    proptest! {
        #[test]
        fn as_dense_rows_have_it(
            a in proptest::collection::vec(proptest::collection::vec(prop_oneof![Just(0.0_f32), 0.1_f32..9.0], 5), 1..6),
            b in proptest::collection::vec(proptest::collection::vec(prop_oneof![Just(0.0_f32), 0.1_f32..9.0], 5), 1..6),
        ) {
            let peaks = [text(&a, 5).peaks(|_| true), text(&b, 5).peaks(|_| true)];
            let (found, n) = most_different(&peaks, 5);
            prop_assert_eq!(n, found.len());
            let most = |rows: &[Vec<f32>], f: usize| rows.iter().map(|row| row[f]).fold(0.0_f32, f32::max);
            let mut total = 0;
            for f in 0..5 {
                let expected = most(&a, f) - most(&b, f);
                let of = found.iter().find(|one| one.feature as usize == f);
                let found = of.map_or(0.0, super::FeatureDifference::difference);
                prop_assert_eq!(found.to_bits(), expected.to_bits());
                total += usize::from(expected != 0.0);
            }
            prop_assert_eq!(n, total);
            prop_assert!(found.is_sorted_by(|x, y| x.difference().abs() >= y.difference().abs()));
        }
    }
}
