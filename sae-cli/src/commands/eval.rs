//! `sae eval`

use super::{Place, split};
use crate::UsageError;
use crate::adapters::{Path as Reconstructed, Spliced};
use crate::bad_rows::Log;
use crate::cli::Global;
use crate::device::Chosen;
use crate::eval_state::Resumption;
use crate::fingerprint::fingerprint;
use crate::inputs::{self, FoundModel, PackingChoice, TextInput};
use crate::masking_args::MaskingArgs;
use crate::output::{check_text_file, write_file};
use crate::plan::{LOGITS, MemoryArgs, Work};
use crate::progress::Bar;
use crate::report::features::Recorded;
use crate::report::figures::{csv, table_of};
use crate::report::nominal::Nominal;
use crate::report::warnings::{Signs, of_place};
use crate::rows::{RowPlace, Rows};
use crate::targets::Targets;
use crate::text_args::TextArgs;
use crate::token_origin::{rows_begin_with_bos, warn_of_another_tokenizer};
use anyhow::{Result, bail};
use clap::ArgGroup;
use dataset_stream::{Budget, StreamOptions};
use sae_core::{RunDir, Sae};
use sae_metrics::{Evaluation, FeatureWeights, ProtocolOptions, Report};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Measure an SAE as SAELens does: every metric, from one pass below the hook
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("data").args(["dataset", "tokens"]).required(true))]
#[command(after_help = "Examples:
  sae eval --sae RUN --dataset 'pile/*.jsonl.zst' --sequences 128 --json metrics.json
  sae eval --sae RUN --model model/ --tokens tokens.safetensors --keep-all-tokens \\
      --csv metrics.csv

Conventions are SAELens': positions of special tokens (BOS, EOS, PAD, SEP) count in nothing and keep their activation, zero ablation \
zeroes every position, and the reconstruction is decode(encode(x)). Figures do not depend on the batch size.")]
pub(crate) struct Args {
    /// The SAE's run: a folder, or on the Hub organisation/name[@revision][:folder]
    #[arg(long, value_name = "DIR|ID")]
    sae: PathBuf,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    memory: MemoryArgs,
    /// Text: a file, a folder or a pattern: .jsonl, .json, .txt (also .gz, .zst), .parquet, .arrow
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
    /// Stop after this many rows; 128 of text by default, all of a file of tokens
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sequences: Option<u64>,
    /// Stop after as many whole rows as have this many tokens together
    #[arg(long, value_name = "N", conflicts_with = "sequences", value_parser = clap::value_parser!(u64).range(1..))]
    max_tokens: Option<u64>,
    #[command(flatten)]
    masking: MaskingArgs,
    /// Keep the state in this file while working, and go on from it if an earlier run was interrupted
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// With --resume, write the state after every so many rows
    #[arg(long, value_name = "N", default_value_t = 256, requires = "resume", value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_every: u64,
    /// Write the metrics as CSV as well (group, metric, value); to stdout with -, in place of the table
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let csv_to_stdout = args.csv.as_deref() == Some(Path::new("-"));
    let targets = targets(args, csv_to_stdout, global)?;
    let on = Chosen::new(global)?;
    let place = &args.place;
    let run = place.open(&args.sae, global.quiet)?;
    let budget = match inputs::budget(args.sequences, args.max_tokens) {
        Budget::Everything if args.dataset.is_some() => Budget::Sequences(128),
        budget => budget,
    };
    let found = place.find_model(Some(&run.cfg.metadata), global.quiet)?;
    targets.spare(inputs::run_files(&run).into_iter().chain(found.paths()))?;
    let mut resumption = Resumption::open(args.resume.as_deref(), args.checkpoint_every)?;
    let opened = rows(args, &run, &found, budget, &resumption, global, &targets);
    let (mut rows, context_size, bad_rows) = resumption.advise(opened)?;
    let given = args.batch_size.map(|n| n as usize);
    let work = Work {
        rows: most(&rows, budget, context_size),
        // A batch of another size would sum in another order.
        batch_size: given.or(resumption.batch_size()),
        ..Work::new(&found.config()?, &on, context_size)
    };
    let Some(plan) = work.with_sae(&run)?.settle(&args.memory, &on, global)? else {
        return Ok(());
    };
    let start = Instant::now();
    let model = found.load(&on, plan.placement)?;
    inputs::warn_if_too_long(context_size, &model);
    let data = args.tokens.as_deref();
    let data = data.or(args.dataset.as_deref().map(Path::new));
    warn_of_another_tokenizer(data, &found, &model);
    let split = split(&model, &run)?.rows_at_once(plan.rows_at_once);
    let sae = inputs::load_sae(&run, &on)?;
    let options = ProtocolOptions {
        masking: args.masking.masking(&found, model.config())?,
        batch_size: plan.batch_size,
        logit_bytes: LOGITS as usize,
        legacy_bytes: resumption.legacy_bytes(),
    };
    let sae_cfg: Value = serde_json::from_str(&run.cfg.to_json())?;
    let mut eval_cfg = json!({
        "sae": args.sae,
        "model": found.describe(&model, &on),
        "dataset": args.dataset,
        "tokens": args.tokens,
        "shard": args.text.shard.map(|shard| shard.to_string()),
        "context_size": context_size,
        "batch_size": options.batch_size,
        "packing": args.dataset.is_some().then(|| args.packing.name()),
        "convention": options.masking.to_string(),
        "reconstruction": "decode(encode(x))",
        "read_hook": split.read().to_string(),
        "write_hook": split.write().to_string(),
    });
    let made_from = if args.resume.is_some() {
        made_from(args, &run, &found, &sae_cfg, &eval_cfg)?
    } else {
        Value::Null
    };
    let load_s = start.elapsed().as_secs_f64();
    let most = most(&rows, budget, context_size);
    let bar = Bar::new(global.quiet, "evaluating", most, context_size);
    let spliced = Spliced::new(&sae, Reconstructed::DecodeEncode);
    let mut observer = bar.observer();
    let evaluation = resumption.evaluate(
        &split,
        &spliced,
        &mut rows,
        &options,
        &made_from,
        &mut observer,
    )?;
    drop(observer);
    drop(bar);
    let left_out_now = bad_rows.finish()?;
    let evaluate_s = start.elapsed().as_secs_f64() - load_s;
    if evaluation.sparsity.tokens.sequences == 0 {
        bail!(
            "{}: the text gives not one row of {context_size} tokens; give more text or a smaller --context-size",
            args.dataset.as_deref().unwrap_or_default()
        );
    }

