//! The reports of several SAEs, from one run of the model for all.

use super::page::{Content, page};
use super::table::{counted, lines, of_all};
use super::{Forward, Row, layer};
use crate::nominal::NominalSource;
use crate::report::{Report, Timings};
use sae_metrics::{Metrics, PromptCheck};
use serde::Serialize;
use std::path::Path;

/// The report of one of several SAEs.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct SaeReport {
    /// The folder of its files, beside the page of all.
    pub folder: String,
    /// What a report of it alone says.
    #[serde(flatten)]
    pub report: Report,
}

impl SaeReport {
    /// The report whose files are in a folder of this name.
    pub fn new(folder: String, report: Report) -> Self {
        Self { folder, report }
    }
}

/// All SAEs in place at once.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct TogetherReport {
    /// The SAEs in the order in which the model meets them.
    pub order: Vec<String>,
    /// Losses and divergences; `ablation` is with every hook zeroed.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// The prompt check.
    pub prompt: PromptCheck,
}

impl TogetherReport {
    /// From what was measured.
    pub fn new(together: super::Together, prompt: PromptCheck) -> Self {
        Self {
            order: together.order,
            metrics: together.metrics,
            prompt,
        }
    }
}

/// `report.json` of several SAEs, its keys in this order.
#[derive(Debug, Serialize)]
pub struct SeveralReports<P> {
    /// In the order of the call.
    pub saes: Vec<SaeReport>,
    /// Their numbers in the order of their hooks, in which tables have them.
    #[serde(skip)]
    pub order: Vec<usize>,
    /// With all of them in place at once, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub together: Option<TogetherReport>,
    /// How much was run.
    pub forward: Forward,
    /// The memory plan.
    pub plan: P,
    /// How long it took, all together.
    pub timings: Timings,
    /// Warnings: what looks wrong, as a sentence that names the SAE.
    pub warnings: Vec<String>,
}

impl<P> SeveralReports<P> {
    fn rows(&self) -> Vec<Row> {
        let rows = self.order.iter().filter_map(|&at| self.saes.get(at));
        rows.map(Row::of_report).collect()
    }

    /// One page that opens from disk, with links to the reports' own pages.
    pub fn page(&self) -> String {
        let first = self.saes.first().map(|of| &of.report);
        let facts = first.map(|first| {
            let data = &first.data;
            let rows = format!("{} of {} tokens", data.sequences, data.context_size);
            vec![
                ("Text", data.dataset.clone()),
                ("Rows", rows),
                ("Convention", first.conventions.masking.clone()),
            ]
        });
        page(&Content {
            rows: self.rows(),
            warnings: &self.warnings,
            model: first.map_or("", |first| &first.model.name),
            facts: facts.unwrap_or_default(),
            together: self.together_text(),
            brand: ("SAE reports", "Reports"),
        })
    }

    /// A summary of what is in the folder `out`, for a terminal.
    pub fn text(&self, out: &Path) -> String {
        let mut text = lines(&self.rows());
        for &at in &self.order {
            let Some(SaeReport { folder, report }) = self.saes.get(at) else {
                continue;
            };
            text.push_str(&format!("\n{folder}: {}\n", report.prompt.text()));
        }
        if let Some(together) = &self.together {
            let sentence = of_all(together.order.len(), &together.metrics);
            text.push_str(&format!("\n{sentence}\n{}\n", together.prompt.text()));
        }
        text.push('\n');
        for warning in &self.warnings {
            text.push_str(&format!("Look out: {warning}\n"));
        }
        if let Some(first) = self.saes.first() {
            let conventions = &first.report.conventions;
            text.push_str(&format!("Conventions: {}.\n", conventions.masking));
        }
        text.push_str(&counted(self.forward));
        text.push_str(&format!(
            "{:.1} s. Reports: {}\n",
            self.timings.total_s,
            out.join("index.html").display()
        ));
        text
    }

    fn together_text(&self) -> Option<String> {
        let together = self.together.as_ref()?;
        Some(of_all(together.order.len(), &together.metrics))
    }
}

impl Row {
    fn of_report(of: &SaeReport) -> Self {
        let SaeReport { folder, report } = of;
        let hook = report.sae.hook_name.clone().unwrap_or_default();
        let quality = report.reconstruction_quality.as_ref();
        let published = report.l0.nominal;
        let published = published.filter(|nominal| nominal.source == NominalSource::Published);
        Self {
            sae: folder.clone(),
            link: Some(format!("{folder}/report.html")),
            layer: layer(&hook),
            hook,
            d_sae: report.sae.d_sae,
            l0: report.l0.mean,
            published_l0: published.map(|nominal| nominal.value),
            explained_variance: quality.map_or(f64::NAN, |q| q.explained_variance),
            published_variance: None,
            original: report.loss.original,
            reconstructed: report.loss.reconstruction,
            zeroed: report.loss.zero_ablation,
            recovered: report.loss.recovered,
            kl: None,
            dead: report.features.n_dead as f64,
        }
    }
}
