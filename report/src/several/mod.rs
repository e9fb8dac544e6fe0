//! Several SAEs, as `sae eval` and `sae analyze` measure them: the JSON, a table, CSV and a page.

mod page;
mod reports;
mod table;

pub use reports::{SaeReport, SeveralReports, TogetherReport};

use crate::evaluated::{EvalTimings, Evaluated};
use sae_metrics::{Metrics, ReconstructionStatistics, Report};
use serde::Serialize;

/// Figures of several SAEs, from one run of the model for all.
#[derive(Debug, Serialize)]
pub struct EvaluatedSeveral<P> {
    /// What an evaluation of each alone gives, in the order of the call.
    pub saes: Vec<Evaluated<P>>,
    /// Their numbers in the order of their hooks, in which tables have them.
    #[serde(skip)]
    pub order: Vec<usize>,
    /// With all of them in place at once, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub together: Option<Together>,
    /// How much was run.
    pub forward: Forward,
    /// The memory plan.
    pub plan: P,
    /// How long it took, all together.
    pub timings: EvalTimings,
    /// Warnings: what looks wrong, as a sentence that names the SAE.
    pub warnings: Vec<String>,
}

/// All SAEs in place at once.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Together {
    /// The SAEs in the order in which the model meets them.
    pub order: Vec<String>,
    /// Losses and divergences, in the groups of the single figures; `ablation` is with every hook zeroed.
    #[serde(flatten)]
    pub metrics: Metrics,
}

/// How many tokens went through a block of the model, each as often as it did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Forward {
    /// Here.
    pub block_tokens: u64,
    /// In evaluations of each SAE alone.
    pub block_tokens_alone: u64,
}

impl Forward {
    /// So many here, and so many in evaluations of each SAE alone.
    pub fn new(block_tokens: u64, block_tokens_alone: u64) -> Self {
        Self {
            block_tokens,
            block_tokens_alone,
        }
    }

    /// Adds those of another group.
    pub fn add(&mut self, other: &Self) {
        self.block_tokens += other.block_tokens;
        self.block_tokens_alone += other.block_tokens_alone;
    }
}

impl Together {
    /// From what was measured.
    pub fn new(order: Vec<String>, statistics: &ReconstructionStatistics) -> Self {
        Self {
            order,
            metrics: Report::new(None, Some(statistics)).metrics,
        }
    }
}

/// An SAE's figures that tables and plots show.
struct Row {
    sae: String,
    /// A page of this SAE alone.
    link: Option<String>,
    hook: String,
    layer: Option<usize>,
    d_sae: usize,
    l0: f64,
    published_l0: Option<f64>,
    explained_variance: f64,
    published_variance: Option<f64>,
    original: f64,
    reconstructed: f64,
    zeroed: f64,
    recovered: f64,
    /// Where it was measured.
    kl: Option<f64>,
    dead: f64,
}

impl<P> EvaluatedSeveral<P> {
    /// In the order of the hooks.
    fn rows(&self) -> Vec<Row> {
        let rows = self.order.iter().filter_map(|&at| self.saes.get(at));
        rows.map(Row::new).collect()
    }
}

impl Row {
    fn new<P>(of: &Evaluated<P>) -> Self {
        let metrics = &of.figures.metrics;
        let (cfg, sparsity) = (&of.eval_cfg, metrics.sparsity.as_ref());
        let losses = metrics.model_performance_preservation.as_ref();
        let kl = metrics.model_behavior_preservation.as_ref();
        let quality = metrics.reconstruction_quality.as_ref();
        let hook = if cfg.read_hook == cfg.write_hook {
            cfg.read_hook.clone()
        } else {
            format!("{} → {}", cfg.read_hook, cfg.write_hook)
        };
        let d_sae = of.figures.feature_metrics.feature_density.len();
        let alive = sparsity.map_or(f64::NAN, |s| s.frac_alive);
        Self {
            sae: cfg.sae.clone().unwrap_or_default(),
            link: None,
            layer: layer(&cfg.read_hook),
            hook,
            d_sae,
            l0: sparsity.map_or(f64::NAN, |s| s.l0),
            published_l0: of.published.and_then(|known| known.sae.l0),
            published_variance: of.published.and_then(|known| known.sae.explained_variance),
            explained_variance: quality.map_or(f64::NAN, |q| q.explained_variance),
            original: losses.map_or(f64::NAN, |l| l.ce_loss_without_sae),
            reconstructed: losses.map_or(f64::NAN, |l| l.ce_loss_with_sae),
            zeroed: losses.map_or(f64::NAN, |l| l.ce_loss_with_ablation),
            recovered: losses.map_or(f64::NAN, |l| l.ce_loss_score),
            kl: Some(kl.map_or(f64::NAN, |k| k.kl_div_with_sae)),
            dead: (d_sae as f64 * (1.0 - alive)).round(),
        }
    }
}

/// The N of a hook named `blocks.N.…`.
fn layer(hook: &str) -> Option<usize> {
    hook.strip_prefix("blocks.")?
        .split('.')
        .next()?
        .parse()
        .ok()
}
