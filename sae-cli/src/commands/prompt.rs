//! `sae prompt`

use crate::args::Global;
use crate::args::prompt::Args;
use crate::job::model::find_model;
use crate::job::question::ask;
use crate::job::targets::Targets;
use crate::job::{device, plan, run};
use anyhow::Result;
use sae_llama::plan::Work;
use sae_report::of_place;

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let on = device::choose(global)?;
    let place = &args.place;
    let run = args
        .sae
        .as_deref()
        .map(|path| run::find_at(path, place, global.quiet))
        .transpose()?;
    let metadata = run.as_ref().map(|run| &run.cfg.metadata);
    let found = find_model(place.model.as_deref(), metadata, global.quiet)?;
    let targets = Targets::new(global, None)?;
    targets.spare(
        run.iter()
            .flat_map(sae_core::RunDir::files)
            .chain(found.paths()),
    )?;
    let tokenizer = found.tokenizer()?;
    let question = ask(&tokenizer, &args.text, &args.answer, !args.no_bos)?;
    let mut work = Work::new(&found.config()?, &on, question.n_tokens());
    work.rows = Some(1);
    if let Some(run) = &run {
        work = work.with_sae(run)?;
    }
    let Some(plan) = plan::settle(&work, &args.memory, &on, global)? else {
        return Ok(());
    };
    let model = found.load(&on, plan.placement)?;
    question.warn_if_too_long(model.config());
    if let Some(warning) = run.as_ref().and_then(|run| of_place(&run.cfg)) {
        tracing::warn!("{warning}");
    }
    let check = match &run {
        Some(run) => {
            let split = run::split(&model, run)?;
            question.ask_both(&tokenizer, &split, &run::load(run, &on)?)?
        }
        None => question.ask(&tokenizer, &model)?,
    };
    check.warn_if_undefined();
    global.output().emit(&check.text(), &check)
}
