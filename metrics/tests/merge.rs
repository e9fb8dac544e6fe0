//! Merging: associative, with a neutral element, and equal to one pass, for every accumulator at once.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

use proptest::prelude::*;
use sae_metrics::{ReconstructionStatistics, SparsityStatistics, TokenNorms};

const WIDTH: usize = 3;
const D_SAE: usize = 5;

/// One token: x, x̂, the features, five losses.
type Token = ([f32; WIDTH], [f32; WIDTH], [u8; D_SAE], [f32; 5]);

fn token() -> impl Strategy<Value = Token> {
    let number = -50.0f32..50.0;
    (
        prop::array::uniform3(number.clone()),
        prop::array::uniform3(number.clone()),
        prop::array::uniform5(0u8..3),
        prop::array::uniform5(number),
    )
}

fn sequences() -> impl Strategy<Value = Vec<Vec<Token>>> {
    prop::collection::vec(prop::collection::vec(token(), 0..4), 0..9)
}

fn sparsity(sequences: &[Vec<Token>], legacy_bytes: usize) -> SparsityStatistics {
    let mut statistics = SparsityStatistics::new(D_SAE, legacy_bytes);
    for sequence in sequences {
        let mut active = [0_u64; D_SAE];
        for (x, decoded, features, _) in sequence {
            let sum = |f: fn(f64, f64) -> f64| {
                x.iter()
                    .zip(decoded)
                    .map(|(&a, &b)| f(a.into(), b.into()))
                    .sum()
            };
            let norms = TokenNorms {
                squared_in: sum(|a, _| a * a),
                squared_out: sum(|_, b| b * b),
                dot: sum(|a, b| a * b),
                squared_error: sum(|a, b| (a - b).powi(2)),
            };
            statistics.shrinkage.push(&norms);
            statistics.quality.push(&norms);
            statistics.quality.add_to_sum(x);
            statistics.legacy_variance.push(x, norms.squared_error);
            statistics
                .l0
                .push(features.iter().filter(|&&f| f > 0).count());
            statistics
                .l1
                .push(features.iter().map(|&f| f64::from(f)).sum());
            for (active, &feature) in active.iter_mut().zip(features) {
                *active += u64::from(feature > 0);
            }
        }
        let n = sequence.len() as u64;
        statistics.tokens.sequences += 1;
        statistics.tokens.seen += n;
        statistics.tokens.kept += n;
        statistics
            .density
            .push_sequence(n, active.into_iter().enumerate());
    }
    statistics
}

fn reconstruction(sequences: &[Vec<Token>]) -> ReconstructionStatistics {
    let mut statistics = ReconstructionStatistics::default();
    for (_, _, _, losses) in sequences.iter().flatten() {
        let [
            original,
            reconstructed,
            ablated,
            kl_reconstructed,
            kl_ablated,
        ] = losses.map(f64::from);
        statistics.tokens.seen += 1;
        statistics.cross_entropy.original.push(original);
        statistics.cross_entropy.reconstructed.push(reconstructed);
        statistics.cross_entropy.ablated.push(ablated);
        statistics
            .kl_divergence
            .reconstructed
            .push(kl_reconstructed);
        statistics.kl_divergence.ablated.push(kl_ablated);
    }
    statistics
}

fn merged(parts: &[SparsityStatistics]) -> SparsityStatistics {
    let mut whole = parts[0].clone();
    parts[1..]
        .iter()
        .for_each(|part| whole.merge(part).unwrap());
    whole
}