    eval_cfg["n_sequences"] = evaluation.sparsity.tokens.sequences.into();
    eval_cfg["plan"] = json!(plan);
    eval_cfg["bad_rows"] = rows.bad_rows().unwrap_or(left_out_now).into();
    let mut result = serde_json::to_value(report(&evaluation, &sae))?;
    result["sae_cfg"] = sae_cfg;
    result["eval_cfg"] = eval_cfg;
    result["timings"] = json!({ "load_s": load_s, "evaluate_s": evaluate_s });
    let bos = begins_with_bos(args, &run, &found);
    let recorded = run.log_sparsity.as_deref().and_then(Recorded::new);
    let nominal = Nominal::of(&run.cfg, recorded.as_ref());
    let mut warnings = Signs::new(&evaluation, run.cfg.d_sae, nominal, bos).warnings();
    warnings.extend(of_place(&run.cfg));
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    result["warnings"] = json!(warnings);
    emit(args, csv_to_stdout, &options, &result, global)?;
    resumption.done()
}

/// Whether rows begin with BOS, as far as that is known.
fn begins_with_bos(args: &Args, run: &RunDir, found: &FoundModel) -> Option<bool> {
    match &args.tokens {
        Some(path) => rows_begin_with_bos(path, found),
        None => run.cfg.metadata.prepend_bos,
    }
}

/// What figures depend on: files by what they hold, not by what they are called.
fn made_from(
    args: &Args,
    run: &RunDir,
    found: &FoundModel,
    sae_cfg: &Value,
    eval_cfg: &Value,
) -> Result<Value> {
    let mut eval_cfg = eval_cfg.clone();
    for path in ["/sae", "/tokens", "/model/name"] {
        eval_cfg.pointer_mut(path).map(Value::take);
    }
    Ok(json!({
        "sae_cfg": sae_cfg,
        "eval_cfg": eval_cfg,
        "sae_weights": fingerprint([&run.weights])?,
        "model_weights": fingerprint(&found.files.weights)?,
        "tokens": fingerprint(&args.tokens)?,
    }))
}

