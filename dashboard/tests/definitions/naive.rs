//! What a feature's groups and neighbours are, from the dense array, by counting and sorting.

use crate::logs::{D_SAE, Dense};
use sae_dashboard::{CollectOptions, Example, FeaturePart, GroupKind};
use std::collections::BTreeSet;

/// Where a feature fires, and how strongly, in the order of the text.
pub(crate) fn fired(dense: &Dense, feature: u32) -> Vec<(u64, u32, f32)> {
    let mut fired = Vec::new();
    for (context, rows) in dense.iter().enumerate() {
        for (position, row) in rows.iter().enumerate() {
            match row.as_ref().map(|row| row[feature as usize]) {
                Some(value) if value > 0.0 => fired.push((context as u64, position as u32, value)),
                _ => {}
            }
        }
    }
    fired
}

/// The top group: context, position and value.
pub(crate) fn top(dense: &Dense, feature: u32, n: usize) -> Vec<(u64, u32, f32)> {
    let mut fired = fired(dense, feature);
    // Stable, so that equal ones stay in the order of the text.
    fired.sort_by(|a, b| b.2.total_cmp(&a.2));
    let mut seen = BTreeSet::new();
    fired.retain(|(context, ..)| seen.insert(*context));
    fired.truncate(n);
    fired
}

/// For each group in turn, how many examples it has: as many contexts as are wanted, of those that no group before it has taken.
pub(crate) fn sizes(dense: &Dense, part: &FeaturePart, settings: &CollectOptions) -> Vec<usize> {
    let fired = fired(dense, part.index);
    let mut taken = BTreeSet::new();
    let mut sizes = Vec::new();
    for group in &part.groups {
        let is_inside = |x: f32| match group.kind {
            GroupKind::Interval { low, high, .. } => low < x && x <= high,
            GroupKind::Top | GroupKind::Random => true,
        };
        let candidates: BTreeSet<u64> = fired
            .iter()
            .filter(|(context, _, x)| is_inside(*x) && !taken.contains(context))
            .map(|(context, ..)| *context)
            .collect();
        let most = match group.kind {
            GroupKind::Top => settings.n_top,
            GroupKind::Interval { .. } => settings.n_per_interval,
            GroupKind::Random => settings.n_random,
        };
        sizes.push(candidates.len().min(most));
        taken.extend(group.examples.iter().map(|example| example.context));
    }
    sizes
}

/// On how many of the feature's tokens every feature fires.
pub(crate) fn together(dense: &Dense, feature: u32) -> Vec<u64> {
    let mut counts = vec![0; D_SAE as usize];
    for (context, position, _) in fired(dense, feature) {
        let row = dense[context as usize][position as usize].as_ref();
        for (count, value) in counts.iter_mut().zip(row.expect("it fires there")) {
            *count += u64::from(*value > 0.0);
        }
    }
    counts
}

/// What an example at a place shows: the first position, and the values from there.
pub(crate) fn window(
    dense: &Dense,
    feature: u32,
    at: &Example,
    settings: &CollectOptions,
) -> (u32, Vec<f32>) {
    let rows = &dense[at.context as usize];
    let start = (at.position as usize).saturating_sub(settings.before);
    let end = (at.position as usize + settings.after + 1).min(rows.len());
    let value = |row: &Option<Vec<f32>>| match row {
        Some(row) if row[feature as usize] > 0.0 => row[feature as usize],
        _ => 0.0,
    };
    (start as u32, rows[start..end].iter().map(value).collect())
}
