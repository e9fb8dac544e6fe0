//! A feature as SAEDashboard writes it.

use std::borrow::Cow;

use serde::Serialize;

use super::super::text::text;
use crate::page::Vocabulary;
use crate::{Feature, GroupKind, Lens, NeuronWeight, Overview, TokenLogit, ValueHistogram};

/// Rows of SAEDashboard's table of neurons.
const N_NEURONS: usize = 3;
/// In place of the limits and the share of an interval.
const TOP: f64 = -1.0;

/// A feature of `batch-N.json`, field by field in the order of SAEDashboard 0.8.
#[derive(Debug, Serialize)]
pub(super) struct Dashboard<'v> {
    pub(super) feature_index: u32,
    pub(super) neuron_alignment_indices: Vec<u32>,
    pub(super) neuron_alignment_values: Vec<f64>,
    pub(super) neuron_alignment_l1: Vec<f64>,
    pub(super) correlated_neurons_indices: [u32; 0],
    pub(super) correlated_neurons_l1: [f64; 0],
    pub(super) correlated_neurons_pearson: [f64; 0],
    pub(super) correlated_features_indices: [u32; 0],
    pub(super) correlated_features_l1: [f64; 0],
    pub(super) correlated_features_pearson: [f64; 0],
    pub(super) neg_str: Vec<Cow<'v, str>>,
    pub(super) neg_values: Vec<f64>,
    pub(super) pos_str: Vec<Cow<'v, str>>,
    pub(super) pos_values: Vec<f64>,
    pub(super) frac_nonzero: f64,
    pub(super) freq_hist_data_bar_values: Vec<f64>,
    pub(super) freq_hist_data_bar_heights: Vec<u64>,
    pub(super) logits_hist_data_bar_heights: Vec<u64>,
    pub(super) logits_hist_data_bar_values: Vec<f64>,
    pub(super) n_prompts_total: u64,
    pub(super) n_tokens_in_prompt: u32,
    pub(super) dataset: &'v str,
    pub(super) decoder_weights_dist: [f64; 0],
    pub(super) activations: Vec<Activation<'v>>,
    pub(super) vector: Vec<f32>,
}

/// An example.
#[derive(Debug, Serialize)]
pub(super) struct Activation<'v> {
    /// The lower bound of the interval; −1 in the top group.
    pub(super) bin_min: f64,
    /// The upper bound; the largest activation in the top group.
    pub(super) bin_max: f64,
    /// The share of all tokens whose activation is in the interval; −1 in the top group.
    pub(super) bin_contains: f64,
    pub(super) tokens: Vec<Cow<'v, str>>,
    pub(super) values: Vec<f64>,
    /// Which of the tokens the example is about.
    pub(super) qualifying_token_index: u32,
    /// Attribution of SAEs on heads, and what SAEDashboard writes where there is none.
    dfa_values: [f64; 0],
    #[serde(rename = "dfa_maxValue")]
    dfa_max_value: u32,
    #[serde(rename = "dfa_targetIndex")]
    dfa_target_index: i32,
    /// Where it comes from; only rows of an export say so.
    #[serde(skip)]
    pub(super) place: (u64, u32),
}

/// The values of the overview that every feature is written with.
#[derive(Debug, Clone)]
pub(super) struct Totals {
    n_contexts: u64,
    context_size: u32,
    dataset: String,
}

impl Totals {
    pub(super) fn of(overview: &Overview) -> Self {
        Self {
            n_contexts: overview.n_contexts,
            context_size: overview.source.context_size,
            dataset: overview.source.dataset.clone(),
        }
    }

    /// Over all tokens, those too that do not count: the format's denominator.
    fn share(&self, n_fired: u64) -> f64 {
        let n_tokens = self.n_contexts as f64 * f64::from(self.context_size);
        if n_tokens > 0.0 {
            n_fired as f64 / n_tokens
        } else {
            0.0
        }
    }

