//! The tokens that a feature stands for.

use super::super::firing_tokens;
use super::{D_SAE, Dense, SIZE, Summary, dense, log};
use proptest::prelude::*;
use std::collections::HashSet;

/// The tokens of a feature's 20 largest activations, one of a context, by the sums of those activations; of equal sums the one that comes first.
fn naive_tokens(dense: &Dense, contexts: &[Vec<u32>], feature: usize) -> Vec<u32> {
    let mut fired = Vec::new();
    for (context, rows) in dense.iter().enumerate() {
        for (position, row) in rows.iter().enumerate() {
            let value = row.as_ref().map_or(0.0, |row| row[feature]);
            if value > 0.0 {
                fired.push((context, position, value));
            }
        }
    }
    fired.sort_by(|a, b| b.2.total_cmp(&a.2));
    let mut seen = HashSet::new();
    fired.retain(|(context, ..)| seen.insert(*context));
    let mut weights: Vec<(u32, f64)> = Vec::new();
    for (context, position, value) in fired.into_iter().take(20) {
        let token = contexts[context][position];
        match weights.iter_mut().find(|(of, _)| *of == token) {
            Some((_, weight)) => *weight += f64::from(value),
            None => weights.push((token, f64::from(value))),
        }
    }
    weights.sort_by(|a, b| b.1.total_cmp(&a.1));
    weights
        .into_iter()
        .take(8)
        .map(|(token, _)| token)
        .collect()
}

proptest! {
    #[test]
    fn tokens_are_weighed_by_the_strongest_activations(dense in dense(), n_ids in 1_u32..14, n_threads in 1_usize..5) {
        let order: Vec<usize> = (0..dense.len()).collect();
        let (_dir, log) = log(&dense, &order, 1);
        let contexts: Vec<Vec<u32>> = (0..dense.len())
            .map(|c| (0..SIZE).map(|p| ((c * 7 + p * p) as u32) % n_ids).collect())
            .collect();
        let summary = Summary::of(&log).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        let found = pool.install(|| firing_tokens(&log, &summary, contexts.as_slice()));
        for (feature, tokens) in found.iter().enumerate() {
            prop_assert_eq!(tokens, &naive_tokens(&dense, &contexts, feature));
        }
        prop_assert_eq!(found.len(), D_SAE as usize);
    }
}
