//! How well one feature tells the sets apart by rank.

/// The area under the ROC curve: the probability that a value of `a` is above one of `b`, ties counting half.
///
/// `(R_a − n_a(n_a + 1)/2) / (n_a n_b)` with mid-ranks, from the values that are not zero (each with whether it is of `a`); the zeros, most of
/// them, are one tie and are only counted. 0.5 says nothing, 1 that every `a` is above every `b`. None if a set is empty.
pub fn auroc(n_a: usize, n_b: usize, nonzero: &[(f32, bool)]) -> Option<f64> {
    if n_a == 0 || n_b == 0 {
        return None;
    }
    let mut sorted = nonzero.to_vec();
    sorted.sort_unstable_by(|x, y| x.0.total_cmp(&y.0));
    let fired_a = sorted.iter().filter(|(_, is_a)| *is_a).count();
    let zeros_a = n_a.saturating_sub(fired_a) as f64;
    let zeros_b = n_b.saturating_sub(sorted.len() - fired_a) as f64;
    // Wins are exact: halves of whole numbers.
    let (mut wins, mut below_b) = (0.0, 0.0);
    let mut add = |tied_a: f64, tied_b: f64| {
        wins += tied_a * (below_b + tied_b / 2.0);
        below_b += tied_b;
    };
    let negative = sorted.partition_point(|(value, _)| *value < 0.0);
    let ties = |side: &[(f32, bool)], add: &mut dyn FnMut(f64, f64)| {
        for tied in side.chunk_by(|x, y| x.0.total_cmp(&y.0).is_eq()) {
            let of_a = tied.iter().filter(|(_, is_a)| *is_a).count();
            add(of_a as f64, (tied.len() - of_a) as f64);
        }
    };
    ties(&sorted[..negative], &mut add);
    add(zeros_a, zeros_b);
    ties(&sorted[negative..], &mut add);
    Some(wins / (n_a as f64 * n_b as f64))
}

#[cfg(test)]
mod tests {
    use super::auroc;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_same_as_comparing_all_pairs(a in prop::collection::vec(-3_i8..4, 1..20), b in prop::collection::vec(-3_i8..4, 1..20)) {
            let (mut wins, mut nonzero) = (0.0, Vec::new());
            for x in &a {
                for y in &b {
                    wins += match x.cmp(y) {
                        std::cmp::Ordering::Greater => 1.0,
                        std::cmp::Ordering::Equal => 0.5,
                        std::cmp::Ordering::Less => 0.0,
                    };
                }
            }
            nonzero.extend(a.iter().filter(|x| **x != 0).map(|x| (f32::from(*x), true)));
            nonzero.extend(b.iter().filter(|x| **x != 0).map(|x| (f32::from(*x), false)));
            let found = auroc(a.len(), b.len(), &nonzero).unwrap();
            prop_assert!((found - wins / (a.len() * b.len()) as f64).abs() < 1e-14);
            let swapped: Vec<_> = nonzero.iter().map(|(x, is_a)| (*x, !is_a)).collect();
            prop_assert!((found + auroc(b.len(), a.len(), &swapped).unwrap() - 1.0).abs() < 1e-14);
        }
    }

    #[test]
    fn an_empty_set_has_none() {
        assert_eq!(auroc(0, 3, &[]), None);
        assert_eq!(auroc(2, 3, &[]), Some(0.5));
    }
}
