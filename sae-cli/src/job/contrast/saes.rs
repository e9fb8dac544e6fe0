//! The SAEs: their runs, where they read, and the pages of their features.

use crate::args::contrast::Args;
use crate::error::UsageError;
use crate::job::run::load;
use crate::job::saes::{each_layer, find_all, same_model};
use anyhow::{Context, Result, bail};
use llama_hooked::{HookPoint, LlamaConfig};
use sae_backend::ComputeDevice;
use sae_core::{RunDir, Sae, SaeMetadata};
use sae_llama::contrast::{HookRead, TrainHooks};
use sae_report::Links;
use std::path::{Path, PathBuf};

/// The runs that are compared, in the order of the call.
pub(crate) struct Saes {
    /// As they were given, each with its layer in place.
    pub(crate) names: Vec<String>,
    pub(crate) runs: Vec<RunDir>,
    points: Vec<HookPoint>,
    dashboards: Vec<PathBuf>,
}

impl Saes {
    /// Finds them, here or on the Hub.
    pub(crate) fn find(args: &Args, quiet: bool) -> Result<Self> {
        let paths = each_layer("--sae", &args.sae, args.layers.as_ref())?;
        let dashboards = each_layer("--dashboard", &args.dashboard, args.layers.as_ref())?;
        if !dashboards.is_empty() && dashboards.len() != paths.len() {
            bail!(UsageError(format!(
                "--dashboard: {} for {} SAEs; give one for each --sae, in their order",
                dashboards.len(),
                paths.len()
            )));
        }
        let runs = find_all(&paths, &args.place, quiet)?;
        let names = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let points = runs.iter().map(|run| {
            let name = run.cfg.metadata.hook_name.as_deref().unwrap_or_default();
            Ok(name.parse::<HookPoint>()?)
        });
        let found = Self {
            names,
            points: points.collect::<Result<_>>()?,
            runs,
            dashboards,
        };
        found.check(args)?;
        Ok(found)
    }

    /// Makes sure that all are of one model, where no model is given.
    fn check(&self, args: &Args) -> Result<()> {
        same_model(&self.runs, &self.names, args.place.model.as_deref())?;
        let first = self.metadata();
        for (run, name) in self.runs.iter().zip(&self.names) {
            let metadata = &run.cfg.metadata;
            let bos = |metadata: &SaeMetadata| metadata.prepend_bos.unwrap_or(true);
            if !args.prompt.chat && !args.prompt.no_bos && bos(metadata) != bos(first) {
                tracing::warn!(
                    "{name} and {} differ in prepend_bos: prompts begin as the first has it",
                    self.names[0]
                );
            }
        }
        Ok(())
    }

    /// What the first says of model and data.
    pub(crate) fn metadata(&self) -> &SaeMetadata {
        &self.runs[0].cfg.metadata
    }

    /// Where they read, in one pass of the model.
    pub(crate) fn hooks(&self, config: &LlamaConfig) -> Result<TrainHooks> {
        let reads =
            self.runs.iter().zip(&self.points).map(|(run, &point)| {
                HookRead::new(point).with_head(run.cfg.metadata.hook_head_index)
            });
        let reads: Vec<_> = reads.collect();
        // One by one first, so that a message says which SAE is meant.
        for (read, name) in reads.iter().zip(&self.names) {
            TrainHooks::new(config, &[*read])
                .with_context(|| format!("the SAE of {name} does not fit the model"))?;
        }
        Ok(TrainHooks::new(config, &reads)?)
    }

    /// Their weights.
    pub(crate) fn load(&self, on: &ComputeDevice) -> Result<Vec<Sae>> {
        self.runs.iter().map(|run| load(run, on)).collect()
    }

    /// The layer of one's hook.
    pub(crate) fn layer(&self, at: usize) -> Option<usize> {
        self.points[at].layer()
    }

    /// One's hook.
    pub(crate) fn hook_name(&self, at: usize) -> String {
        self.points[at].to_string()
    }

    /// The pages of their features, seen from the folder `out`, which must exist.
    pub(crate) fn links(&self, out: &Path) -> Result<Vec<Links>> {
        let link = |(at, page): (usize, &PathBuf)| {
            let cfg = &self.runs[at].cfg;
            let links = Links::page(page, out).and_then(|links| {
                links.check(cfg.d_sae, cfg.metadata.hook_name.as_deref())?;
                Ok(links)
            });
            links.with_context(|| format!("--dashboard {}", page.display()))
        };
        self.dashboards.iter().enumerate().map(link).collect()
    }
}
