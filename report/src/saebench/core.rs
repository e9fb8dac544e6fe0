//! SAEBench's evaluation `core`.

use super::{SaeBenchName, SaeBenchResult, number};
use sae_core::Sae;
use sae_metrics::{Evaluation, Report};
use serde::Serialize;
use serde_json::{Value, json};

/// How far from 1 the length of a decoder's row may be.
const UNIT: f32 = 1e-3;

/// Of each feature, figures of the weights, `[d_sae]` each.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CoreWeights {
    encoder_norm: Vec<f32>,
    encoder_bias: Vec<f32>,
    encoder_decoder_cosine_sim: Vec<f32>,
    max_encoder_cosine_sim: Vec<f32>,
    max_decoder_cosine_sim: Vec<f32>,
    /// Whether features may be below 0.
    signed: bool,
    /// Whether all rows of the decoder have length 1.
    unit: bool,
}

impl CoreWeights {
    /// Of an SAE; `d_sae² · (d_in + d_out)` floating-point operations.
    pub fn of(sae: &Sae) -> Self {
        let d_sae = sae.cfg().d_sae;
        let weights = sae.feature_weights();
        let cosines = sae.max_cosines();
        Self {
            encoder_norm: weights.encoder_norm,
            // As SAEBench has it for an SAE without one.
            encoder_bias: sae.magnitude_bias().unwrap_or_else(|| vec![0.0; d_sae]),
            encoder_decoder_cosine_sim: weights
                .encoder_decoder_cosine_sim
                .unwrap_or_else(|| vec![f32::NAN; d_sae]),
            max_encoder_cosine_sim: cosines.encoder,
            max_decoder_cosine_sim: cosines.decoder,
            unit: weights
                .decoder_norm
                .iter()
                .all(|norm| (norm - 1.0).abs() < UNIT),
            signed: sae.cfg().architecture.name() == "abstopk",
        }
    }
}

/// SAEBench's `CoreEvalConfig`, as far as it is not the same in every run.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CoreConfig {
    /// The model.
    pub model_name: String,
    /// `float32`, `bfloat16`.
    pub llm_dtype: String,
    /// Rows in a batch.
    pub batch_size: usize,
    /// The text.
    pub dataset: String,
    /// Tokens in a row.
    pub context_size: usize,
}

impl CoreConfig {
    /// All of it.
    pub fn new(
        model_name: &str,
        llm_dtype: &str,
        batch_size: usize,
        (dataset, context_size): (&str, usize),
    ) -> Self {
        Self {
            model_name: model_name.to_owned(),
            llm_dtype: llm_dtype.to_owned(),
            batch_size: batch_size.max(1),
            dataset: dataset.to_owned(),
            context_size,
        }
    }
}

/// The figures of `core`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CoreMetrics {
    metrics: Value,
    details: Vec<Feature>,
    unstructured: Value,
    doubts: Vec<String>,
    batches: u64,
}

/// A feature's line, SAEBench's `CoreFeatureMetric`.
#[allow(clippy::struct_field_names)] // they are SAEBench's keys
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Feature {
    index: usize,
    #[serde(serialize_with = "number")]
    feature_density: f64,
    #[serde(serialize_with = "number")]
    consistent_activation_heuristic: f64,
    #[serde(serialize_with = "number")]
    encoder_bias: f64,
    #[serde(serialize_with = "number")]
    encoder_norm: f64,
    #[serde(serialize_with = "number")]
    encoder_decoder_cosine_sim: f64,
    #[serde(serialize_with = "number")]
    max_decoder_cosine_sim: f64,
    #[serde(serialize_with = "number")]
    max_encoder_cosine_sim: f64,
}

