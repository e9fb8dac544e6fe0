//! Figures of an SAE in training on rows that it is not trained on, by SAELens' names.

use crate::{ReconstructionPath, Spliced, SplitError, SplitLlama};
use dataset_stream::{TableError, TokenTable};
use llama_hooked::Llama;
use sae_core::{Sae, SaeConfig};
use sae_metrics::{
    Evaluation, Masking, ProtocolError, ProtocolOptions, Report, Unobserved, evaluate_more,
};
use std::ops::Range;

/// Rows that are not trained on, and a model that has all its layers.
#[derive(Debug)]
pub struct HeldOut {
    model: Llama,
    rows: Vec<Vec<u32>>,
    masking: Masking,
    batch_size: usize,
}

impl HeldOut {
    /// Reads the rows.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn new(
        model: Llama,
        table: &TokenTable,
        rows: Range<usize>,
        masking: Masking,
        batch_size: usize,
    ) -> Result<Self, TableError> {
        Ok(Self {
            model,
            rows: rows.map(|row| table.row(row)).collect::<Result<_, _>>()?,
            masking,
            batch_size,
        })
    }

    /// The model; clones share its weights.
    pub fn model(&self) -> &Llama {
        &self.model
    }

    /// Where an SAE of this configuration sits in the model.
    ///
    /// # Errors
    /// If it cannot.
    pub fn split(&self, cfg: &SaeConfig) -> Result<SplitLlama, SplitError> {
        SplitLlama::new(&self.model, cfg)
    }

    /// Evaluates an SAE as `sae eval` does. Each figure is named as SAELens logs it, its group first.
    ///
    /// # Errors
    /// If a token is not the model's.
    pub fn evaluate(
        &self,
        split: &SplitLlama,
        sae: &Sae,
    ) -> Result<Vec<(String, f64)>, ProtocolError<std::convert::Infallible>> {
        let mut options = ProtocolOptions::default();
        options.logit_bytes =
            crate::plan::logit_bytes(sae_backend::is_cpu(&self.model.device())) as usize;
        options.masking = self.masking.clone();
        options.batch_size = self.batch_size;
        let mut evaluation = Evaluation::new(sae.cfg().d_sae, 0);
        let spliced = Spliced::new(sae, ReconstructionPath::evaluated(sae.cfg()));
        let rows = self
            .rows
            .iter()
            .cloned()
            .map(Ok::<_, std::convert::Infallible>);
        evaluate_more(
            split,
            &spliced,
            rows,
            &options,
            &mut evaluation,
            &mut Unobserved,
        )?;
        let report = Report::new(Some(&evaluation.sparsity), Some(&evaluation.reconstruction));
        let metrics = serde_json::to_value(&report.metrics).unwrap_or_default();
        let mut figures = Vec::new();
        for (group, values) in metrics.as_object().into_iter().flatten() {
            for (name, value) in values.as_object().into_iter().flatten() {
                if let Some(value) = value.as_f64().filter(|_| group != "token_stats") {
                    figures.push((format!("{group}/{name}"), value));
                }
            }
        }
        Ok(figures)
    }
}