    /// The feature with its decoder direction made one long. `vector` is that direction as it is, or empty.
    pub(super) fn dashboard<'v>(
        &'v self,
        feature: &Feature,
        vocabulary: &'v (impl Vocabulary + ?Sized),
        vector: &[f32],
    ) -> Dashboard<'v> {
        let norm = f64::from(feature.decoder_norm);
        let norm = if norm.is_normal() { norm } else { 1.0 };
        let neurons = neurons(feature, vector);
        let (pos, neg) = feature.lens.as_ref().map_or((&[][..], &[][..]), |lens| {
            (lens.top.as_slice(), lens.bottom.as_slice())
        });
        let logits = feature.lens.as_ref().map(|lens: &Lens| &lens.histogram);
        Dashboard {
            feature_index: feature.index,
            neuron_alignment_indices: neurons.iter().map(|n| n.neuron).collect(),
            neuron_alignment_values: rounded(neurons.iter().map(|n| f64::from(n.value) / norm)),
            neuron_alignment_l1: rounded(neurons.iter().map(|n| f64::from(n.l1_share))),
            correlated_neurons_indices: [],
            correlated_neurons_l1: [],
            correlated_neurons_pearson: [],
            correlated_features_indices: [],
            correlated_features_l1: [],
            correlated_features_pearson: [],
            neg_str: texts(neg, vocabulary),
            neg_values: rounded(neg.iter().map(|t| f64::from(t.logit) / norm)),
            pos_str: texts(pos, vocabulary),
            pos_values: rounded(pos.iter().map(|t| f64::from(t.logit) / norm)),
            frac_nonzero: self.share(feature.statistics.n_fired),
            freq_hist_data_bar_values: centres(&feature.activations, norm),
            freq_hist_data_bar_heights: feature.activations.counts.clone(),
            logits_hist_data_bar_heights: logits.map_or_else(Vec::new, |h| h.counts.clone()),
            logits_hist_data_bar_values: logits.map_or_else(Vec::new, |h| centres(h, 1.0 / norm)),
            n_prompts_total: self.n_contexts,
            n_tokens_in_prompt: self.context_size,
            dataset: &self.dataset,
            decoder_weights_dist: [],
            activations: self.activations(feature, vocabulary, norm),
            vector: vector
                .iter()
                .map(|&x| (f64::from(x) / norm) as f32)
                .collect(),
        }
    }

    fn activations<'v>(
        &self,
        feature: &Feature,
        vocabulary: &'v (impl Vocabulary + ?Sized),
        norm: f64,
    ) -> Vec<Activation<'v>> {
        let scaled = |x: f32| thousandths(f64::from(x) * norm);
        let mut activations = Vec::new();
        for group in &feature.groups {
            let (bin_min, bin_max, bin_contains) = match group.kind {
                GroupKind::Top => (TOP, scaled(feature.statistics.max), TOP),
                GroupKind::Interval { low, high, n_fired } => {
                    (scaled(low), scaled(high), self.share(n_fired))
                }
                GroupKind::Random => continue,
            };
            activations.extend(group.examples.iter().map(|example| {
                Activation {
                    bin_min,
                    bin_max,
                    bin_contains,
                    tokens: example
                        .tokens
                        .iter()
                        .map(|&t| text(vocabulary, t))
                        .collect(),
                    values: example.values.iter().map(|&x| scaled(x)).collect(),
                    qualifying_token_index: example.position - example.start,
                    dfa_values: [],
                    dfa_max_value: 0,
                    dfa_target_index: -1,
                    place: (example.context, example.position),
                }
            }));
        }
        activations
    }
}

/// The largest entries of the decoder direction, signed. Without the direction those above zero of its largest by magnitude, which are the
/// largest too, but may be fewer.
fn neurons(feature: &Feature, vector: &[f32]) -> Vec<NeuronWeight> {
    if vector.is_empty() {
        let positive = feature.alignment.iter().filter(|n| n.value > 0.0);
        return positive.take(N_NEURONS).copied().collect();
    }
    let l1: f64 = vector.iter().map(|&x| f64::from(x).abs()).sum();
    let mut order: Vec<u32> = (0..vector.len() as u32).collect();
    let descending = |a: &u32, b: &u32| {
        let [x, y] = [a, b].map(|&i| vector[i as usize]);
        y.total_cmp(&x).then(a.cmp(b))
    };
    if order.len() > N_NEURONS {
        order.select_nth_unstable_by(N_NEURONS, descending);
        order.truncate(N_NEURONS);
    }
    order.sort_unstable_by(descending);
    let weight = |neuron: u32| {
        let value = vector[neuron as usize];
        let share = f64::from(value).abs() / l1;
        NeuronWeight {
            neuron,
            value,
            l1_share: if l1 > 0.0 { share as f32 } else { 0.0 },
        }
    };
    order.into_iter().map(weight).collect()
}

fn texts<'v>(
    tokens: &[TokenLogit],
    vocabulary: &'v (impl Vocabulary + ?Sized),
) -> Vec<Cow<'v, str>> {
    tokens.iter().map(|t| text(vocabulary, t.token)).collect()
}

/// The middles of the bins.
fn centres(histogram: &ValueHistogram, scale: f64) -> Vec<f64> {
    let n = histogram.counts.len();
    let (min, max) = (f64::from(histogram.min), f64::from(histogram.max));
    let width = (max - min) / n.max(1) as f64;
    rounded((0..n).map(|i| (min + width * (i as f64 + 0.5)) * scale))
}

fn rounded(values: impl Iterator<Item = f64>) -> Vec<f64> {
    values.map(thousandths).collect()
}

/// With three decimals, ties to even, as the format's Python rounds.
fn thousandths(x: f64) -> f64 {
    // Less 0, or −0.0002 would be written as −0.0.
    (x * 1000.0).round_ties_even() / 1000.0 + 0.0
}
