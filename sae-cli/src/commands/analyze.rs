//! `sae analyze`: every cell of the notebook.

use super::{Place, split};
use crate::adapters::{Path as Reconstructed, Spliced};
use crate::bad_rows::Log;
use crate::cli::Global;
use crate::clock::Clock;
use crate::demo::Demo;
use crate::device::Chosen;
use crate::inputs::{self, PackingChoice, TextInput};
use crate::interrupt;
use crate::output::check_text_file;
use crate::plan::{LOGITS, MemoryArgs, Work};
use crate::progress::Bar;
use crate::prompt_check::Question;
use crate::report::checks::{Facts, warnings};
use crate::report::features::Recorded;
use crate::report::folder::Folder;
use crate::report::nominal::Nominal;
use crate::report::warnings::{Signs, of_place};
use crate::report::{self, Links, Report, Timings};
use crate::rows::{RowError, Rows};
use crate::targets::Targets;
use crate::text_args::TextArgs;
use crate::token_origin::warn_of_another_tokenizer;
use anyhow::{Result, bail};
use dataset_stream::{Budget, StreamOptions, Tokenizer};
use sae_core::{RunDir, SaeConfig};
use sae_metrics::{Masking, ProtocolOptions, evaluate};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Run every cell of the notebook and write a report; without RUN, on the bundled demo
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae analyze --out report
  sae analyze runs/20251213_174540_llama3_8b --dataset 'pile/*.jsonl.zst' --out report
  sae analyze RUN --model model/ --dataset text.jsonl --prompt 'The capital of France is' \\
      --answer Paris --out report

Conventions are the notebook's: nothing is masked in the losses, position 0 is left out of L0 when rows begin with BOS, and the \
SAE's full forward pass replaces the activation. The folder gets report.json, report.html and the plots as SVG.")]
pub(crate) struct Args {
    /// The SAE's run, a folder or on the Hub organisation/name[@revision][:folder]; the bundled demo if left out
    run: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    memory: MemoryArgs,
    /// The run, as the other commands name it
    #[arg(long, value_name = "RUN", conflicts_with = "run")]
    sae: Option<PathBuf>,
    /// Text: a file, a folder or a pattern; by default what cfg.json names, if that is here
    #[arg(long, value_name = "SRC")]
    dataset: Option<String>,
    /// Rows of token ids, as `sae tokenize` writes them: .safetensors, .parquet, or a folder of shards
    #[arg(long, value_name = "FILE|DIR", conflicts_with_all = ["dataset", "context_size"])]
    tokens: Option<PathBuf>,
    #[command(flatten)]
    text: TextArgs,
    /// Tokens in a row; by default what cfg.json says
    #[arg(long, value_name = "N", value_parser = inputs::context_sizes())]
    context_size: Option<usize>,
    /// Rows to measure on
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..))]
    sequences: u64,
    /// Rows per forward pass
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,
    /// The prompt of the prompt check
    #[arg(
        long,
        value_name = "TEXT",
        requires = "answer",
        allow_hyphen_values = true
    )]
    prompt: Option<String>,
    /// Its answer
    #[arg(
        long,
        value_name = "STR",
        requires = "prompt",
        allow_hyphen_values = true
    )]
    answer: Option<String>,
    /// The folder to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The plots as PNG, too, at twice their size
    #[arg(long)]
    png: bool,
    /// Link features to this page, which `sae dashboard` wrote
    #[arg(long, value_name = "DIR|FILE.html")]
    features_page: Option<PathBuf>,
}

/// The notebook's own prompt check.
const PROMPT: (&str, &str) = (
    "When John and Mary went to the shops, John gave the bag to",
    " Mary",
);

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let folder = Folder::make(&args.out, args.png)?;
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
    let page = page.map(|page| Links::page(page, &args.out)).transpose()?;
    let on = Chosen::new(global)?;
    let demo = args.given().is_none().then(Demo::unpack).transpose()?;
    let job = Job::new(args, demo.as_ref(), global.quiet)?;
    if let Some(page) = &page {
        page.check(job.run.cfg.d_sae, job.run.cfg.metadata.hook_name.as_deref())?;
    }
    let Some(report) = measure(&job, args, global, &on, &targets)? else {
        return Ok(());
    };
    let links = page.unwrap_or_else(|| by_command(args, &report));
    folder.write(&report, &links)?;
    global
        .output()
        .emit(&report::terminal(&report, &args.out), &report)
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
        let dataset = args.dataset.as_deref().or(report.data["dataset"].as_str());
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

/// What to measure, once the demo's or the configuration's word has been taken where nothing was given.
struct Job {
    run: RunDir,
    /// What cfg.json says, whatever --hook says.
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
        let run = args.place.open(&path, quiet)?;
        let recorded = SaeConfig::from_file(&run.dir.join("cfg.json"))?;
        Ok(Self {
            run,
            hook_recorded: recorded.metadata.hook_name,
            model: args.place.model.clone().or_else(|| Some(demo?.model())),
            dataset: args.dataset.clone().or_else(|| Some(demo?.dataset())),
            prompt,
            answer,
        })
    }
}

