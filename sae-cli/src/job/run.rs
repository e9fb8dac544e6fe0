//! The SAE: its run, and where it belongs.

use crate::args::place::PlaceArgs;
use crate::error::UsageError;
use crate::terminal::interrupt;
use crate::terminal::progress::Downloads;
use anyhow::{Context, Result, bail};
use llama_hooked::{HookPoint, Llama};
use sae_backend::ComputeDevice;
use sae_core::{RunDir, Sae, SaeLoadOptions};
use sae_llama::SplitLlama;
use sae_llama::resolve::{RunPart, find_run};
use std::path::Path;

/// Finds a run, here or on the Hub.
pub(crate) fn find(path: &Path, part: RunPart, quiet: bool) -> Result<RunDir> {
    let _at_once = interrupt::at_once();
    let mut bar = Downloads::new(quiet);
    let run = find_run(path, part, &mut bar.observer())?;
    Ok(run)
}

/// Finds a run and puts what was given in place of what its configuration says.
///
/// The names of the hooks are checked here, before anything large is loaded.
pub(crate) fn find_at(path: &Path, place: &PlaceArgs, quiet: bool) -> Result<RunDir> {
    if let Some(Err(error)) = place.hook.as_deref().map(str::parse::<HookPoint>) {
        bail!("--hook: {error}");
    }
    let mut run = find(path, RunPart::All, quiet)?;
    let cfg = run.dir.join("cfg.json");
    if let Some(hook) = &place.hook {
        run.cfg.metadata.hook_name = Some(hook.clone());
    }
    let metadata = &run.cfg.metadata;
    for warning in metadata.model_warnings() {
        tracing::warn!("{warning}");
    }
    if metadata.hook_name.is_none() {
        bail!(UsageError(format!(
            "where does the SAE belong? {}: names no hook (metadata.hook_name): give --hook NAME",
            cfg.display()
        )));
    }
    let recorded = [
        ("hook_name", &metadata.hook_name),
        ("hook_name_out", &metadata.hook_name_out),
    ];
    for (key, name) in recorded {
        if let Some(Err(error)) = name.as_deref().map(str::parse::<HookPoint>) {
            bail!("{}: {key}: {error}", cfg.display());
        }
    }
    Ok(run)
}

/// Loads the SAE of a run in the device's dtype.
pub(crate) fn load(run: &RunDir, on: &ComputeDevice) -> Result<Sae> {
    let mut options = SaeLoadOptions::new(&on.device);
    options.dtype = on.dtype;
    Ok(Sae::load_weights(run.cfg.clone(), &run.weights, &options)?)
}

/// Cuts the model where the run's SAE belongs.
pub(crate) fn split(model: &Llama, run: &RunDir) -> Result<SplitLlama> {
    SplitLlama::new(model, &run.cfg)
        .with_context(|| format!("the SAE of {} does not fit the model", run.dir.display()))
}
