//! Rows of an export, column by column in the order of Neuronpedia's own.

use std::borrow::Cow;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::dashboard::{Activation, Dashboard};
use crate::Feature;

/// The keys that every row of an export has.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) model_id: String,
    pub(super) layer: String,
    pub(super) creator_id: String,
    pub(super) set: String,
    pub(super) hook_name: String,
}

#[derive(Debug, Serialize)]
pub(super) struct FeatureRow<'a> {
    #[serde(rename = "modelId")]
    model_id: &'a str,
    layer: &'a str,
    index: String,
    #[serde(rename = "maxActApprox")]
    max_act_approx: f64,
    #[serde(rename = "creatorId")]
    creator_id: &'a str,
    frac_nonzero: f64,
    freq_hist_data_bar_heights: &'a [u64],
    freq_hist_data_bar_values: &'a [f64],
    logits_hist_data_bar_heights: &'a [u64],
    logits_hist_data_bar_values: &'a [f64],
    neuron_alignment_indices: &'a [u32],
    neuron_alignment_l1: &'a [f64],
    neuron_alignment_values: &'a [f64],
    correlated_neurons_indices: &'a [u32],
    correlated_neurons_l1: &'a [f64],
    correlated_neurons_pearson: &'a [f64],
    decoder_weights_dist: &'a [f64],
    neg_str: &'a [Cow<'a, str>],
    neg_values: &'a [f64],
    pos_str: &'a [Cow<'a, str>],
    pos_values: &'a [f64],
    #[serde(rename = "sourceSetName")]
    source_set_name: &'a str,
    #[serde(rename = "topkCosSimIndices")]
    topk_cos_sim_indices: Vec<u32>,
    #[serde(rename = "topkCosSimValues")]
    topk_cos_sim_values: Vec<f32>,
    vector: &'a [f32],
    #[serde(rename = "vectorLabel")]
    vector_label: Option<&'a str>,
    #[serde(rename = "hookName")]
    hook_name: Option<&'a str>,
    #[serde(rename = "vectorDefaultSteerStrength")]
    vector_default_steer_strength: f64,
    #[serde(rename = "hasVector")]
    has_vector: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActivationRow<'a> {
    id: String,
    model_id: &'a str,
    layer: &'a str,
    index: String,
    creator_id: &'a str,
    data_index: String,
    data_source: &'a str,
    tokens: &'a [Cow<'a, str>],
    max_value: f64,
    min_value: f64,
    values: &'a [f64],
    max_value_token_index: usize,
    dfa_values: [f64; 0],
    dfa_max_value: Option<f64>,
    dfa_target_index: Option<u32>,
    bin_contains: f64,
    bin_min: f64,
    bin_max: f64,
    qualifying_token_index: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExplanationRow<'a> {
    id: String,
    model_id: &'a str,
    layer: &'a str,
    index: String,
    author_id: &'a str,
    description: &'a str,
    embedding: Option<&'a str>,
    type_name: Option<&'a str>,
    explanation_model_name: Option<&'a str>,
}

impl Common {
    pub(super) fn feature<'a>(
        &'a self,
        feature: &Feature,
        dashboard: &'a Dashboard<'a>,
    ) -> FeatureRow<'a> {
        let values = dashboard.activations.iter().flat_map(|a| &a.values);
        let max_act_approx = values.copied().fold(0.0, f64::max);
        let has_vector = !dashboard.vector.is_empty();
        let similar = &feature.neighbours.decoder;
        FeatureRow {
            model_id: &self.model_id,
            layer: &self.layer,
            index: dashboard.feature_index.to_string(),
            max_act_approx,
            creator_id: &self.creator_id,
            frac_nonzero: dashboard.frac_nonzero,
            freq_hist_data_bar_heights: &dashboard.freq_hist_data_bar_heights,
            freq_hist_data_bar_values: &dashboard.freq_hist_data_bar_values,
            logits_hist_data_bar_heights: &dashboard.logits_hist_data_bar_heights,
            logits_hist_data_bar_values: &dashboard.logits_hist_data_bar_values,
            neuron_alignment_indices: &dashboard.neuron_alignment_indices,
            neuron_alignment_l1: &dashboard.neuron_alignment_l1,
            neuron_alignment_values: &dashboard.neuron_alignment_values,
            correlated_neurons_indices: &dashboard.correlated_neurons_indices,
            correlated_neurons_l1: &dashboard.correlated_neurons_l1,
            correlated_neurons_pearson: &dashboard.correlated_neurons_pearson,
            decoder_weights_dist: &dashboard.decoder_weights_dist,
            neg_str: &dashboard.neg_str,
            neg_values: &dashboard.neg_values,
            pos_str: &dashboard.pos_str,
            pos_values: &dashboard.pos_values,
            source_set_name: &self.set,
            topk_cos_sim_indices: similar.iter().map(|n| n.index).collect(),
            topk_cos_sim_values: similar.iter().map(|n| n.value).collect(),
            vector: &dashboard.vector,
            vector_label: None,
            hook_name: has_vector.then_some(&self.hook_name),
            vector_default_steer_strength: max_act_approx,
            has_vector,
        }
    }

    pub(super) fn activation<'a>(
        &'a self,
        dashboard: &'a Dashboard<'_>,
        activation: &'a Activation<'a>,
    ) -> ActivationRow<'a> {
        let (context, position) = activation.place;
        let values = activation.values.iter().copied().enumerate();
        let greater = |a: (usize, f64), b: (usize, f64)| if b.1 > a.1 { b } else { a };
        let (max_value_token_index, max_value) = values.reduce(greater).unwrap_or_default();
        let index = dashboard.feature_index.to_string();
        ActivationRow {
            id: self.id(&[
                "activation",
                &index,
                &context.to_string(),
                &position.to_string(),
            ]),
            model_id: &self.model_id,
            layer: &self.layer,
            index,
            creator_id: &self.creator_id,
            data_index: context.to_string(),
            data_source: dashboard.dataset,
            tokens: &activation.tokens,
            max_value,
            min_value: activation.values.iter().copied().fold(max_value, f64::min),
            values: &activation.values,
            max_value_token_index,
            dfa_values: [],
            dfa_max_value: None,
            dfa_target_index: None,
            bin_contains: activation.bin_contains,
            bin_min: activation.bin_min,
            bin_max: activation.bin_max,
            qualifying_token_index: activation.qualifying_token_index,
        }
    }

    pub(super) fn explanation<'a>(
        &'a self,
        feature: u32,
        explanation: &'a super::Explanation,
    ) -> ExplanationRow<'a> {
        let index = feature.to_string();
        let (type_name, model) = (&explanation.type_name, &explanation.model);
        let told = [type_name, model].map(|name| name.as_deref().unwrap_or_default());
        ExplanationRow {
            id: self.id(&["explanation", &index, &explanation.text, told[0], told[1]]),
            model_id: &self.model_id,
            layer: &self.layer,
            index,
            author_id: &self.creator_id,
            description: &explanation.text,
            embedding: None,
            type_name: type_name.as_deref(),
            explanation_model_name: model.as_deref(),
        }
    }

    /// An id that looks like theirs, and is the same whenever the same is exported: what was imported is not imported twice.
    fn id(&self, parts: &[&str]) -> String {
        let mut hash = Sha256::new();
        for part in [self.model_id.as_str(), &self.layer].iter().chain(parts) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let digits = hash.finalize();
        let digits = digits.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits = digits.filter_map(|four| char::from_digit(four.into(), 16));
        std::iter::once('c').chain(digits.take(24)).collect()
    }
}
