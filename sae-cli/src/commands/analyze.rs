//! `sae analyze`: every cell of the notebook.

use crate::args::Global;
use crate::args::analyze::Args;
use crate::args::packing::PackingChoice;
use crate::error::UsageError;
use crate::job::bad_rows::Log;
use crate::job::demo::Demo;
use crate::job::model::{describe, find_model, warn_if_too_long};
use crate::job::outputs::check_text_file;
use crate::job::question::ask;
use crate::job::rows::{RowError, Rows};
use crate::job::targets::Targets;
use crate::job::text::{self, TextInput};
use crate::job::token_origin::warn_of_another_tokenizer;
use crate::job::{device, plan, run};
use crate::terminal::progress::Bar;
use crate::terminal::{self, Clock, interrupt};
use anyhow::{Context, Result, bail};
use dataset_stream::{Budget, StreamOptions, Tokenizer};
use sae_backend::ComputeDevice;
use sae_core::RunDir;
use sae_llama::plan::{LOGITS, Work};
use sae_llama::resolve::{RunPart, published};
use sae_llama::{ReconstructionPath, Spliced};
use sae_metrics::{Evaluation, Masking, ProtocolOptions, evaluate};
use sae_report::{
    DataDescription, Described, Facts, Links, Nominal, Published, Recorded, Report, ReportFolder,
    SaeDescription, Signs, Timings, of_place, warnings_of_checks,
};
use std::path::Path;
use std::time::Instant;

/// The notebook's own prompt check.
const PROMPT: (&str, &str) = (
    "When John and Mary went to the shops, John gave the bag to",
    " Mary",
);

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    if args.out == Path::new("-") {
        bail!(UsageError(
            "--out -: the report is a folder of files and does not go to stdout; give the name of a folder, and --json for the figures".to_owned()
        ));
    }
    let folder = ReportFolder::make(&args.out, args.png);
    let folder = folder.map_err(|error| in_flags(args.png, error))?;
    if let Some(path) = &global.json {
        check_text_file("--json", path)?;
    }
    let files = folder.files();
    let own = files.iter().map(|path| ("--out", path.as_path()));
    if args.tokens.is_some() {
        args.text.none_but_shard()?;
    }
    let on_bad_row = args.text.on_bad_row();
    let targets = Targets::new(global, own.chain(on_bad_row.file()))?;
    targets.spare(&args.tokens)?;
    targets.spare(&args.features_page)?;
    let page = args.features_page.as_deref();
    let page = page.map(|page| links(page, &args.out)).transpose()?;
    let on = device::choose(global)?;
    let demo = args.given().is_none().then(Demo::unpack).transpose()?;
    let job = Job::new(args, demo.as_ref(), global.quiet)?;
    if let Some(page) = &page {
        let metadata = &job.run.cfg.metadata;
        page.check(job.run.cfg.d_sae, metadata.hook_name.as_deref())
            .context("--features-page")?;
    }
    let Some(report) = measure(&job, args, global, &on, &targets)? else {
        return Ok(());
    };
    let links = page.unwrap_or_else(|| by_command(args, &report));
    folder.write(&report, &links)?;
    let text = sae_report::terminal(&report, &args.out);
    global.output().emit_as_it_is(&text, &report)
}

/// A problem with the report's folder, with the option that it is about.
fn in_flags(png: bool, error: sae_report::ReportError) -> anyhow::Error {
    use sae_report::ReportError::{Folder, Write};
    match error {
        Write(error) => crate::job::outputs::in_flags("--out", error),
        error @ Folder { .. } => error.into(),
        error if png => anyhow::Error::new(error).context("--png"),
        error => error.into(),
    }
}

/// `--features-page`.
fn links(page: &Path, out: &Path) -> Result<Links> {
    let shown = || format!("--features-page {}", page.display());
    Links::page(page, out).map_err(|error| match error {
        sae_report::LinksError::NoPage(_) => UsageError(format!("{}: {error}", shown())).into(),
        other => anyhow::Error::new(other).context(shown()),
    })
}

