//! The SAE: its run, and where it belongs.

use crate::args::files::FilesArgs;
use crate::args::place::PlaceArgs;
use crate::error::UsageError;
use crate::terminal::interrupt;
use crate::terminal::progress::Downloads;
use anyhow::{Context, Result, bail};
use llama_hooked::{HookPoint, Llama};
use sae_backend::ComputeDevice;
use sae_core::{RunDir, Sae, SaeLoadOptions};
use sae_llama::SplitLlama;
use sae_llama::resolve::{RunPart, find_run_as};
use std::path::Path;

/// Finds a run, here or on the Hub.
pub(crate) fn find(path: &Path, files: &FilesArgs, part: RunPart, quiet: bool) -> Result<RunDir> {
    let _at_once = interrupt::at_once();
    let mut bar = Downloads::new(quiet);
    let run = find_run_as(path, part, &files.options(), &mut bar.observer())?;
    Ok(run)
}

/// Puts the run at a hook, in place of the one that its files name.
pub(crate) fn put_at(run: &mut RunDir, hook: &str) -> Result<()> {
    if let Err(error) = hook.parse::<HookPoint>() {
        bail!("--hook: {error}");
    }
    run.cfg.metadata.hook_name = Some(hook.to_owned());
    Ok(())
}

/// Finds a run and puts what was given in place of what its configuration says.
///
/// The names of the hooks are checked here, before anything large is loaded.
pub(crate) fn find_at(path: &Path, place: &PlaceArgs, quiet: bool) -> Result<RunDir> {
    if let Some(Err(error)) = place.hook.as_deref().map(str::parse::<HookPoint>) {
        bail!("--hook: {error}");
    }
    let run = find(path, &place.files, RunPart::All, quiet)?;
    placed(run, place)
}

/// As [`find_at`], of a run that is found already.
pub(crate) fn placed(mut run: RunDir, place: &PlaceArgs) -> Result<RunDir> {
    let cfg = run.described_by();
    if let Some(hook) = &place.hook {
        put_at(&mut run, hook)?;
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
