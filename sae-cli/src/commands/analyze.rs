//! `sae analyze`: every cell of the notebook.

use super::analyze_several;
use crate::args::Global;
use crate::args::analyze::Args;
use crate::error::UsageError;
use crate::job::analysis::{
    Measured, PROMPT, by_command, in_flags, input, links, paths, rows, targets, text, with_bos,
};
use crate::job::demo::Demo;
use crate::job::model::{find_model, warn_if_too_long};
use crate::job::question::ask;
use crate::job::targets::Targets;
use crate::job::token_origin::warn_of_another_tokenizer;
use crate::job::{device, plan, run};
use crate::terminal::progress::Bar;
use crate::terminal::{self, Clock, interrupt};
use anyhow::{Context, Result, bail};
use sae_backend::ComputeDevice;
use sae_core::RunDir;
use sae_llama::plan::{Work, logit_bytes};
use sae_llama::resolve::{RunPart, published};
use sae_llama::{ReconstructionPath, Spliced};
use sae_metrics::{Masking, ProtocolOptions, evaluate};
use sae_report::{Published, Report, ReportFolder, Timings};
use std::path::{Path, PathBuf};
use std::time::Instant;

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let paths = paths(args)?;
    if args.out == Path::new("-") {
        bail!(UsageError(
            "--out -: the report is a folder of files and does not go to stdout; give the name of a folder, and --json for the figures".to_owned()
        ));
    }
    if paths.len() > 1 || args.several.together {
        return analyze_several::run(args, &paths, global);
    }
    let path = paths.first().map(PathBuf::as_path);
    let folder = ReportFolder::make(&args.out, args.png);
    let folder = folder.map_err(|error| in_flags(args.png, error))?;
    let targets = targets(args, &folder.files(), global)?;
    targets.spare(&args.features_page)?;
    let page = args.features_page.as_deref();
    let page = page.map(|page| links(page, &args.out)).transpose()?;
    let on = device::choose(global)?;
    let demo = path.is_none().then(Demo::unpack).transpose()?;
    let job = Job::new(args, path, demo.as_ref(), global.quiet)?;
    if let Some(page) = &page {
        let metadata = &job.run.cfg.metadata;
        page.check(job.run.cfg.d_sae, metadata.hook_name.as_deref())
            .context("--features-page")?;
    }
    let Some(report) = measure(&job, (args, path), global, &on, &targets)? else {
        return Ok(());
    };
    let links = page.unwrap_or_else(|| by_command(args, path, &report));
    folder.write(&report, &links)?;
    let text = sae_report::terminal(&report, &args.out);
    global.output().emit_as_it_is(&text, &report)
}

/// What to measure; the demo or the configuration fills in what was not given.
struct Job {
    run: RunDir,
    /// The hook in cfg.json, whatever --hook says.
    hook_recorded: Option<String>,
    model: Option<String>,
    dataset: Option<String>,
    prompt: String,
    answer: String,
}

impl Job {
    fn new(args: &Args, path: Option<&Path>, demo: Option<&Demo>, quiet: bool) -> Result<Self> {
        let path = match (path, demo) {
            (Some(path), _) => path.to_owned(),
            (None, Some(demo)) => demo.run(),
            (None, None) => bail!("there is neither a run nor the demo"),
        };
        let asked = args.prompt.clone().zip(args.answer.clone());
        let (prompt, answer) = asked.unwrap_or_else(|| match demo {
            Some(demo) => (demo.settings.prompt.clone(), demo.settings.answer.clone()),
            None => (PROMPT.0.to_owned(), PROMPT.1.to_owned()),
        });
        let run = run::find(&path, &args.place.files, RunPart::All, quiet)?;
        let hook_recorded = run.cfg.metadata.hook_name.clone();
        Ok(Self {
            run: run::placed(run, &args.place)?,
            hook_recorded,
            model: args.place.model.clone().or_else(|| Some(demo?.model())),
            dataset: args.dataset.clone().or_else(|| Some(demo?.dataset())),
            prompt,
            answer,
        })
    }
}