/// The command that makes pages of the features of the same SAE on the same text.
fn by_command(args: &Args, report: &Report) -> Links {
    let run = args.given().map(|run| run.display().to_string());
    // As from the root of the repository, where the demo's configuration names its model.
    let run = run.as_deref().unwrap_or("demo/run");
    let mut words = vec!["sae", "dashboard", "--sae", run];
    let tokens = args.tokens.as_ref().map(|path| path.display().to_string());
    if let Some(tokens) = &tokens {
        words.extend(["--tokens", tokens]);
    } else {
        let dataset = args
            .dataset
            .as_deref()
            .or(Some(report.data.dataset.as_str()));
        let dataset = dataset.filter(|name| *name != BUNDLED);
        words.extend(["--dataset", dataset.unwrap_or("demo/text")]);
    }
    for (option, value) in [("--model", &args.place.model), ("--hook", &args.place.hook)] {
        words.extend(
            value
                .as_deref()
                .into_iter()
                .flat_map(|value| [option, value]),
        );
    }
    Links::by_command(&words)
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
    fn new(args: &Args, demo: Option<&Demo>, quiet: bool) -> Result<Self> {
        let path = match (args.given(), demo) {
            (Some(path), _) => path.clone(),
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

/// The SAE's figures as published, if it was given by its name in a release.
fn by_name(args: &Args) -> Result<Option<Published>> {
    let name = args.run.as_deref().or(args.sae.as_deref());
    let found = name.map(published).transpose()?.flatten();
    Ok(found.map(Published::from))
}

fn measure(
    job: &Job,
    args: &Args,
    global: &Global,
    on: &ComputeDevice,
    targets: &Targets,
) -> Result<Option<Report>> {
    let start = Instant::now();
    let mut clock = Clock::new();
    let (cfg, metadata) = (&job.run.cfg, &job.run.cfg.metadata);
    // Quick checks come before slow work.
    let (table, dataset, context_size) = text(job, args)?;
    let prepend_bos = metadata.prepend_bos.unwrap_or(true);
    let found = find_model(job.model.as_deref(), Some(metadata), global.quiet)?;
    targets.spare(job.run.files().into_iter().chain(found.paths()))?;
    let tokenizer = found.tokenizer()?;
    let question = ask(&tokenizer, &job.prompt, &job.answer, true)?;
    let input = TextInput {
        dataset,
        text: args.text.clone(),
        options: {
            let mut options = StreamOptions::new(context_size);
            options.prepend_bos = prepend_bos;
            options.budget = Budget::Sequences(args.sequences);
            options.threads = global.threads();
            options
        },
    };
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
    options.logit_bytes = LOGITS as usize;
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

    let mut data = describe_data(args, input.dataset, &evaluation);
    (data.context_size, data.prepend_bos, data.bad_rows) = (context_size, prepend_bos, bad_rows);
    let recorded = job.run.log_sparsity.as_ref().and_then(Recorded::new);
    let nominal = Nominal::of(cfg, by_name(args)?.as_ref(), recorded.as_ref());
    let facts = Facts {
        hook_recorded: job.hook_recorded.as_deref(),
        rows_with_bos,
        context_size,
        model_positions: model.config().max_position_embeddings,
        n_layers: model.config().n_layers,
        ..Facts::measured(cfg, &evaluation)
    };
    let (mut sae, mut model) = (
        SaeDescription::of(&job.run),
        describe(&found.name, &model, on),
    );
    if args.is_demo() {
        // By that name, not by the folder it was unpacked to.
        BUNDLED.clone_into(&mut sae.path);
        if args.place.model.is_none() {
            BUNDLED.clone_into(&mut model.name);
        }
    }
    let described = Described {
        sae,
        model,
        data,
        recorded,
        nominal,
    };
    let mut report = Report::new(described, &evaluation, &options.masking, prompt, timings);
    report.checks = facts.checks();
    let made_here = args.tokens.is_none().then_some(prepend_bos);
    let mut found = Signs::new(&evaluation, cfg.d_sae, nominal, made_here).warnings();
    found.extend(of_place(cfg));
    found.extend(warnings_of_checks(&report.checks));
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

/// The text for the report: the demo's by that name.
fn describe_data(args: &Args, dataset: String, evaluation: &Evaluation) -> DataDescription {
    let is_bundled = args.is_demo() && args.dataset.is_none() && args.tokens.is_none();
    let mut data = DataDescription::default();
    data.dataset = if is_bundled {
        BUNDLED.to_owned()
    } else {
        dataset
    };
    data.sequences = evaluation.sparsity.tokens.sequences;
    data.tokens = evaluation.sparsity.tokens.seen;
    let made_here = args.tokens.is_none();
    data.packing = made_here.then(|| PackingChoice::Notebook.name());
    data
}

/// How many rows begin with BOS.
fn with_bos(rows: &[Vec<u32>], tokenizer: &Tokenizer) -> u64 {
    let begins = |row: &&Vec<u32>| row.first().copied() == tokenizer.bos();
    rows.iter().filter(begins).count() as u64
}

/// Rows that are ids already, what they or the text are called, and how many tokens each has.
fn text(job: &Job, args: &Args) -> Result<(Option<Rows>, String, usize)> {
    let metadata = &job.run.cfg.metadata;
    if let Some(path) = &args.tokens {
        let budget = Budget::Sequences(args.sequences);
        let (table, context_size) = Rows::table(path, args.text.shard, budget)?;
        return Ok((Some(table), path.display().to_string(), context_size));
    }
    let dataset = text::dataset(job.dataset.as_deref(), metadata)?;
    Ok((
        None,
        dataset,
        text::context_size(args.context_size, metadata)?,
    ))
}

/// All rows, of the table if there is one, and how many of the data set's were left out.
fn rows(
    input: &TextInput,
    table: Option<Rows>,
    tokenizer: &Tokenizer,
    sequences: u64,
    targets: &Targets,
) -> Result<(Vec<Vec<u32>>, u64)> {
    let (rows, bad_rows) = if let Some(table) = table {
        (table, Log::default())
    } else {
        let (stream, log) = input.open(tokenizer, targets)?;
        (Rows::Stream(Box::new(stream)), log)
    };
    let rows = rows.collect::<Result<Vec<_>, RowError>>()?;
    let bad_rows = bad_rows.finish()?;
    let context_size = input.options.context_size;
    if rows.is_empty() {
        return Err(input.too_short());
    }
    if (rows.len() as u64) < sequences {
        tracing::warn!(
            "measured on {} rows of {context_size} tokens: there are no more (--sequences is {sequences})",
            rows.len()
        );
    }
    Ok((rows, bad_rows))
}

/// The report's name for the demo's parts.
const BUNDLED: &str = "bundled demo";
