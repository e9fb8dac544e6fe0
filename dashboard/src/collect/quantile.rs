//! Where activations stand among all that a feature has had.

use rayon::prelude::*;

use super::Summary;
use crate::ActivationLog;

/// For each (feature, activation), the share of the feature's activations above zero that are no larger; 0 for a feature that never fires or that
/// the dictionary does not have. One reading of the log for all of them.
///
/// `summary` is that of the log.
pub fn shares_below(log: &ActivationLog, summary: &Summary, of: &[(u32, f32)]) -> Vec<f64> {
    const NONE: u32 = u32::MAX;
    // The activations asked about, feature by feature.
    let mut slots = vec![NONE; log.info().d_sae as usize];
    let mut asked: Vec<Vec<(f32, usize)>> = Vec::new();
    for (i, &(feature, value)) in of.iter().enumerate() {
        let Some(slot) = slots.get_mut(feature as usize) else {
            continue;
        };
        if *slot == NONE {
            *slot = asked.len() as u32;
            asked.push(Vec::new());
        }
        asked[*slot as usize].push((value, i));
    }
    let count = |mut counts: Vec<u64>, place: usize| {
        for &[feature, bits] in log.entries(place) {
            let slot = slots.get(feature as usize).copied().unwrap_or(NONE);
            if slot != NONE {
                let x = f32::from_bits(bits);
                for &(value, i) in &asked[slot as usize] {
                    counts[i] += u64::from(x <= value);
                }
            }
        }
        counts
    };
    let none = || vec![0_u64; of.len()];
    let add = |mut a: Vec<u64>, b: Vec<u64>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    };
    let places = (0..log.n_contexts()).into_par_iter();
    let counts = places.fold(none, count).reduce(none, add);
    let fired = |feature: u32| summary.n_fired.get(feature as usize).copied().unwrap_or(0);
    let shares = of
        .iter()
        .zip(counts)
        .map(|(&(feature, _), count)| match fired(feature) {
            0 => 0.0,
            n => count as f64 / n as f64,
        });
    shares.collect()
}
