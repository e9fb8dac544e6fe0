//! What was found.

use serde::Serialize;

/// What made the model answer as it does.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Attribution {
    /// How effects were found.
    pub method: String,
    /// What they are effects on: `logit_diff`, `log_prob` or `logit`.
    pub metric: &'static str,
    /// The metric after the prompt.
    pub value: f64,
    /// The metric after the other prompt, if there is one.
    pub corrupted: Option<f64>,
    /// Of each SAE.
    pub saes: Vec<SaeAttribution>,
    /// Heads, MLPs and, of direct effects, the embedding; the strongest first. Empty if they were not asked for.
    pub components: Vec<ComponentEffect>,
    /// Of components whose effects are meant to add up.
    pub components_completeness: Option<Completeness>,
}

/// What an SAE's features do.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SaeAttribution {
    /// Where the SAE reads.
    pub hook_name: String,
    /// Where it writes.
    pub write_hook: String,
    /// Pairs of a feature and a position in which it fires, in either prompt.
    pub n_active: usize,
    /// The strongest of these pairs, the strongest first.
    pub features: Vec<FeatureEffect>,
    /// The strongest features, over all positions.
    pub totals: Vec<FeatureTotal>,
    /// The sum over all features, by position.
    pub by_position: Vec<f64>,
    /// What the SAE does not reconstruct, by position.
    pub error: Vec<f64>,
    /// What the SAE writes without any feature, by position.
    pub bias: Vec<f64>,
    /// Whether effects add up.
    pub completeness: Completeness,
}

/// A feature at a position.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FeatureEffect {
    /// The feature.
    pub feature: u32,
    /// The token's place, from 0.
    pub position: usize,
    /// Its activation.
    pub activation: f32,
    /// Its activation in the other prompt; 0 without one.
    pub corrupted: f32,
    /// Its effect on the metric.
    pub effect: f64,
}

/// A feature, at all positions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FeatureTotal {
    /// The feature.
    pub feature: u32,
    /// The sum of its effects.
    pub effect: f64,
    /// Positions at which it has one.
    pub n_positions: usize,
}

/// A head, an MLP or the embedding.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ComponentEffect {
    /// `head`, `mlp` or `embed`.
    pub kind: &'static str,
    /// The block; none of the embedding.
    pub layer: Option<usize>,
    /// The head; none of others.
    pub head: Option<usize>,
    /// Its effect on the metric.
    pub effect: f64,
    /// By position, where it was found so.
    pub by_position: Vec<f64>,
}

/// Effects added up, beside what was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Completeness {
    /// The sum of the effects.
    pub sum: f64,
    /// The difference that was measured.
    pub measured: f64,
    /// Of what, in words.
    pub between: &'static str,
}

impl SaeAttribution {
    /// How far the effects of integrated gradients are from adding up, as a share of the difference, where that is more than 5 %.
    pub fn gap(&self, method: &str) -> Option<f64> {
        let Completeness { sum, measured, .. } = self.completeness;
        let gap = ((sum - measured) / measured).abs();
        let counts = method.starts_with("integrated");
        (counts && (gap > 0.05 || !gap.is_finite())).then_some(gap)
    }
}

impl ComponentEffect {
    /// Its name: `L3H2`, `L3 MLP` or `embed`.
    pub fn name(&self) -> String {
        match (self.layer, self.head) {
            (Some(layer), Some(head)) => format!("L{layer}H{head}"),
            (Some(layer), None) => format!("L{layer} MLP"),
            (None, _) => self.kind.to_owned(),
        }
    }
}

impl FeatureEffect {
    pub(super) fn new(feature: u32, position: usize) -> Self {
        Self {
            feature,
            position,
            activation: 0.0,
            corrupted: 0.0,
            effect: 0.0,
        }
    }
}
