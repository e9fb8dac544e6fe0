//! `sae dashboard`

use super::{Place, split};
use crate::UsageError;
use crate::cli::Global;
use crate::clock::Clock;
use crate::dashboards::build::{Collected, Sink};
use crate::dashboards::choice::Choice;
use crate::dashboards::logging::Logging;
use crate::dashboards::rows::{WorkFolder, tokenised, within};
use crate::dashboards::tokens::Spelling;
use crate::dashboards::weights::Weights;
use crate::device::Chosen;
use crate::inputs::{self, FoundModel, PackingChoice, TextInput};
use crate::masking_args::MaskingArgs;
use crate::plan::{Bytes, MemoryArgs, Work};
use crate::targets::Targets;
use crate::text_args::TextArgs;
use crate::token_origin::warn_of_another_tokenizer;
use anyhow::{Result, bail};
use clap::ArgGroup;
use dataset_stream::{Budget, StreamOptions, TokenTable};
use sae_core::RunDir;
use sae_dashboard::page::{PageForm, PageWriter};
use sae_dashboard::{ActivationLog, Feature, Settings, Source, Summary};
use sae_metrics::Masking;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Pages that show what each feature responds to, from one pass over the text
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("data").args(["dataset", "tokens"]).required(true))]
#[command(after_help = "Examples:
  sae dashboard --sae RUN --dataset 'pile/*.jsonl.zst' --max-tokens 500000 --out features/
  sae dashboard --sae RUN --tokens tokens.safetensors --features 200 --out features.html
  sae dashboard --sae RUN --tokens tokens/ --work work0 --shard 0/2 --log-only
  sae dashboard --sae RUN --tokens tokens/ --merge work0 --merge work1 --out features/

The text goes through the model once, whatever the number of features. A folder holds a page for any number of them; a file ending in .html is \\
one page to send to somebody, for some hundred.")]
pub(crate) struct Args {
    /// The SAE's run: a folder, or on the Hub organisation/name[@revision][:folder]
    #[arg(long, value_name = "DIR|ID")]
    sae: PathBuf,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    memory: MemoryArgs,
    /// Text: a file, a folder or a pattern, or a data set on the Hub
    #[arg(long, value_name = "SRC")]
    dataset: Option<String>,
    /// Rows of token ids, as `sae tokenize` writes them: .safetensors, .parquet, or a folder of shards
    #[arg(long, value_name = "FILE|DIR")]
    tokens: Option<PathBuf>,
    #[command(flatten)]
    text: TextArgs,
    /// Tokens in a row; by default what cfg.json says
    #[arg(long, value_name = "N", conflicts_with = "tokens", value_parser = inputs::context_sizes())]
    context_size: Option<usize>,
    /// How documents become rows
    #[arg(
        long,
        value_enum,
        default_value = "notebook",
        conflicts_with = "tokens"
    )]
    packing: PackingChoice,
    /// Rows per forward pass
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,
    /// Stop after this many rows; 2048 of text by default, all of a file of tokens
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sequences: Option<u64>,
    /// Stop after as many whole rows as have this many tokens together
    #[arg(long, value_name = "N", conflicts_with = "sequences", value_parser = clap::value_parser!(u64).range(1..))]
    max_tokens: Option<u64>,
    #[command(flatten)]
    masking: MaskingArgs,
    /// Features that get a page: all, a number of them, a list such as 3,17,100-199, or a file with such a list
    #[arg(long, value_name = "all|N|LIST|FILE", default_value = "all")]
    features: Choice,
    /// The logit lens without the final norm's weight
    #[arg(long)]
    raw_lens: bool,
    /// Tokens shown before the one that an example is about
    #[arg(long, value_name = "N", default_value_t = 48)]
    before: usize,
    /// Tokens shown after it
    #[arg(long, value_name = "N", default_value_t = 24)]
    after: usize,
    /// What samples are drawn from
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Bytes of activations that are gathered at a time; less memory, more scans
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    gather: Bytes,
    /// Keep the tokens and the activations in this folder, and go on from what is there after an interruption
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Stop once the activations are in --work: a part of the work, for --merge
    #[arg(long, requires = "work")]
    log_only: bool,
    /// Take the activations from the --work of shards, with the same --tokens, instead of running the model on text
    #[arg(long, value_name = "DIR", conflicts_with_all = ["work", "shard", "dataset"])]
    merge: Vec<PathBuf>,
    /// The page: a folder, or one file that ends in .html
    #[arg(
        long,
        value_name = "DIR|FILE.html",
        required_unless_present = "log_only"
    )]
    out: Option<PathBuf>,
}