fn measure(
    job: &Job,
    args: &Args,
    global: &Global,
    on: &Chosen,
    targets: &Targets,
) -> Result<Option<Report>> {
    let start = Instant::now();
    let mut clock = Clock::new();
    let (cfg, metadata) = (&job.run.cfg, &job.run.cfg.metadata);
    // What can be wrong quickly comes before what takes long.
    let (table, dataset, context_size) = text(job, args)?;
    let prepend_bos = metadata.prepend_bos.unwrap_or(true);
    let found = inputs::find_model(job.model.as_deref(), Some(metadata), global.quiet)?;
    targets.spare(inputs::run_files(&job.run).into_iter().chain(found.paths()))?;
    let tokenizer = found.tokenizer()?;
    let question = Question::new(&tokenizer, &job.prompt, &job.answer, true)?;
    let input = TextInput {
        dataset,
        text: args.text.clone(),
        options: StreamOptions {
            prepend_bos,
            budget: Budget::Sequences(args.sequences),
            threads: global.threads(),
            ..StreamOptions::new(context_size)
        },
    };
    let (rows, bad_rows) = rows(&input, table, &tokenizer, args.sequences, targets)?;
    let tokenize_s = clock.lap();
    let work = Work {
        rows: Some(rows.len() as u64),
        batch_size: args.batch_size.map(|n| n as usize),
        ..Work::new(&found.config()?, on, context_size)
    };
    let Some(plan) = work.with_sae(&job.run)?.settle(&args.memory, on, global)? else {
        return Ok(None);
    };
    let model = found.load(on, plan.placement)?;
    inputs::warn_if_too_long(context_size, &model);
    question.warn_if_too_long(&model);
    warn_of_another_tokenizer(Some(Path::new(&input.dataset)), &found, &model);
    let load_model_s = clock.lap();
    let rows_with_bos = with_bos(&rows, &tokenizer);
    // Rows that were made elsewhere are as they are.
    let all_have = rows_with_bos == rows.len() as u64;
    let prepend_bos = args.tokens.as_ref().map_or(prepend_bos, |_| all_have);
    let split = split(&model, &job.run)?.rows_at_once(plan.rows_at_once);
    let sae = inputs::load_sae(&job.run, on)?;
    let load_sae_s = clock.lap();

    let options = ProtocolOptions {
        masking: Masking::Notebook { prepend_bos },
        batch_size: plan.batch_size,
        logit_bytes: LOGITS as usize,
        ..ProtocolOptions::default()
    };
    let n_rows = Some(rows.len() as u64);
    let bar = Bar::new(global.quiet, "evaluating", n_rows, context_size);
    let spliced = Spliced::new(&sae, Reconstructed::Forward);
    let rows = rows.into_iter().map(|row| interrupt::check().map(|()| row));
    let evaluation = evaluate(&split, &spliced, rows, &options, &mut bar.observer())?;
    drop(bar);
    let evaluate_s = clock.lap();
    let prompt = question.ask(&tokenizer, &split, Some(&sae))?;
    let prompt_s = clock.lap();

    let (sae_json, model_json) = describe(job, args, found.describe(&model, on));
    let data = json!({
        "dataset": if args.is_demo() && args.dataset.is_none() && args.tokens.is_none() { BUNDLED } else { &input.dataset },
        "context_size": context_size,
        "sequences": evaluation.sparsity.tokens.sequences,
        "tokens": evaluation.sparsity.tokens.seen,
        "prepend_bos": prepend_bos,
        "packing": args.tokens.is_none().then(|| PackingChoice::Notebook.name()),
        "bad_rows": bad_rows,
    });
    let timings = Timings {
        load_model_s,
        load_sae_s,
        tokenize_s,
        evaluate_s,
        prompt_s,
        total_s: start.elapsed().as_secs_f64(),
    };
    let recorded = job.run.log_sparsity.as_deref().and_then(Recorded::new);
    let nominal = Nominal::of(cfg, recorded.as_ref());
    let mut report = Report::new(
        sae_json,
        model_json,
        data,
        &evaluation,
        &options.masking,
        prompt,
        recorded,
        nominal,
        timings,
    );
    report.checks = Facts {
        hook_recorded: job.hook_recorded.as_deref(),
        rows_with_bos,
        context_size,
        model_positions: model.config().max_position_embeddings,
        n_layers: model.config().n_layers,
        ..Facts::measured(cfg, &evaluation)
    }
    .checks();
    let made_here = args.tokens.is_none().then_some(prepend_bos);
    report.warnings = Signs::new(&evaluation, cfg.d_sae, nominal, made_here).warnings();
    report.warnings.extend(of_place(cfg));
    report.warnings.extend(warnings(&report.checks));
    Ok(Some(report))
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
    let dataset = inputs::dataset(job.dataset.as_deref(), metadata)?;
    Ok((
        None,
        dataset,
        inputs::context_size(args.context_size, metadata)?,
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
        bail!(
            "{}: the text gives not one row of {context_size} tokens; give more text or a smaller --context-size",
            input.dataset
        );
    }
    if (rows.len() as u64) < sequences {
        tracing::warn!(
            "there are {} rows of {context_size} tokens, not the {sequences} asked for",
            rows.len()
        );
    }
    Ok((rows, bad_rows))
}

/// The run and the model for the report: the demo by that name, not by the folder it was unpacked to.
fn describe(job: &Job, args: &Args, mut model: Value) -> (Value, Value) {
    let mut sae = inputs::describe_run(&job.run);
    if args.is_demo() {
        sae["path"] = json!(BUNDLED);
        if args.place.model.is_none() {
            model["name"] = json!(BUNDLED);
        }
    }
    (sae, model)
}

/// What the report calls the demo's parts.
const BUNDLED: &str = "bundled demo";

impl Args {
    /// The run, if one was named.
    fn given(&self) -> Option<&PathBuf> {
        self.run.as_ref().or(self.sae.as_ref())
    }

    fn is_demo(&self) -> bool {
        self.given().is_none()
    }
}