/// The files that are written, which must not be among those that are read.
fn targets(args: &Args, csv_to_stdout: bool, global: &Global) -> Result<Targets> {
    if let Some(path) = &args.csv {
        check_text_file("--csv", path)?;
        if csv_to_stdout && global.json.as_deref() == Some(Path::new("-")) {
            bail!(UsageError(
                "--csv - and --json both go to stdout: give one of them a file".to_owned()
            ));
        }
    }
    if args.tokens.is_some() {
        args.text.none_but_shard()?;
    }
    let on_bad_row = args.text.on_bad_row();
    if args.resume.is_some() && on_bad_row.file().is_some() {
        bail!(UsageError(
            "--resume: rows set aside before an interruption would be lost; use --on-bad-row skip"
                .to_owned()
        ));
    }
    let csv = args.csv.as_deref().map(|path| ("--csv", path));
    let state = args.resume.as_deref().map(|path| ("--resume", path));
    let own = csv.into_iter().chain(state).chain(on_bad_row.file());
    let targets = Targets::new(global, own)?;
    targets.spare(&args.tokens)?;
    Ok(targets)
}

fn emit(
    args: &Args,
    csv_to_stdout: bool,
    options: &ProtocolOptions,
    result: &Value,
    global: &Global,
) -> Result<()> {
    let csv = csv(&result["metrics"]);
    if let Some(path) = args.csv.as_ref().filter(|_| !csv_to_stdout) {
        write_file(path, csv.as_bytes())?;
    }
    let table = format!(
        "{}\nconvention: {}\nreconstruction: decode(encode(x))\n",
        table_of(&result["metrics"]),
        options.masking
    );
    let text = if csv_to_stdout { csv } else { table };
    global.output().emit(&text, result)
}

/// How many rows there will be at most, if that is known.
fn most(rows: &Rows, budget: Budget, context_size: usize) -> Option<u64> {
    rows.n_rows().or(match budget {
        Budget::Sequences(n) => Some(n),
        Budget::Tokens(n) => Some(n / context_size as u64),
        Budget::Everything => None,
    })
}

fn rows(
    args: &Args,
    run: &sae_core::RunDir,
    model: &FoundModel,
    budget: Budget,
    resumption: &Resumption,
    global: &Global,
    targets: &Targets,
) -> Result<(Rows, usize, Log)> {
    if let Some(path) = &args.tokens {
        let (mut rows, context_size) = Rows::table(path, args.text.shard, budget)?;
        if let Some(RowPlace::Table(taken)) = resumption.place() {
            rows.skip_taken(taken);
        }
        return Ok((rows, context_size, Log::default()));
    }
    let metadata = &run.cfg.metadata;
    let context_size = inputs::context_size(args.context_size, metadata)?;
    let input = TextInput {
        dataset: inputs::dataset(args.dataset.as_deref(), metadata)?,
        text: args.text.clone(),
        options: StreamOptions {
            packing: args.packing.packing(),
            prepend_bos: metadata.prepend_bos.unwrap_or(true),
            budget,
            threads: global.threads(),
            ..StreamOptions::new(context_size)
        },
    };
    let state = match resumption.place() {
        Some(RowPlace::Stream(state)) => Some(*state),
        _ => None,
    };
    let (stream, log) = input.open_at(state, &model.tokenizer()?, targets)?;
    Ok((Rows::Stream(Box::new(stream)), context_size, log))
}

/// Everything measured, with the figures of the weights.
fn report(evaluation: &Evaluation, sae: &Sae) -> Report {
    let mut report = Report::new(Some(&evaluation.sparsity), Some(&evaluation.reconstruction));
    let weights = sae.feature_weights();
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
    report.feature_metrics.weights = FeatureWeights {
        encoder_norm: wide(weights.encoder_norm),
        encoder_bias: wide(weights.encoder_bias.unwrap_or_default()),
        encoder_decoder_cosine_sim: wide(weights.encoder_decoder_cosine_sim.unwrap_or_default()),
    };
    report
}