/// Rows of text, if nobody says: half a million tokens at a context size of 256.
const SEQUENCES: u64 = 2048;

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let targets = targets(args, global)?;
    let on = Chosen::new(global)?;
    let run = args.place.open(&args.sae, global.quiet)?;
    let found = inputs::find_model(
        args.place.model.as_deref(),
        Some(&run.cfg.metadata),
        global.quiet,
    )?;
    targets.spare(inputs::run_files(&run).into_iter().chain(found.paths()))?;
    let tokenizer = found.tokenizer()?;
    let work = WorkFolder::new(args.work.as_deref())?;

    let mut clock = Clock::new();
    let table = if let Some(path) = &args.tokens {
        TokenTable::open(path)?
    } else {
        let input = text(args, &run, global)?;
        tokenised(&input, &tokenizer, work.path(), &targets, global.quiet)?
    };
    let budget = inputs::budget(args.sequences, args.max_tokens);
    let n_rows = within(budget, &table)?;
    let tokenize_s = clock.lap();

    let planned = Work {
        rows: Some(n_rows as u64),
        batch_size: args.batch_size.map(|n| n as usize),
        ..Work::new(&found.config()?, &on, table.context_size())
    };
    let Some(plan) = planned.with_sae(&run)?.settle(&args.memory, &on, global)? else {
        return Ok(());
    };
    let model = found.load(&on, plan.placement)?;
    inputs::warn_if_too_long(table.context_size(), &model);
    warn_of_another_tokenizer(args.tokens.as_deref(), &found, &model);
    let split = split(&model, &run)?.rows_at_once(plan.rows_at_once);
    let sae = inputs::load_sae(&run, &on)?;
    let masking = args.masking.masking(&found, model.config())?;
    let load_s = clock.lap();

    let logging = Logging {
        split: &split,
        sae: &sae,
        table: &table,
        masking: &masking,
        batch_size: plan.batch_size,
        shard: args.text.shard,
        n_rows,
    };
    let log = if args.merge.is_empty() {
        let made_from = json!({
            "sae_cfg": serde_json::from_str::<Value>(&run.cfg.to_json())?,
            "model": found.describe(&model, &on),
            "convention": masking.to_string(),
            "rows": n_rows,
        });
        logging.run(&work.log(), made_from, global.quiet)?;
        ActivationLog::open(&[work.log()])?
    } else {
        let logs: Vec<_> = args.merge.iter().map(|dir| dir.join("log")).collect();
        ActivationLog::open(&logs)?
    };
    let encode_s = clock.lap();
    let Some(out) = args.out.as_deref().filter(|_| !args.log_only) else {
        return logged(&log, work.path(), global);
    };

    let summary = Summary::of(&log)?;
    let features = args.features.features(&summary.n_fired)?;
    let weights = Weights::of(&model, &split, &sae, &features, args.raw_lens);
    let collected = Collected {
        log: &log,
        table: &table,
        summary: &summary,
        features: &features,
    };
    let source = source(args, &run, &found, table.context_size(), &masking);
    let overview = collected.overview(source, &weights);
    let spelling = Spelling(&tokenizer);
    let writer = PageWriter::create(out, form(out), &overview, &spelling)?;
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(Page(writer))];
    collected.run(&settings(args), weights, sinks, global.quiet)?;
    let collect_s = clock.lap();

    let n_dead = summary.n_fired.iter().filter(|&&n| n == 0).count();
    let result = json!({
        "sae": args.sae,
        "model": found.describe(&model, &on),
        "n_features": features.len(),
        "n_dead": n_dead,
        "n_contexts": log.n_contexts(),
        "n_tokens": summary.n_tokens,
        "n_activations": log.n_entries(),
        "convention": masking.to_string(),
        "plan": plan,
        "timings": { "tokenize_s": tokenize_s, "load_s": load_s, "encode_s": encode_s, "collect_s": collect_s },
        "out": out,
    });
    let text = format!(
        "{} features from {} tokens ({n_dead} of {} never fire)\nopen {}\n",
        features.len(),
        summary.n_tokens,
        summary.n_fired.len(),
        to_open(out).display()
    );
    global.output().emit(&text, &result)
}

