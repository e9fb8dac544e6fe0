//! Cross-layer transcoders and crosscoders: where their layers belong, and what they take in memory.

use super::plan;
use crate::args::Global;
use crate::args::eval::Args;
use crate::error::UsageError;
use anyhow::{Context, Result, bail};
use llama_hooked::{HookPoint, LlamaConfig, Placement};
use sae_backend::ComputeDevice;
use sae_core::{MultiLayerConfig, MultiLayerDir, SaeMetadata};
use sae_llama::Place;
use sae_llama::plan::{Plan, Work};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The dictionary of several layers that is given, by itself; none if what is given are SAEs.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Option<(&Path, MultiLayerDir)>> {
    for path in paths {
        let Some(found) = MultiLayerDir::find(path)? else {
            continue;
        };
        if paths.len() > 1 {
            bail!(UsageError(format!(
                "--sae {}: is a {}, whose layers are measured together: give it alone",
                path.display(),
                found.cfg.kind.name()
            )));
        }
        return Ok(Some((path, found)));
    }
    Ok(None)
}

/// What its files say about the model.
pub(crate) fn metadata(dir: &MultiLayerDir) -> SaeMetadata {
    let mut metadata = SaeMetadata::default();
    metadata.model_name.clone_from(&dir.cfg.model_name);
    metadata
}

/// The places of the layers: at the hooks that its files name, or at those that are given, separated by commas.
pub(crate) fn places(
    model: &LlamaConfig,
    dir: &MultiLayerDir,
    hooks: Option<&str>,
) -> Result<Vec<Place>> {
    let (mut dir, name) = (dir.clone(), dir.dir.display());
    if let Some(hooks) = hooks {
        let hooks: Vec<String> = hooks
            .split(',')
            .map(|hook| hook.trim().to_owned())
            .collect();
        if let Err(expected) = dir.put_at(&hooks) {
            bail!(UsageError(format!(
                "--hook: {} hooks; {name} has {expected} layers, and needs a hook for each, separated by commas",
                hooks.len()
            )));
        }
    }
    if dir.cfg.hooks.is_empty() {
        bail!(UsageError(format!(
            "where do the {} layers belong? {name}: names no hooks: give --hook with one for each, separated by commas",
            dir.cfg.n_layers
        )));
    }
    let point = |hook: &str| -> Result<HookPoint> {
        let point = hook.parse::<HookPoint>();
        point.with_context(|| format!("the hooks of {name}"))
    };
    let mut places: Vec<Place> = Vec::new();
    for hooks in &dir.cfg.hooks {
        let (read, write) = (point(&hooks.read)?, point(&hooks.write)?);
        let place = Place::at(model, read, write)
            .with_context(|| format!("{name} does not fit the model"))?;
        let (widths, found) = (place.widths(model), (dir.cfg.d_in, dir.cfg.d_out));
        if widths != found {
            bail!(
                "{name} does not fit the model: it reads {} and writes {} numbers, and {read} and {write} have {} and {}",
                found.0,
                found.1,
                widths.0,
                widths.1
            );
        }
        if places.last().is_some_and(|last| last.write() >= write) {
            bail!(
                "{name}: its hooks do not ascend at {write}: expected those of a lower layer first"
            );
        }
        places.push(place);
    }
    Ok(places)
}

/// How the evaluation goes about it.
pub(crate) struct Settled {
    pub(crate) plan: Plan,
    /// Whether the encoders of all layers are kept in memory.
    pub(crate) keeps: bool,
}

/// The memory plan: with all encoders in memory if they fit beside a resident model, else with one at a time. `None` if printing it was all that was
/// asked for.
pub(crate) fn settle(
    work: &Work,
    cfg: &MultiLayerConfig,
    places: &[Place],
    args: &Args,
    (on, global): (&ComputeDevice, &Global),
) -> Result<Option<Settled>> {
    let memory = &args.input.memory;
    let with = |keeps: bool| work.with_layers(cfg, places, (keeps, args.several.together));
    let resident = with(true).plan(&plan::limit(memory, on), memory.stream_layers);
    let keeps = resident.is_ok_and(|plan| plan.placement == Placement::Resident);
    let plan = plan::settle(&with(keeps), memory, on, global)?;
    Ok(plan.map(|plan| Settled { plan, keeps }))
}

/// A layer as the JSON describes it.
pub(crate) fn layer_cfg(cfg: &MultiLayerConfig, layer: usize, place: Place) -> Value {
    json!({
        "architecture": cfg.architecture(), "layer": layer, "n_layers": cfg.n_layers, "d_in": cfg.d_in, "d_sae": cfg.d_sae, "d_out": cfg.d_out,
        "hook_name": place.read().to_string(), "hook_name_out": place.write().to_string(), "model_name": cfg.model_name,
        "format": cfg.format.name(), "folded": cfg.folded,
    })
}
