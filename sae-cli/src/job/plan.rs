//! `--memory`, `--plan` and `--stream-layers`.

use crate::args::Global;
use crate::args::memory::{MemoryArgs, Size};
use anyhow::{Error, Result, bail};
use llama_hooked::{LlamaConfig, Placement};
use sae_backend::{ComputeDevice, Memory, format_bytes};
use sae_llama::plan::{Part, Plan, PlanError, SaeAt, Work};

/// The plan for a command, which is printed with `-v`; `None` if printing it was all that was asked for.
pub(crate) fn settle(
    work: &Work,
    args: &MemoryArgs,
    on: &ComputeDevice,
    global: &Global,
) -> Result<Option<Plan>> {
    let plan = work
        .plan(&limit(args, on), args.stream_layers)
        .map_err(|error| in_flags(&error))?;
    let Some(plan) = shown(plan, args, global)? else {
        return Ok(None);
    };
    warn_if_streamed(work, &plan, args);
    Ok(Some(plan))
}

/// As [`settle`], for several SAEs, and which of them are measured together.
pub(crate) fn settle_groups(
    work: &Work,
    saes: &[SaeAt],
    (at_once, together): (Option<usize>, bool),
    args: &MemoryArgs,
    on: &ComputeDevice,
    global: &Global,
) -> Result<Option<(Plan, Vec<Vec<usize>>)>> {
    let planned = work.plan_groups(
        saes,
        at_once,
        together,
        &limit(args, on),
        args.stream_layers,
    );
    let (plan, groups) = planned.map_err(|error| {
        let error = in_flags(&error);
        let n = saes.len();
        match at_once {
            _ if together => error.context(format!(
                "--together has all {n} SAEs in memory at once; without it they are measured in groups that fit"
            )),
            Some(n @ 2..) => error.context(format!(
                "--sae-at-once {n}: give fewer, or leave it out for as many as fit"
            )),
            _ => error,
        }
    })?;
    let Some(plan) = shown(plan, args, global)? else {
        return Ok(None);
    };
    warn_if_streamed(work, &plan, args);
    Ok(Some((plan, groups)))
}

fn warn_if_streamed(work: &Work, plan: &Plan, args: &MemoryArgs) {
    if plan.placement == Placement::Streamed && !args.stream_layers {
        tracing::warn!(
            "the model's {} of weights do not fit into {} ({}): they are streamed from their files, block by block",
            format_bytes(work.model.memory(work.dtype).weights),
            format_bytes(plan.limit_bytes),
            plan.limit_from
        );
    }
}

/// Refuses gradients of a model that is streamed: all blocks above the hook are recorded with their weights.
pub(crate) fn gradients_fit(
    plan: &Plan,
    config: &LlamaConfig,
    on: &ComputeDevice,
    instead: &str,
) -> Result<()> {
    if plan.placement == Placement::Streamed {
        bail!(
            "gradients need all {} of weights in memory at once; give more with --memory, or use {instead}, which needs no gradients",
            format_bytes(config.memory(on.dtype).weights)
        );
    }
    Ok(())
}

/// The plan of a command that runs no model: these parts, for so many rows of so many tokens at a time.
pub(crate) fn settle_parts(
    parts: Vec<Part>,
    rows: (usize, usize),
    args: &MemoryArgs,
    on: &ComputeDevice,
    global: &Global,
) -> Result<Option<Plan>> {
    let plan = Plan::without_model(parts, rows, on, &limit(args, on));
    let plan = plan.map_err(|error| {
        let text = error.to_string();
        Error::msg(text.replace("shorter rows", "a smaller --buffer-tokens"))
    })?;
    shown(plan, args, global)
}

/// How much memory there is.
pub(crate) fn limit(args: &MemoryArgs, on: &ComputeDevice) -> Memory {
    match args.memory {
        Some(Size(bytes)) => Memory::new(bytes, "--memory"),
        None => on.memory(),
    }
}

/// None if printing it was all that was asked for.
fn shown(plan: Plan, args: &MemoryArgs, global: &Global) -> Result<Option<Plan>> {
    if args.plan {
        global.output().emit(&plan.text(), &plan)?;
        return Ok(None);
    }
    tracing::info!("{}", plan.text().trim_end());
    Ok(Some(plan))
}

/// The model with its first so many blocks and no head, as far as memory is concerned.
pub(crate) fn below(model: &LlamaConfig, layers: usize) -> LlamaConfig {
    let mut below = model.clone();
    below.n_layers = layers;
    below.tie_word_embeddings = true;
    below
}

/// A refusal, with the option that helps.
fn in_flags(error: &PlanError) -> Error {
    let text = error.to_string();
    let text = match error.fitting_rows {
        Some(rows) => text.replace(
            &format!("{rows} rows at a time fit"),
            &format!("--batch-size {rows} fits"),
        ),
        None => text.replace("shorter rows", "a smaller --context-size"),
    };
    Error::msg(text)
}
