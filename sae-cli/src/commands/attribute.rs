//! `sae attribute`

use crate::args::Global;
use crate::args::attribute::Args;
use crate::error::UsageError;
use crate::job::model::{describe, find_model, warn_if_not_finite, warn_if_too_long};
use crate::job::prompts::{prompts, texts};
use crate::job::{device, plan, run, sheets};
use crate::terminal::progress::Runs;
use crate::terminal::{Clock, interrupt};
use anyhow::{Context, Result, bail};
use sae_core::RunDir;
use sae_interventions::{
    AttributeOptions, AttributeProgress, Attribution, Method, PlacedSae, attribute,
    attribute_bytes, attribute_rows,
};
use sae_llama::plan::{Part, Work};
use sae_report::ModelDescription;
use serde::Serialize;

/// The JSON.
#[derive(Serialize)]
struct Found<'a> {
    model: ModelDescription,
    sae: Vec<String>,
    prompt_tokens: &'a [String],
    corrupted_tokens: Option<Vec<String>>,
    answer: String,
    against: Option<String>,
    timings: Timings,
    #[serde(flatten)]
    attribution: &'a Attribution,
}

/// Seconds.
#[derive(Serialize)]
struct Timings {
    load_s: f64,
    attribute_s: f64,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    check(args)?;
    let targets = sheets::targets(&args.sheet, global)?;
    let on = device::choose(global)?;
    let runs = args
        .sae
        .iter()
        .map(|path| run::find_at(path, &args.place, global.quiet));
    let runs = runs.collect::<Result<Vec<RunDir>>>()?;
    let metadata = runs.first().map(|run| &run.cfg.metadata);
    let found = find_model(args.place.model.as_deref(), metadata, global.quiet)?;
    targets.spare(runs.iter().flat_map(RunDir::files).chain(found.paths()))?;
    let tokenizer = found.tokenizer()?;
    let texts_of = (&*args.text, args.corrupted.as_deref());
    let answers = (&*args.answer, args.against.as_deref());
    let prompts = prompts(&tokenizer, texts_of, answers, !args.no_bos)?;
    let config = found.config()?;
    prompts.check(config.vocab_size)?;
    let mut options = AttributeOptions::default();
    options.method = args.method;
    options.components = !args.no_components;
    options.most = args.top as usize;
    let n = prompts.clean.len();
    let mut work = Work::new(&config, &on, n);
    work.rows = Some(attribute_rows(&config, &options, n) as u64);
    if let Some((first, others)) = runs.split_first() {
        work = work.with_sae(first)?;
        for other in others {
            let bytes = 4 * other.n_params()?;
            work.besides.push(Part::new("further SAE", bytes));
        }
    }
    let (kept, recorded) = attribute_bytes(&config, on.dtype, &prompts, &options);
    work.besides.push(kept);
    work.kept_per_row = recorded;
    let Some(plan) = plan::settle(&work, &args.memory, &on, global)? else {
        return Ok(());
    };
    if args.method != Method::Direct {
        plan::gradients_fit(&plan, &config, &on, "--method direct")?;
    }
    let mut clock = Clock::new();
    let model = found.load(&on, plan.placement)?;
    warn_if_too_long(n, &model);
    options.rows_at_once = plan.batch_size;
    let mut saes = Vec::with_capacity(runs.len());
    for run in &runs {
        let placed = PlacedSae::new(model.config(), &run::load(run, &on)?);
        saes.push(
            placed.with_context(|| {
                format!("the SAE of {} does not fit the model", run.dir.display())
            })?,
        );
    }
    let load_s = clock.lap();
    let bar = Runs::new(global.quiet, "attributing");
    let mut observer = |progress: &AttributeProgress| {
        bar.set(progress.runs, 0);
        interrupt::flow()
    };
    let attribution = attribute(&model, &prompts, &saes, &options, &mut observer)?;
    drop(bar);
    let timings = Timings {
        load_s,
        attribute_s: clock.lap(),
    };
    warn_if_not_finite([attribution.value]);
    warn(&attribution);
    let tokens = texts(&tokenizer, &prompts.clean);
    let sheet = sheets::attribution::sheet(&found.name, &attribution, &tokens);
    let csv = sheets::attribution::csv(&attribution, &tokens);
    let result = Found {
        model: describe(&found.name, &model, &on),
        sae: args
            .sae
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
        prompt_tokens: &tokens,
        corrupted_tokens: prompts.corrupted.as_ref().map(|ids| texts(&tokenizer, ids)),
        answer: tokenizer.token_text(prompts.answer),
        against: prompts.against.map(|id| tokenizer.token_text(id)),
        timings,
        attribution: &attribution,
    };
    sheets::emit(sheet, &csv, &result, &args.sheet, global)
}

/// Refuses options that contradict each other.
fn check(args: &Args) -> Result<()> {
    if args.sae.len() > 1 && args.place.hook.is_some() {
        bail!(UsageError(
            "--hook: there are several SAEs, and each belongs where its cfg.json says".to_owned()
        ));
    }
    if args.sae.is_empty() && (args.no_components || args.place.hook.is_some()) {
        bail!(UsageError(
            "there is nothing to look at: give --sae RUN".to_owned()
        ));
    }
    if args.method == Method::Direct && args.corrupted.is_some() {
        bail!(UsageError(
            "--corrupted: direct effects are those of one prompt; leave it out, or choose another --method"
                .to_owned()
        ));
    }
    Ok(())
}

/// Says where integrated gradients do not add up: they should.
fn warn(attribution: &Attribution) {
    for sae in &attribution.saes {
        if let Some(gap) = sae.gap(&attribution.method) {
            tracing::warn!(
                "the effects at {} sum to {:.4}, and the difference is {:.4}, {:.0} % away: the straight line needs more points \
                 (--method integrated:N){}",
                sae.write_hook,
                sae.completeness.sum,
                sae.completeness.measured,
                100.0 * gap,
                if attribution.corrupted.is_none() {
                    ", or starts where the model's norms have no limit, at zero: give --corrupted"
                } else {
                    ""
                }
            );
        }
    }
}
