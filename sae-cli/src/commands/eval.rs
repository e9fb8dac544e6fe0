//! `sae eval`

use super::{Place, split};
use crate::UsageError;
use crate::adapters::{Path as Reconstructed, Spliced};
use crate::bad_rows::{Log, OnBadRow};
use crate::cli::Global;
use crate::device::Chosen;
use crate::inputs::{self, FoundModel, PackingChoice, Rows, TextInput};
use crate::output::{check_text_file, write_file};
use crate::plan::{LOGITS, MemoryArgs, Work};
use crate::progress::Bar;
use crate::report::warnings::{Signs, of_place};
use crate::targets::Targets;
use crate::token_origin::warn_of_another_tokenizer;
use anyhow::{Result, bail};
use clap::ArgGroup;
use dataset_stream::{Budget, StreamOptions};
use llama_hooked::LlamaConfig;
use sae_core::Sae;
use sae_metrics::{Evaluation, FeatureWeights, Masking, ProtocolOptions, Report, evaluate};
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
    /// The SAE's run
    #[arg(long, value_name = "DIR")]
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
    /// The column that holds the text
    #[arg(long, conflicts_with = "tokens")]
    column: Option<String>,
    /// A row that cannot be used: error ends the run, skip leaves it out, quarantine also writes it there
    #[arg(
        long,
        value_name = "error|skip|quarantine=FILE",
        default_value = "error",
        conflicts_with = "tokens"
    )]
    on_bad_row: OnBadRow,
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
    /// Leave out the positions of these tokens
    #[arg(long, value_name = "ID,..", value_delimiter = ',', conflicts_with_all = ["exclude_special_tokens", "keep_all_tokens"])]
    exclude_tokens: Vec<u32>,
    /// Leave out the positions of the tokenizer's BOS, EOS, PAD and SEP (the default)
    #[arg(long, conflicts_with = "keep_all_tokens")]
    exclude_special_tokens: bool,
    /// Leave out nothing
    #[arg(long)]
    keep_all_tokens: bool,
    /// Write the metrics as CSV as well (group, metric, value); to stdout with -, in place of the table
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let csv_to_stdout = args.csv.as_deref() == Some(Path::new("-"));
    if let Some(path) = &args.csv {
        check_text_file("--csv", path)?;
        if csv_to_stdout && global.json.as_deref() == Some(Path::new("-")) {
            bail!(UsageError(
                "--csv - and --json both go to stdout: give one of them a file".to_owned()
            ));
        }
    }
    let own = args.csv.as_deref().map(|path| ("--csv", path));
    let own = own.into_iter().chain(args.on_bad_row.file());
    let targets = Targets::new(global, own)?;
    targets.spare(&args.tokens)?;
    let on = Chosen::new(global)?;
    let run = args.place.open(&args.sae)?;
    let budget = match inputs::budget(args.sequences, args.max_tokens) {
        Budget::Everything if args.dataset.is_some() => Budget::Sequences(128),
        budget => budget,
    };
    let found = inputs::find_model(args.place.model.as_deref(), Some(&run.cfg.metadata))?;
    targets.spare(inputs::run_files(&run).into_iter().chain(found.paths()))?;
    let (rows, context_size, bad_rows) = rows(args, &run, &found, budget, global, &targets)?;
    let work = Work {
        rows: most(&rows, budget, context_size),
        batch_size: args.batch_size.map(|n| n as usize),
        ..Work::new(&found.config()?, &on, context_size)
    };
    let Some(plan) = work.with_sae(&run)?.settle(&args.memory, &on, global)? else {
        return Ok(());
    };
    let start = Instant::now();
    let model = found.load(&on, plan.placement)?;
    inputs::warn_if_too_long(context_size, &model);
    let given = args
        .tokens
        .as_deref()
        .or(args.dataset.as_deref().map(Path::new));
    warn_of_another_tokenizer(given, &found, &model);
    let masking = masking(args, &found, model.config())?;
    let split = split(&model, &run)?.rows_at_once(plan.rows_at_once);
    let sae = inputs::load_sae(&run, &on)?;
    let options = ProtocolOptions {
        masking,
        batch_size: plan.batch_size,
        logit_bytes: LOGITS as usize,
        ..ProtocolOptions::default()
    };
    let load_s = start.elapsed().as_secs_f64();
    let most = most(&rows, budget, context_size);
    let bar = Bar::new(global.quiet, "evaluating", most, context_size);
    let spliced = Spliced::new(&sae, Reconstructed::DecodeEncode);
    let evaluation = evaluate(&split, &spliced, rows, &options, &mut bar.observer())?;
    drop(bar);
    let bad_rows = bad_rows.finish()?;
    let evaluate_s = start.elapsed().as_secs_f64() - load_s;
    if evaluation.sparsity.tokens.sequences == 0 {
        bail!(
            "{}: the text gives not one row of {context_size} tokens; give more text or a smaller --context-size",
            args.dataset.as_deref().unwrap_or_default()
        );
    }

    let report = report(&evaluation, &sae);
    let mut result = serde_json::to_value(&report)?;
    result["sae_cfg"] = serde_json::from_str(&run.cfg.to_json())?;
    result["eval_cfg"] = json!({
        "sae": args.sae,
        "model": found.describe(&model, &on),
        "dataset": args.dataset,
        "tokens": args.tokens,
        "context_size": context_size,
        "batch_size": options.batch_size,
        "plan": plan,
        "n_sequences": evaluation.sparsity.tokens.sequences,
        "bad_rows": bad_rows,
        "packing": args.dataset.is_some().then(|| args.packing.name()),
        "convention": options.masking.to_string(),
        "reconstruction": "decode(encode(x))",
        "read_hook": split.read().to_string(),
        "write_hook": split.write().to_string(),
    });
    result["timings"] = json!({ "load_s": load_s, "evaluate_s": evaluate_s });
    let bos = args.dataset.as_ref().and(run.cfg.metadata.prepend_bos);
    let mut warnings = Signs::new(&evaluation, run.cfg.d_sae, bos).warnings();
    warnings.extend(of_place(&run.cfg));
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    result["warnings"] = json!(warnings);
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
    global.output().emit(&text, &result)
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
    global: &Global,
    targets: &Targets,
) -> Result<(Rows, usize, Log)> {
    if let Some(path) = &args.tokens {
        let (rows, context_size) = Rows::table(path, budget)?;
        return Ok((rows, context_size, Log::default()));
    }
    let metadata = &run.cfg.metadata;
    let context_size = inputs::context_size(args.context_size, metadata)?;
    let input = TextInput {
        dataset: inputs::dataset(args.dataset.as_deref(), metadata)?,
        column: args.column.clone(),
        on_bad_row: args.on_bad_row.clone(),
        options: StreamOptions {
            packing: args.packing.packing(),
            prepend_bos: metadata.prepend_bos.unwrap_or(true),
            budget,
            threads: global.threads(),
            ..StreamOptions::new(context_size)
        },
    };
    let (stream, log) = input.open(&model.tokenizer()?, targets)?;
    Ok((Rows::Stream(Box::new(stream)), context_size, log))
}

