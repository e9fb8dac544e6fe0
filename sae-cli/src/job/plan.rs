//! `--memory`, `--plan` and `--stream-layers`.

use crate::args::Global;
use crate::args::memory::{MemoryArgs, Size};
use anyhow::{Error, Result};
use llama_hooked::Placement;
use sae_backend::{ComputeDevice, Memory, format_bytes};
use sae_llama::plan::{Plan, PlanError, Work};

/// The plan for a command, which is printed with `-v`; `None` if printing it was all that was asked for.
pub(crate) fn settle(
    work: &Work,
    args: &MemoryArgs,
    on: &ComputeDevice,
    global: &Global,
) -> Result<Option<Plan>> {
    let limit = match args.memory {
        Some(Size(bytes)) => Memory::new(bytes, "--memory"),
        None => on.memory(),
    };
    let plan = work
        .plan(&limit, args.stream_layers)
        .map_err(|error| in_flags(&error))?;
    if args.plan {
        global.output().emit(&plan.text(), &plan)?;
        return Ok(None);
    }
    tracing::info!("{}", plan.text().trim_end());
    if plan.placement == Placement::Streamed && !args.stream_layers {
        tracing::warn!(
            "the model's {} of weights do not fit into {} ({}): they are streamed from their files, block by block",
            format_bytes(work.model.memory(work.dtype).weights),
            format_bytes(plan.limit_bytes),
            plan.limit_from
        );
    }
    Ok(Some(plan))
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