impl CoreMetrics {
    /// Of what was measured: `report` is of `evaluation`. With `batch_size` rows in a batch, on which SAEBench's `mse` depends.
    ///
    /// # Panics
    /// If `weights` are of another number of features.
    pub fn new(
        evaluation: &Evaluation,
        report: &Report,
        weights: &CoreWeights,
        batch_size: usize,
    ) -> Self {
        let sparsity = &evaluation.sparsity;
        let (quality, density) = (&sparsity.quality, &sparsity.density);
        assert_eq!(density.d_sae(), weights.encoder_norm.len(), "one SAE");
        let tokens = &sparsity.tokens;
        let batches = tokens.sequences.div_ceil(batch_size.max(1) as u64);
        // Of the figures of `sae eval`, those that SAEBench has; what is not a number is null there.
        let ours = serde_json::to_value(&report.metrics).expect("plain data");
        let pick = |group: &str, keys: &[&str]| -> Value {
            let of = |key: &&str| {
                let value = ours[group][key].as_f64().unwrap_or(super::UNDEFINED);
                ((*key).to_owned(), json!(value))
            };
            Value::Object(keys.iter().map(of).collect())
        };
        let mut reconstruction = pick(
            "reconstruction_quality",
            &["explained_variance_legacy", "cossim"],
        );
        let theirs = quality.explained_variance_saebench();
        reconstruction["explained_variance"] = defined(theirs);
        // SAEBench divides each token's error by the number of tokens in its batch.
        let per_batch = quality.mse() * batches as f64 / tokens.kept as f64;
        reconstruction["mse"] = defined(per_batch);
        let mean = |values: &[f32]| {
            values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64
        };
        let misc = json!({
            "freq_over_1_percent": defined(density.freq_over_1_percent()),
            "freq_over_10_percent": defined(density.freq_over_10_percent()),
            "normalized_freq_over_1_percent": defined(density.normalized_freq_over(0.01)),
            "normalized_freq_over_10_percent": defined(density.normalized_freq_over(0.1)),
            "average_max_encoder_cosine_sim": defined(mean(&weights.max_encoder_cosine_sim)),
            "average_max_decoder_cosine_sim": defined(mean(&weights.max_decoder_cosine_sim)),
            "frac_alive": defined(density.frac_alive()),
        });
        let metrics = json!({
            "model_behavior_preservation": pick("model_behavior_preservation", &["kl_div_score", "kl_div_with_ablation", "kl_div_with_sae"]),
            "model_performance_preservation": pick("model_performance_preservation",
                &["ce_loss_score", "ce_loss_with_ablation", "ce_loss_with_sae", "ce_loss_without_sae"]),
            "reconstruction_quality": reconstruction,
            "shrinkage": pick("shrinkage", &["l2_norm_in", "l2_norm_out", "l2_ratio", "relative_reconstruction_bias"]),
            "sparsity": pick("sparsity", &["l0", "l1"]),
            "token_stats": {
                "total_tokens_eval_reconstruction": evaluation.reconstruction.tokens.seen,
                "total_tokens_eval_sparsity_variance": tokens.seen,
            },
            "misc_metrics": misc,
        });
        let unstructured = json!({
            "explained_variance_centered": defined(quality.explained_variance()),
            "explained_variance_uncentered": defined(quality.explained_variance_uncentered()),
            "squared_error_per_token": defined(quality.mse()),
            "tokens_per_batch": defined(tokens.kept as f64 / batches as f64),
        });
        Self {
            details: details(report, weights),
            doubts: doubts(theirs, quality.explained_variance(), weights),
            metrics,
            unstructured,
            batches,
        }
    }

    /// What to know before figures of this file are quoted: sentences.
    pub fn doubts(&self) -> &[String] {
        &self.doubts
    }

    /// The file.
    ///
    /// # Panics
    /// Never: it is plain data.
    pub fn result(
        &self,
        name: &SaeBenchName,
        config: &CoreConfig,
        sae_cfg: Value,
    ) -> SaeBenchResult {
        let eval_config = json!({
            "model_name": config.model_name,
            "llm_dtype": config.llm_dtype,
            "batch_size_prompts": config.batch_size,
            "n_eval_reconstruction_batches": self.batches,
            "n_eval_sparsity_variance_batches": self.batches,
            "dataset": config.dataset,
            "context_size": config.context_size,
            "compute_kl": true,
            "compute_ce_loss": true,
            "compute_l2_norms": true,
            "compute_sparsity_metrics": true,
            "compute_variance_metrics": true,
            "compute_featurewise_density_statistics": true,
            "compute_featurewise_weight_based_metrics": true,
            "exclude_special_tokens_from_reconstruction": true,
            "verbose": false,
        });
        let details = serde_json::to_value(&self.details).expect("plain data");
        let figures = (eval_config, self.metrics.clone(), details);
        let mut result = SaeBenchResult::new("core", name, figures, sae_cfg);
        result.eval_result_unstructured = self.unstructured.clone();
        result
    }
}

/// −1 for what is not a number, as SAEBench has it.
fn defined(value: f64) -> Value {
    json!(if value.is_nan() {
        super::UNDEFINED
    } else {
        value
    })
}

fn details(report: &Report, weights: &CoreWeights) -> Vec<Feature> {
    let of = &report.feature_metrics;
    let feature = |index: usize| Feature {
        index,
        feature_density: of.feature_density[index],
        consistent_activation_heuristic: of.consistent_activation_heuristic[index],
        encoder_bias: f64::from(weights.encoder_bias[index]),
        encoder_norm: f64::from(weights.encoder_norm[index]),
        encoder_decoder_cosine_sim: f64::from(weights.encoder_decoder_cosine_sim[index]),
        max_decoder_cosine_sim: f64::from(weights.max_decoder_cosine_sim[index]),
        max_encoder_cosine_sim: f64::from(weights.max_encoder_cosine_sim[index]),
    };
    (0..of.feature_density.len()).map(feature).collect()
}

fn doubts(theirs: f64, centred: f64, weights: &CoreWeights) -> Vec<String> {
    let mut doubts = Vec::new();
    if (theirs - centred).abs() > 0.01 {
        doubts.push(format!(
            "SAEBench's file has explained_variance {theirs:.4}, by SAEBench's own formula, which takes the mean of squares for the square of the mean; the share of the \
             variance is {centred:.4}, and is under eval_result_unstructured.explained_variance_centered"
        ));
    }
    if !weights.unit {
        doubts.push(
            "rows of this SAE's decoder are not of length 1; SAEBench scales a published SAE so that they are, before it measures: its l1, encoder_norm and encoder_bias would \
             be others than those of the SAE as it is, which the file has"
                .to_owned(),
        );
    }
    if weights.signed {
        doubts.push(
            "features of this SAE may be below 0; SAEBench adds them up with their signs in l1 and does not count them in densities, and its file here has their magnitudes and counts them"
                .to_owned(),
        );
    }
    doubts
}