/// What a browser is to be given.
fn to_open(out: &Path) -> PathBuf {
    match form(out) {
        PageForm::File => out.to_owned(),
        PageForm::Folder => out.join("index.html"),
    }
}

fn settings(args: &Args) -> Settings {
    Settings {
        before: args.before,
        after: args.after,
        seed: args.seed,
        memory: args.gather.0,
        ..Settings::default()
    }
}

/// Says what `--log-only` has made.
fn logged(log: &ActivationLog, work: &Path, global: &Global) -> Result<()> {
    let (n_contexts, n_activations) = (log.n_contexts(), log.n_entries());
    let text = format!(
        "{n_contexts} contexts, {n_activations} activations in {}\n",
        work.display()
    );
    let result = json!({ "n_contexts": n_contexts, "n_activations": n_activations, "work": work });
    global.output().emit(&text, &result)
}

/// The page, as a sink.
struct Page<'v>(PageWriter<'v, Spelling<'v>>);

impl Sink for Page<'_> {
    fn push(&mut self, feature: &Feature) -> Result<()> {
        Ok(self.0.push(feature.clone())?)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(self.0.finish()?)
    }
}

/// What is written, which must not be among what is read; and what options contradict each other.
fn targets(args: &Args, global: &Global) -> Result<Targets> {
    if args.tokens.is_some() {
        args.text.none_but_shard()?;
    } else if args.text.shard.is_some() {
        bail!(UsageError(
            "--shard: give the rows by --tokens, so that all workers speak of the same ones"
                .to_owned()
        ));
    }
    let on_bad_row = args.text.on_bad_row();
    let out = args.out.as_deref().map(|path| ("--out", path));
    let work = args.work.as_deref().map(|path| ("--work", path));
    let own = out.into_iter().chain(work).chain(on_bad_row.file());
    let targets = Targets::new(global, own)?;
    targets.spare(&args.tokens)?;
    targets.spare(&args.merge)?;
    if let Some(out) = &args.out {
        let taken = match form(out) {
            PageForm::File => out.is_dir(),
            PageForm::Folder => {
                out.is_file()
                    || out
                        .read_dir()
                        .is_ok_and(|mut inside| inside.next().is_some())
            }
        };
        if taken {
            bail!(
                "--out {}: is there already, and is not replaced; give another name, or remove it",
                out.display()
            );
        }
    }
    Ok(targets)
}

fn form(out: &Path) -> PageForm {
    match out.extension() {
        Some(ending) if ending.eq_ignore_ascii_case("html") => PageForm::File,
        _ => PageForm::Folder,
    }
}

/// The text and how to make rows of it.
fn text(args: &Args, run: &RunDir, global: &Global) -> Result<TextInput> {
    let metadata = &run.cfg.metadata;
    let context_size = inputs::context_size(args.context_size, metadata)?;
    let budget = match inputs::budget(args.sequences, args.max_tokens) {
        Budget::Everything => Budget::Sequences(SEQUENCES),
        budget => budget,
    };
    Ok(TextInput {
        dataset: inputs::dataset(args.dataset.as_deref(), metadata)?,
        text: args.text.clone(),
        options: StreamOptions {
            packing: args.packing.packing(),
            prepend_bos: metadata.prepend_bos.unwrap_or(true),
            budget,
            threads: global.threads(),
            ..StreamOptions::new(context_size)
        },
    })
}

fn source(
    args: &Args,
    run: &RunDir,
    found: &FoundModel,
    context_size: usize,
    masking: &Masking,
) -> Source {
    let metadata = &run.cfg.metadata;
    let tokens = args
        .tokens
        .as_deref()
        .map(|path| path.display().to_string());
    Source {
        model: found.name.clone(),
        sae: args.sae.display().to_string(),
        architecture: run.cfg.architecture.name().to_owned(),
        hook_name: metadata.hook_name.clone().unwrap_or_default(),
        dataset: args.dataset.clone().or(tokens).unwrap_or_default(),
        context_size: context_size as u32,
        convention: masking.to_string(),
    }
}
