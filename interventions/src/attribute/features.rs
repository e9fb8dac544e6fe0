//! From effects of parts to what is told of an SAE.

use super::nodes::Nodes;
use super::result::{Completeness, FeatureEffect, FeatureTotal, SaeAttribution};
use crate::PlacedSae;
use burn::tensor::Tensor;
use std::collections::BTreeMap;

/// The effects of every feature, the bias and the error of one SAE, all by one gradient.
pub(super) struct Effects {
    pub(super) features: Vec<FeatureEffect>,
    error: Vec<f64>,
    bias: Vec<f64>,
}

/// A gradient times what is there, less what is there in the other prompt.
///
/// # Shapes
/// `gradient`: `[p, d_out]`.
pub(super) fn by_gradient(
    placed: &PlacedSae,
    clean: &Nodes,
    corrupted: Option<&Nodes>,
    gradient: &Tensor<2>,
) -> Effects {
    let mut found: BTreeMap<(usize, u32), FeatureEffect> = BTreeMap::new();
    let mut error = clean.error(gradient);
    let mut bias = clean.decoded(gradient);
    let mut add = |nodes: &Nodes, sign: f64, bias: &mut [f64]| {
        let effects = nodes.effects(placed, gradient);
        for (active, effect) in nodes.active.iter().zip(effects) {
            let key = (active.row, active.feature);
            let entry = found
                .entry(key)
                .or_insert_with(|| FeatureEffect::new(active.feature, active.row));
            entry.effect += sign * effect;
            if sign > 0.0 {
                entry.activation = active.value;
            } else {
                entry.corrupted = active.value;
            }
            bias[active.row] -= sign * effect;
        }
    };
    add(clean, 1.0, &mut bias);
    if let Some(nodes) = corrupted {
        for (sum, other) in error.iter_mut().zip(nodes.error(gradient)) {
            *sum -= other;
        }
        for (sum, other) in bias.iter_mut().zip(nodes.decoded(gradient)) {
            *sum -= other;
        }
        add(nodes, -1.0, &mut bias);
    }
    Effects {
        features: found.into_values().collect(),
        error,
        bias,
    }
}

impl Effects {
    pub(super) fn new(features: Vec<FeatureEffect>, error: Vec<f64>, bias: Vec<f64>) -> Self {
        Self {
            features,
            error,
            bias,
        }
    }

    /// Everything added up.
    pub(super) fn sum(&self) -> f64 {
        let features: f64 = self.features.iter().map(|f| f.effect).sum();
        features + self.error.iter().sum::<f64>() + self.bias.iter().sum::<f64>()
    }

    /// What is told: the strongest, and sums.
    pub(super) fn report(
        mut self,
        placed: &PlacedSae,
        most: usize,
        completeness: Completeness,
    ) -> SaeAttribution {
        let mut by_position = vec![0.0; self.error.len()];
        let mut totals: BTreeMap<u32, FeatureTotal> = BTreeMap::new();
        for entry in &self.features {
            by_position[entry.position] += entry.effect;
            let total = totals.entry(entry.feature).or_insert(FeatureTotal {
                feature: entry.feature,
                effect: 0.0,
                n_positions: 0,
            });
            total.effect += entry.effect;
            total.n_positions += 1;
        }
        let mut totals: Vec<FeatureTotal> = totals.into_values().collect();
        totals.sort_by(|a, b| b.effect.abs().total_cmp(&a.effect.abs()));
        totals.truncate(most);
        let n_active = self.features.len();
        strongest(&mut self.features, most);
        SaeAttribution {
            hook_name: placed.read().to_string(),
            write_hook: placed.write().to_string(),
            n_active,
            features: self.features,
            totals,
            by_position,
            error: self.error,
            bias: self.bias,
            completeness,
        }
    }
}

/// Leaves the strongest, the strongest first.
pub(super) fn strongest(features: &mut Vec<FeatureEffect>, most: usize) {
    features.sort_by(|a, b| b.effect.abs().total_cmp(&a.effect.abs()));
    features.truncate(most);
}