fn masking(args: &Args, found: &FoundModel, config: &LlamaConfig) -> Result<Masking> {
    if args.keep_all_tokens {
        return Ok(Masking::none());
    }
    if !args.exclude_tokens.is_empty() {
        let unknown = |id: &&u32| **id as usize >= config.vocab_size;
        if let Some(id) = args.exclude_tokens.iter().find(unknown) {
            bail!(UsageError(format!(
                "--exclude-tokens: {id} is no token of the model, whose vocabulary has {}",
                config.vocab_size
            )));
        }
        return Ok(Masking::exclude(args.exclude_tokens.iter().copied()));
    }
    if found.files.tokenizer.is_some() {
        return Ok(Masking::exclude(found.tokenizer()?.special().structural()));
    }
    let ids = [config.bos_token_id, config.pad_token_id]
        .into_iter()
        .flatten();
    Ok(Masking::exclude(
        ids.chain(config.eos_token_ids.iter().copied()),
    ))
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

/// The plain figures of each group.
fn figures(metrics: &Value) -> Vec<(String, Vec<(String, Value)>)> {
    let groups = metrics.as_object().into_iter().flatten();
    groups
        .map(|(group, figures)| {
            let plain = figures
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(_, value)| value.is_number() || value.is_null());
            (
                group.clone(),
                plain
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
            )
        })
        .collect()
}

fn table_of(metrics: &Value) -> String {
    let mut text = String::new();
    for (group, figures) in figures(metrics) {
        text.push_str(&format!("{group}\n"));
        for (name, value) in figures {
            let value = match value.as_f64() {
                Some(x) if value.is_f64() => format!("{x:.6}"),
                Some(_) => value.to_string(),
                None => "undefined".to_owned(),
            };
            text.push_str(&format!("  {name:38} {value:>16}\n"));
        }
    }
    text
}

fn csv(metrics: &Value) -> String {
    let mut text = "group,metric,value\n".to_owned();
    for (group, figures) in figures(metrics) {
        for (name, value) in figures {
            let value = if value.is_null() {
                String::new()
            } else {
                value.to_string()
            };
            text.push_str(&format!("{group},{name},{value}\n"));
        }
    }
    text
}
