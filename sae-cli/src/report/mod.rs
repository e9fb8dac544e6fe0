//! What `sae analyze` found, for programs, terminals and browsers.

pub(crate) mod checks;
mod escape;
pub(crate) mod features;
pub(crate) mod figures;
pub(crate) mod folder;
pub(crate) mod nominal;
mod page;
mod palette;
pub(crate) mod plots;
mod terminal;
pub(crate) mod warnings;

pub(crate) use page::{Links, page};
pub(crate) use terminal::terminal;

use crate::prompt_check::PromptCheck;
use checks::Check;
use features::{Features, Recorded};
use nominal::Nominal;
use sae_metrics::{Bins, Evaluation, Histogram, Masking, ReconstructionQualityFigures};
use serde::Serialize;
use serde_json::Value;

/// Bins of the L0 histogram.
const L0_BINS: usize = 48;

/// `report.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// As `sae info` prints it.
    pub(crate) sae: Value,
    pub(crate) model: Value,
    pub(crate) data: Value,
    pub(crate) l0: L0,
    pub(crate) features: Features,
    pub(crate) loss: Loss,
    pub(crate) reconstruction_quality: Option<ReconstructionQualityFigures>,
    pub(crate) prompt: PromptCheck,
    pub(crate) conventions: Conventions,
    /// What was held against the configuration.
    pub(crate) checks: Vec<Check>,
    /// What looks wrong, in plain words, with the probable cause.
    pub(crate) warnings: Vec<String>,
    pub(crate) timings: Timings,
    pub(crate) versions: Versions,
}

/// Active features per token.
#[derive(Debug, Serialize)]
pub(crate) struct L0 {
    pub(crate) mean: f64,
    pub(crate) std: f64,
    pub(crate) min: Option<usize>,
    pub(crate) max: Option<usize>,
    pub(crate) histogram: Bins,
    /// Tokens counted.
    pub(crate) tokens: u64,
    /// What the mean should be.
    pub(crate) nominal: Option<Nominal>,
}

impl L0 {
    fn new(l0: &Histogram, nominal: Option<Nominal>) -> Self {
        Self {
            mean: l0.mean(),
            std: l0.std(),
            min: l0.min(),
            max: l0.max(),
            histogram: l0.rebin(L0_BINS),
            tokens: l0.n(),
            nominal,
        }
    }
}

/// Mean next-token losses, in nats.
#[derive(Debug, Serialize)]
pub(crate) struct Loss {
    pub(crate) original: f64,
    pub(crate) reconstruction: f64,
    pub(crate) zero_ablation: f64,
    /// (zero ablation − reconstruction) / (zero ablation − original).
    pub(crate) recovered: f64,
    /// Losses averaged.
    pub(crate) tokens: u64,
}

/// Which of several customs the figures follow.
#[derive(Debug, Serialize)]
pub(crate) struct Conventions {
    pub(crate) masking: String,
    pub(crate) reconstruction: &'static str,
    pub(crate) explained_variance: &'static str,
}

/// Seconds.
#[expect(
    clippy::struct_field_names,
    reason = "the keys of report.json say their unit"
)]
#[derive(Debug, Serialize)]
pub(crate) struct Timings {
    pub(crate) load_model_s: f64,
    pub(crate) load_sae_s: f64,
    pub(crate) tokenize_s: f64,
    pub(crate) evaluate_s: f64,
    pub(crate) prompt_s: f64,
    pub(crate) total_s: f64,
}

/// What computed the report.
#[derive(Debug, Serialize)]
pub(crate) struct Versions {
    pub(crate) sae: &'static str,
    pub(crate) burn: &'static str,
}

impl Report {
    #[expect(clippy::too_many_arguments, reason = "each is a part of the report")]
    pub(crate) fn new(
        sae: Value,
        model: Value,
        data: Value,
        evaluation: &Evaluation,
        masking: &Masking,
        prompt: PromptCheck,
        recorded: Option<Recorded>,
        nominal: Option<Nominal>,
        timings: Timings,
    ) -> Self {
        let (sparsity, losses) = (
            &evaluation.sparsity,
            &evaluation.reconstruction.cross_entropy,
        );
        let figures = sae_metrics::Report::new(Some(sparsity), None);
        Self {
            sae,
            model,
            data,
            l0: L0::new(&sparsity.l0, nominal),
            features: Features::new(&sparsity.density, &sparsity.strength, recorded),
            loss: Loss {
                original: losses.original.mean(),
                reconstruction: losses.reconstructed.mean(),
                zero_ablation: losses.ablated.mean(),
                recovered: losses.score(),
                tokens: losses.original.n(),
            },
            reconstruction_quality: figures.metrics.reconstruction_quality,
            prompt,
            conventions: Conventions {
                masking: masking.to_string(),
                reconstruction: "the SAE's full forward pass replaces the activation at every position, as in the notebook",
                explained_variance: "1 - E|x - x̂|² / (E|x|² - |E x|²), over the tokens that L0 counts",
            },
            checks: Vec::new(),
            warnings: Vec::new(),
            timings,
            versions: Versions {
                sae: env!("CARGO_PKG_VERSION"),
                burn: "0.22.1",
            },
        }
    }
}
