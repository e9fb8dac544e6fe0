//! Patching of single features.

use super::{Ends, PatchError, PatchProgress};
use crate::attribute::Nodes;
use crate::placed::flat;
use crate::{Metric, PlacedSae, Trunk};
use burn::tensor::Tensor;
use llama_hooked::{Activation, Llama};
use sae_progress::{Observer, Stopped};
use serde::Serialize;
use std::collections::BTreeMap;

/// A feature, and what patching it does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FeaturePatch {
    /// The feature.
    pub feature: u32,
    /// What the gradient at the corrupted prompt makes one expect of the patch: Σ over positions of `(f_clean − f_corrupted)·∂m/∂f`.
    pub expected: f64,
    /// The metric of the corrupted prompt with the feature's activation of the clean one at every position.
    pub metric: f64,
    /// (metric − corrupted) / (clean − corrupted).
    pub restored: Option<f64>,
}

/// Features, patched one by one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FeaturePatches {
    /// Both ends.
    #[serde(flatten)]
    pub ends: Ends,
    /// How many features differ between the prompts.
    pub n_differing: usize,
    /// Those that were patched, the strongest effect first.
    pub features: Vec<FeaturePatch>,
}

/// Runs the corrupted prompt with one feature after another as it is in the clean prompt, at all positions: `x + (f_clean − f_corrupted)·W_dec`.
///
/// Of the features that differ, the `most` are patched of which the gradient promises the most.
///
/// # Errors
/// As [`patch`](super::patch).
pub fn patch_features<O: Observer<PatchProgress> + ?Sized>(
    model: &Llama,
    (clean, corrupted): (&[u32], &[u32]),
    placed: &PlacedSae,
    metric: &Metric,
    (most, rows_at_once): (usize, usize),
    observer: &mut O,
) -> Result<FeaturePatches, PatchError> {
    if clean.len() != corrupted.len() {
        return Err(PatchError::Unequal {
            clean: clean.len(),
            corrupted: corrupted.len(),
        });
    }
    let (place, point) = (placed.place, placed.write());
    let points = [placed.read(), point];
    let from = Trunk::run(model, clean, points)?;
    let into = Trunk::run(model, corrupted, points)?.rows_at_once(rows_at_once);
    let ends = Ends::new(from.metric(metric).into(), into.metric(metric).into());
    let (source, target) = (Nodes::of(placed, &from), Nodes::of(placed, &into));
    let (_, gradient) = into.gradients(point, &into.activation(point), metric);
    let gradient = flat(place.take(gradient));

    // What each feature writes in the one prompt and not in the other, row by row.
    let mut expected: BTreeMap<u32, f64> = BTreeMap::new();
    for (nodes, sign) in [(&source, 1.0), (&target, -1.0)] {
        let effects = nodes.effects(placed, &gradient);
        for (active, effect) in nodes.active.iter().zip(effects) {
            *expected.entry(active.feature).or_default() += sign * effect;
        }
    }
    let differs = |feature| source.values_of(feature) != target.values_of(feature);
    expected.retain(|&feature, expected| *expected != 0.0 || differs(feature));
    let n_differing = expected.len();
    let mut candidates: Vec<(u32, f64)> = expected.into_iter().collect();
    candidates.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
    candidates.truncate(most);

    let total = candidates.len();
    let here = place.take(into.activation(point));
    let whole = into.activation(point);
    let make = |range: std::ops::Range<usize>| {
        let variants = candidates[range].iter().map(|(feature, _)| {
            let change = source.written(placed, *feature) - target.written(placed, *feature);
            let [_, p, d] = here.dims();
            let change: Tensor<3> = change.reshape([1, p, d]).cast(here.dtype());
            here.clone() + change
        });
        let variants = Tensor::cat(variants.collect::<Vec<_>>(), 0);
        place.put(many(&whole, variants.dims()[0]), variants)
    };
    let mut stop = |done| observer.observe(&PatchProgress { done, total }).is_break();
    let values = into.variants(point, total, metric, make, &mut stop);
    let mut features: Vec<FeaturePatch> = values
        .ok_or(Stopped)?
        .into_iter()
        .zip(&candidates)
        .map(|(value, &(feature, expected))| FeaturePatch {
            feature,
            expected,
            metric: value.into(),
            restored: ends.restored(value.into()),
        })
        .collect();
    let strength = |f: &FeaturePatch| (f.metric - ends.corrupted).abs();
    features.sort_by(|a, b| strength(b).total_cmp(&strength(a)));
    Ok(FeaturePatches {
        ends,
        n_differing,
        features,
    })
}

/// An activation of one row, as the rows of a batch.
pub(crate) fn many(x: &Activation, n: usize) -> Activation {
    match x {
        Activation::R3(x) => {
            let [_, p, d] = x.dims();
            x.clone().expand([n, p, d]).into()
        }
        Activation::R4(x) => {
            let [_, p, h, d] = x.dims();
            x.clone().expand([n, p, h, d]).into()
        }
    }
}
