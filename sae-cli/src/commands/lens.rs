//! `sae lens`

use crate::args::Global;
use crate::args::lens::Args;
use crate::job::model::{describe, find_model, warn_if_not_finite, warn_if_too_long};
use crate::job::prompts::{answer, prompt, texts};
use crate::job::{device, plan, sheets};
use anyhow::{Result, anyhow};
use llama_hooked::HookPoint;
use sae_interventions::{Lens, LensOptions, lens};
use sae_llama::plan::Work;
use sae_report::ModelDescription;
use serde::Serialize;

/// The JSON.
#[derive(Serialize)]
struct Found<'a> {
    model: ModelDescription,
    prompt: &'a str,
    prompt_tokens: &'a [String],
    answer: Option<String>,
    #[serde(flatten)]
    lens: &'a Lens,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let on = device::choose(global)?;
    let points = args.hook.iter().map(|name| name.parse::<HookPoint>());
    let points: Result<Vec<HookPoint>, _> = points.collect();
    let points = points.map_err(|error| anyhow!("--hook: {error}"))?;
    let targets = sheets::targets(&args.sheet, global)?;
    let found = find_model(Some(&args.model), None, global.quiet)?;
    targets.spare(found.paths())?;
    let tokenizer = found.tokenizer()?;
    let mut options = LensOptions::default();
    options.top = args.top.into();
    options.answer = answer(&tokenizer, args.answer.as_deref())?;
    let ids = &prompt(&tokenizer, &args.text, !args.no_bos)?;
    let config = found.config()?;
    for point in &points {
        point.validate(config.n_layers)?;
    }
    options.points = (!points.is_empty()).then_some(points);
    let mut work = Work::new(&config, &on, ids.len());
    work.rows = Some(1);
    work.kept_per_row =
        sae_interventions::lens_bytes(&config, on.dtype, ids.len(), options.points.as_deref());
    let Some(plan) = plan::settle(&work, &args.memory, &on, global)? else {
        return Ok(());
    };
    let model = found.load(&on, plan.placement)?;
    warn_if_too_long(ids.len(), &model);
    let lens = lens(&model, ids, &options)?.named(|id| tokenizer.token_text(id));
    let cells = lens.layers.iter().flat_map(|layer| &layer.positions);
    warn_if_not_finite(cells.flat_map(|cell| &cell.top).map(|token| token.prob));
    let tokens = texts(&tokenizer, ids);
    let asked = options.answer.map(|id| tokenizer.token_text(id));
    let sheet = sheets::lens::sheet(&found.name, &lens, &tokens, asked.as_deref());
    let result = Found {
        model: describe(&found.name, &model, &on),
        prompt: &args.text,
        prompt_tokens: &tokens,
        answer: asked,
        lens: &lens,
    };
    let csv = sheets::lens::csv(&lens, &tokens);
    sheets::emit(sheet, &csv, &result, &args.sheet, global)
}