/// Every number in the serialised form, to f64 rounding at the scale of the sums.
fn assert_same<T: serde::Serialize>(left: &T, right: &T) -> Result<(), TestCaseError> {
    fn numbers(value: &serde_json::Value, into: &mut Vec<Option<f64>>) {
        match value {
            serde_json::Value::Object(fields) => {
                fields.values().for_each(|value| numbers(value, into));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|value| numbers(value, into)),
            _ => into.push(value.as_f64()),
        }
    }
    let (mut a, mut b) = (Vec::new(), Vec::new());
    numbers(&serde_json::to_value(left).unwrap(), &mut a);
    numbers(&serde_json::to_value(right).unwrap(), &mut b);
    prop_assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(&b) {
        let (a, b) = (a.unwrap_or(f64::NAN), b.unwrap_or(f64::NAN));
        prop_assert!(
            a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-9 * (1.0 + a.abs()),
            "{} {}",
            a,
            b
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn equals_one_pass_and_is_associative(
        rows in sequences(),
        cuts in (0.0f64..=1.0, 0.0f64..=1.0),
        legacy_bytes in prop_oneof![Just(usize::MAX), 0usize..300],
    ) {
        let cut = |share: f64| (share * rows.len() as f64) as usize;
        let (first, second) = (cut(cuts.0.min(cuts.1)), cut(cuts.0.max(cuts.1)));
        let parts = [&rows[..first], &rows[first..second], &rows[second..]];

        let whole = sparsity(&rows, legacy_bytes);
        let shards = parts.map(|part| sparsity(part, legacy_bytes));
        let [a, b, c] = shards.clone();
        let left = merged(&[merged(&[a.clone(), b.clone()]), c.clone()]);
        let right = merged(&[a, merged(&[b, c])]);
        assert_same(&whole, &left)?;
        assert_same(&left, &right)?;
        prop_assert_eq!(&whole.l0, &left.l0);
        prop_assert_eq!(&whole.density, &left.density);
        prop_assert_eq!(whole.legacy_variance.is_complete(), left.legacy_variance.is_complete());
        assert_same(&whole.explained_variance_legacy(), &left.explained_variance_legacy())?;

        let nothing = sparsity(&[], legacy_bytes);
        prop_assert_eq!(&merged(&[nothing.clone(), whole.clone()]), &whole);
        prop_assert_eq!(&merged(&[whole.clone(), nothing]), &whole);

        let mut losses = reconstruction(parts[0]);
        losses.merge(&reconstruction(parts[1]));
        losses.merge(&reconstruction(parts[2]));
        assert_same(&reconstruction(&rows), &losses)?;
    }

    #[test]
    fn a_statistic_written_and_read_is_the_same(rows in sequences()) {
        let statistics = sparsity(&rows, usize::MAX);
        let text = serde_json::to_string(&statistics).unwrap();
        let back: SparsityStatistics = serde_json::from_str(&text).unwrap();
        // serde_json may read the last digit of a float differently; counts it may not.
        assert_same(&back, &statistics)?;
        prop_assert_eq!((&back.l0, &back.density, &back.tokens), (&statistics.l0, &statistics.density, &statistics.tokens));
        let losses = reconstruction(&rows);
        let text = serde_json::to_string(&losses).unwrap();
        assert_same(&serde_json::from_str::<ReconstructionStatistics>(&text).unwrap(), &losses)?;
    }
}

#[test]
fn what_does_not_belong_together_is_refused_and_named() {
    let token: Token = ([1.0; WIDTH], [1.0; WIDTH], [1; D_SAE], [0.0; 5]);
    let statistics = sparsity(&[vec![token]], 1000);
    let error = statistics
        .clone()
        .merge(&SparsityStatistics::new(7, 1000))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot merge the number of features (d_sae): one side has 5, the other 7; both must come from the same SAE and hook"
    );
    let mut wider = SparsityStatistics::new(D_SAE, 1000);
    wider.quality.add_to_sum(&[0.0; 9]);
    assert_eq!(
        statistics.clone().merge(&wider).unwrap_err().what,
        "the width of the activations"
    );
    let mut wider = SparsityStatistics::new(D_SAE, 1000);
    wider.legacy_variance.push(&[0.0; 9], 1.0);
    assert_eq!(statistics.clone().merge(&wider).unwrap_err().right, 9);
}