fn measure(
    job: &Job,
    (args, path): (&Args, Option<&Path>),
    global: &Global,
    on: &ComputeDevice,
    targets: &Targets,
) -> Result<Option<Report>> {
    let start = Instant::now();
    let mut clock = Clock::new();
    let metadata = &job.run.cfg.metadata;
    // Quick checks come before slow work.
    let (table, dataset, context_size) = text(args, job.dataset.as_deref(), metadata)?;
    let prepend_bos = metadata.prepend_bos.unwrap_or(true);
    let found = find_model(job.model.as_deref(), Some(metadata), global.quiet)?;
    targets.spare(job.run.files().into_iter().chain(found.paths()))?;
    let tokenizer = found.tokenizer()?;
    let question = ask(&tokenizer, &job.prompt, &job.answer, true)?;
    let input = input(args, dataset, context_size, prepend_bos, global);
    let (rows, bad_rows) = rows(&input, table, &tokenizer, args.sequences, targets)?;
    let mut timings = Timings {
        tokenize_s: clock.lap(),
        ..Timings::default()
    };
    let mut work = Work::new(&found.config()?, on, context_size).with_sae(&job.run)?;
    work.rows = Some(rows.len() as u64);
    work.batch_size = args.batch_size.map(|n| n as usize);
    let Some(plan) = plan::settle(&work, &args.memory, on, global)? else {
        return Ok(None);
    };
    let model = found.load(on, plan.placement)?;
    warn_if_too_long(context_size, &model);
    question.warn_if_too_long(model.config());
    warn_of_another_tokenizer(Some(Path::new(&input.dataset)), &found, &model);
    timings.load_model_s = clock.lap();
    let rows_with_bos = with_bos(&rows, &tokenizer);
    // Rows that were made elsewhere are as they are.
    let all_have = rows_with_bos == rows.len() as u64;
    let prepend_bos = args.tokens.as_ref().map_or(prepend_bos, |_| all_have);
    let split = run::split(&model, &job.run)?.rows_at_once(plan.rows_at_once);
    let sae = run::load(&job.run, on)?;
    timings.load_sae_s = clock.lap();

    let mut options = ProtocolOptions::default();
    options.masking = Masking::Notebook { prepend_bos };
    options.batch_size = plan.batch_size;
    options.logit_bytes = logit_bytes(on.is_cpu()) as usize;
    let n_rows = Some(rows.len() as u64);
    let bar = Bar::new(global.quiet, "evaluating", n_rows, context_size);
    let spliced = Spliced::new(&sae, ReconstructionPath::Forward);
    let rows = rows.into_iter().map(|row| interrupt::check().map(|()| row));
    let evaluation = evaluate(&split, &spliced, rows, &options, &mut bar.evaluation())?;
    drop(bar);
    timings.evaluate_s = clock.lap();
    let prompt = question.ask_both(&tokenizer, &split, &sae)?;
    timings.prompt_s = clock.lap();
    timings.total_s = start.elapsed().as_secs_f64();

    let measured = Measured {
        args,
        found: &found,
        model: &model,
        on,
        dataset: &input.dataset,
        context_size,
        prepend_bos,
        rows_with_bos,
        bad_rows,
        masking: &options.masking,
    };
    let known = path.map(published).transpose()?.flatten();
    let known = known.map(Published::from);
    let run = (&job.run, job.hook_recorded.as_deref());
    let (mut report, found) = measured.report(run, known.as_ref(), &evaluation, prompt, timings);
    report.warnings = terminal::warnings();
    // Elsewhere the summary on stdout says them.
    if global.output().is_json_alone() {
        for warning in &found {
            tracing::warn!("{warning}");
        }
    }
    report.warnings.extend(found);
    Ok(Some(report))
}
