//! `report.json`, as types.

use crate::checks::Check;
use crate::describe::{DataDescription, ModelDescription, SaeDescription};
use crate::features::{Features, Recorded};
use crate::nominal::Nominal;
use sae_metrics::{
    Bins, Evaluation, Histogram, Masking, PromptCheck, ReconstructionQualityFigures,
};
use serde::Serialize;

/// Bins of the L0 histogram.
const L0_BINS: usize = 48;

/// `report.json`, its keys in this order.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The SAE.
    pub sae: SaeDescription,
    /// The model.
    pub model: ModelDescription,
    /// The text.
    pub data: DataDescription,
    /// Active features per token.
    pub l0: L0,
    /// Features to look at.
    pub features: Features,
    /// Cross-entropies.
    pub loss: Loss,
    /// Explained variances and the like.
    pub reconstruction_quality: Option<ReconstructionQualityFigures>,
    /// The prompt check.
    pub prompt: PromptCheck,
    /// How it was measured.
    pub conventions: Conventions,
    /// The configuration compared with what was found.
    pub checks: Vec<Check>,
    /// Warnings: what looks wrong, as a sentence, with the probable cause.
    pub warnings: Vec<String>,
    /// How long it took.
    pub timings: Timings,
    /// The software.
    pub versions: Versions,
}

/// Active features per token.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct L0 {
    /// Over the tokens that are counted.
    pub mean: f64,
    /// Standard deviation, of the population.
    pub std: f64,
    /// The fewest on a token.
    pub min: Option<usize>,
    /// The most on a token.
    pub max: Option<usize>,
    /// Tokens by their number of active features.
    pub histogram: Bins,
    /// Tokens counted.
    pub tokens: u64,
    /// The mean that the configuration or the run leads one to expect.
    pub nominal: Option<Nominal>,
}

impl L0 {
    pub(crate) fn new(l0: &Histogram, nominal: Option<Nominal>) -> Self {
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
#[non_exhaustive]
pub struct Loss {
    /// Of the model as it is.
    pub original: f64,
    /// With the SAE's output in place of the activation.
    pub reconstruction: f64,
    /// With zeros in its place.
    pub zero_ablation: f64,
    /// (zero ablation − reconstruction) / (zero ablation − original).
    pub recovered: f64,
    /// Losses averaged.
    pub tokens: u64,
}

/// The conventions that the figures follow, where there are several.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Conventions {
    /// Which positions count.
    pub masking: String,
    /// What replaces the activation.
    pub reconstruction: &'static str,
    /// The formula.
    pub explained_variance: &'static str,
}

/// Seconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Timings {
    /// Loading the model.
    pub load_model_s: f64,
    /// Loading the SAE.
    pub load_sae_s: f64,
    /// Tokenising.
    pub tokenize_s: f64,
    /// Measuring.
    pub evaluate_s: f64,
    /// The prompt check.
    pub prompt_s: f64,
    /// From start to finish.
    pub total_s: f64,
}

/// The software that computed the report.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Versions {
    /// This workspace.
    pub sae: &'static str,
    /// The tensor library.
    pub burn: &'static str,
}

/// The parts of a report that are not measured.
#[derive(Debug)]
pub struct Described {
    /// The SAE.
    pub sae: SaeDescription,
    /// The model.
    pub model: ModelDescription,
    /// The text.
    pub data: DataDescription,
    /// The run's record of its training.
    pub recorded: Option<Recorded>,
    /// The L0 to expect.
    pub nominal: Option<Nominal>,
}

impl Report {
    /// From the descriptions and the measurements; checks and warnings are to be added.
    pub fn new(
        described: Described,
        evaluation: &Evaluation,
        masking: &Masking,
        prompt: PromptCheck,
        timings: Timings,
    ) -> Self {
        let Described {
            sae,
            model,
            data,
            recorded,
            nominal,
        } = described;
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
