//! `sae train --activations`: from activations that were cached, without a model.

use super::train::{Ready, held_out, in_settings, made_from, open_out, session_options};
use crate::args::Global;
use crate::args::train::Args;
use crate::job::targets::Targets;
use crate::job::train::{
    Evaluated, NamedRead, at_once, buffer_tokens, cached_rows, evaluation_memory, planned, settle,
    training_memory, whole_model,
};
use crate::job::{device, plan};
use activation_cache::ActivationCache;
use anyhow::{Context, Result};
use sae_llama::fingerprint;
use sae_train::{CachedActivations, CachedRead};
use serde_json::json;
use std::path::Path;
use std::time::Instant;

/// Where there is no evaluation because the call cannot make one.
const NOTE: &str = "no evaluation: it takes --model and --tokens beside --activations";

pub(crate) fn run(args: &Args, folder: &Path, global: &Global) -> Result<()> {
    let cache = ActivationCache::open(folder).context("--activations")?;
    let settings = cache.settings().clone();
    let config = settle(args, Some(&settings))?;
    let targets = Targets::new(global, [("--out", args.out.as_path())])?;
    targets.spare(args.tokens.iter().chain(&args.config))?;
    targets.spare([folder])?;
    let on = device::choose(global)?;
    let read = |(name, head): &NamedRead| CachedRead::new(name).with_head(*head);
    let mut chosen = Vec::new();
    let runs = planned(args, &config, |named| {
        chosen = named.iter().map(read).collect();
        let widths = CachedActivations::widths_of(&settings.hooks, &chosen);
        widths.with_context(|| format!("--activations {}", folder.display()))
    })?;
    let evaluated = Evaluated::find(args, &cache, global.quiet)?;
    if let Some(evaluated) = &evaluated {
        targets.spare(evaluated.found.paths())?;
    }
    let context_size = settings.context_size;
    let at_once = at_once(&config, context_size);
    let buffer_tokens = buffer_tokens(args, &config, context_size);
    let width = CachedActivations::widths_of(&settings.hooks, &chosen)?;
    let width = width.iter().sum();
    let mut parts = training_memory(&config, &runs, width, buffer_tokens, at_once * context_size);
    if let Some(evaluated) = &evaluated {
        let model = evaluated.found.config()?;
        parts.push(evaluation_memory(&runs, Some(&model), &on));
    }
    let rows = (at_once, context_size);
    // Before anything is written.
    let plan = plan::settle_parts(parts, rows, &args.memory, &on, global).map_err(in_settings)?;
    let Some(plan) = plan else {
        return Ok(());
    };
    let out = open_out(args, &runs)?;
    let start = Instant::now();
    let trained = evaluated.as_ref().map(|evaluated| evaluated.trained);
    let held_out = match &evaluated {
        Some(Evaluated {
            found, table, rows, ..
        }) => Some(held_out(
            found,
            table,
            rows.clone(),
            whole_model(&found.config()?, &on),
            &on,
            plan.batch_size,
        )?),
        None => None,
    };
    let mut source = CachedActivations::new(cache, &chosen, at_once)?;
    let special = settings.special_tokens.as_deref();
    cached_rows(
        &mut source,
        &config,
        (special, context_size),
        trained,
        folder,
    )?;
    let session = session_options(args, &config, buffer_tokens);
    // The manifest has the digests of the shards.
    let data = json!({
        "activations": fingerprint([folder.join("manifest.json")])?,
        "rows": trained.unwrap_or(settings.rows),
    });
    let made_from = made_from(&runs, &data, &session, at_once, &on)?;
    let note = held_out.is_none() && args.eval_sequences != Some(0);
    Ready {
        args,
        global,
        session,
        made_from,
        dataset: config.dataset_path,
        context_size,
        runs,
        out,
        on,
        source,
        held_out,
        plan,
        start,
        note: note.then_some(NOTE),
    }
    .train()
}
