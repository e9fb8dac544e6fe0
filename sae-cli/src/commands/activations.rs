//! `sae activations`

use crate::UsageError;
use crate::cli::Global;
use crate::device::Chosen;
use crate::inputs;
use crate::interrupt;
use crate::output::check_file;
use crate::plan::{MemoryArgs, Work};
use crate::progress::Bar;
use crate::targets::Targets;
use crate::tensor_file::TensorFile;
use crate::token_origin::{open_table, warn_of_another_tokenizer};
use anyhow::{Context, Result, bail, ensure};
use burn::tensor::{DType, Int, Tensor, TensorData};
use llama_hooked::{
    Activation, Capture, ForwardOptions, HookPoint, Llama, LlamaConfig, Output, OutputKind,
    Positions,
};
use serde_json::{Map, json};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Instant;

/// Run a model on rows of tokens and keep the activations at some hooks
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae activations --model model/ --tokens tokens.safetensors --hook blocks.15.hook_resid_pre \\
      --out acts.safetensors
  sae activations --model model/ --tokens tokens.safetensors --hook blocks.0.attn.hook_pattern \\
      --positions -1 --out last.safetensors
  sae activations --model model/ --tokens tokens.safetensors --loss --out loss.safetensors

Layers above the highest hook do not run unless --logits or --loss needs them. Tensors are named as the hooks, with the rows of \
tokens as their first axis; logits is [rows, positions, vocabulary], loss is [rows, positions - 1] in nats.")]
pub(crate) struct Args {
    /// The model: a folder or a Hub id
    #[arg(long, value_name = "DIR|ID")]
    model: String,
    /// Rows of token ids, as `sae tokenize` writes them: .safetensors, .parquet, or a folder of shards
    #[arg(long, value_name = "FILE|DIR")]
    tokens: PathBuf,
    /// A hook point, by TransformerLens' name; may be given again
    #[arg(long, value_name = "NAME", num_args = 1..)]
    hook: Vec<String>,
    /// Keep the logits as well
    #[arg(long)]
    logits: bool,
    /// Keep the loss of each next token as well
    #[arg(long)]
    loss: bool,
    /// The first block not to run; negative counts from the end
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    stop_at_layer: Option<isize>,
    /// Positions to keep of every hook, as Python slices them: A:B, :B, A: or A
    #[arg(long, value_name = "A:B", allow_hyphen_values = true)]
    positions: Option<Span>,
    #[command(flatten)]
    memory: MemoryArgs,
    /// Stop after this many rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sequences: Option<u64>,
    /// Rows per forward pass
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,
    /// The file to write
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
}

/// `--positions`, with what was typed.
#[derive(Debug, Clone)]
struct Span {
    text: String,
    positions: Positions,
}

impl FromStr for Span {
    type Err = <Positions as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self {
            text: text.to_owned(),
            positions: text.parse()?,
        })
    }
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let points = args
        .hook
        .iter()
        .map(|name| Ok(name.parse::<HookPoint>()?))
        .collect::<Result<Vec<_>>>()?;
    if points.is_empty() && !args.logits && !args.loss {
        bail!(UsageError(
            "nothing to keep: give --hook NAME, --logits or --loss".to_owned()
        ));
    }
    if args.stop_at_layer.is_some() && (args.logits || args.loss) {
        bail!(UsageError(
            "--logits and --loss need every layer: leave out --stop-at-layer".to_owned()
        ));
    }
    check_file("--out", &args.out)?;
    let targets = Targets::new(global, [("--out", args.out.as_path())])?;
    targets.spare([&args.tokens])?;
    let on = Chosen::new(global)?;
    let table = open_table(&args.tokens)?;
    if table.is_empty() {
        bail!("{}: holds no rows", args.tokens.display());
    }
    let most = args.sequences.and_then(|n| usize::try_from(n).ok());
    let n_rows = table.len().min(most.unwrap_or(usize::MAX));
    let context = table.context_size();
    if args.loss && context < 2 {
        bail!(
            "{}: has rows of one token; a loss needs a next one",
            args.tokens.display()
        );
    }
    if let Some(Span { text, positions }) = &args.positions
        && positions.resolve(context).is_empty()
    {
        bail!("--positions {text:?} selects nothing of rows of {context} tokens");
    }
    let found = inputs::find_model(Some(&args.model), None, global.quiet)?;
    targets.spare(found.paths())?;
    let config = found.config()?;
    for point in &points {
        point.validate(config.n_layers)?;
    }
    check_reached(args.stop_at_layer, &points, config.n_layers)?;
    let work = Work {
        rows: Some(n_rows as u64),
        batch_size: args.batch_size.map(|n| n as usize),
        kept_per_row: kept_per_row(args, &config, &points, context),
        ..Work::new(&config, &on, context)
    };
    let Some(plan) = work.settle(&args.memory, &on, global)? else {
        return Ok(());
    };
    let start = Instant::now();
    let model = found.load(&on, plan.placement)?;
    let load_s = start.elapsed().as_secs_f64();
    inputs::warn_if_too_long(context, &model);
    warn_of_another_tokenizer(Some(&args.tokens), &found, &model);
    let (vocab_size, batch) = (config.vocab_size, plan.batch_size);
    let mut file = TensorFile::new(&args.out, n_rows);
    let bar = Bar::new(global.quiet, "forward", Some(n_rows as u64), context);
    for start in (0..n_rows).step_by(batch) {
        interrupt::check()?;
        let end = (start + batch).min(n_rows);
        let mut ids = Vec::with_capacity((end - start) * context);
        for row in start..end {
            for id in table.row(row)? {
                ensure!(
                    (id as usize) < vocab_size,
                    "{}: row {row} has token {id}, the model a vocabulary of {vocab_size}; were the tokens made by its tokenizer?",
                    args.tokens.display()
                );
                ids.push(id as i32);
            }
        }
        let tokens = Tensor::<2, Int>::from_data(
            TensorData::new(ids, [end - start, context]),
            (&on.device, DType::I32),
        );
        file.push(forward(args, &model, &points, tokens)?)?;
        bar.sequences(end as u64);
    }
    drop(bar);
    let shapes = file.finish()?;
    let timings = json!({ "load_s": load_s, "forward_s": start.elapsed().as_secs_f64() - load_s });
    let mut text = format!("{} rows in {}\n", n_rows, args.out.display());
    let mut tensors = Map::new();
    for (name, shape) in shapes {
        text.push_str(&format!("  {name} {shape:?}\n"));
        tensors.insert(name, json!(shape));
    }
    global.output().emit(
        &text,
        &json!({ "out": args.out, "rows": n_rows, "tensors": tensors, "timings": timings }),
    )
}

/// Makes sure that `--stop-at-layer` is a layer and leaves every hook to fire; the library would say so in its own words.
fn check_reached(stop: Option<isize>, points: &[HookPoint], n_layers: usize) -> Result<()> {
    let Some(given) = stop else { return Ok(()) };
    let stop = if given < 0 {
        n_layers.checked_sub(given.unsigned_abs())
    } else {
        Some(given.unsigned_abs())
    };
    let Some(stop) = stop.filter(|&stop| stop <= n_layers) else {
        bail!(
            "--stop-at-layer {given}: the model has {n_layers} blocks; expected -{n_layers} to {n_layers}"
        );
    };
    let fires = |point: &&HookPoint| match point.layer() {
        Some(layer) => layer < stop,
        None => **point == HookPoint::Embed,
    };
    if let Some(point) = points.iter().find(|point| !fires(point)) {
        bail!(
            "--stop-at-layer {given}: {point} would not fire; give a higher layer, or leave it out"
        );
    }
    Ok(())
}

/// One batch: everything asked for, by the name it is kept under.
fn forward(
    args: &Args,
    model: &Llama,
    points: &[HookPoint],
    tokens: Tensor<2, Int>,
) -> Result<Vec<(String, TensorData)>> {
    let mut capture = Capture::new(points.to_vec()).positions(
        args.positions
            .as_ref()
            .map_or(Positions::ALL, |span| span.positions),
    );
    let options = ForwardOptions {
        stop_at_layer: args.stop_at_layer.or_else(|| needed(args, points)),
        output: output(args),
    };
    let mut batch = Vec::new();
    if args.logits && args.loss {
        // Both come from one final norm, which `forward` would not give back.
        let n_layers = model.config().n_layers;
        let resid = model.embed(tokens.clone(), &mut capture);
        let resid = model.blocks(resid, 0..n_layers, &mut capture);
        let normed = model.ln_final(resid, &mut capture);
        batch.push((
            "logits".to_owned(),
            model.unembed(normed.clone()).into_data(),
        ));
        batch.push((
            "loss".to_owned(),
            model.loss_per_token(normed, tokens).into_data(),
        ));
    } else {
        match model.forward(tokens, &options, &mut capture)? {
            Output::Logits(logits) => batch.push(("logits".to_owned(), logits.into_data())),
            Output::Loss(loss) => batch.push(("loss".to_owned(), loss.into_data())),
            Output::Residual(_) | Output::Nothing => {}
        }
    }
    batch.extend(capture.into_cache().into_iter().map(|(point, x)| {
        let data = match x {
            Activation::R3(x) => x.into_data(),
            Activation::R4(x) => x.into_data(),
        };
        (point.to_string(), data)
    }));
    Ok(batch)
}

/// Bytes of what is kept of a row, in f32: once on the device and once on its way to the file.
fn kept_per_row(args: &Args, config: &LlamaConfig, points: &[HookPoint], context: usize) -> u64 {
    let hooked = points.iter().map(|&point| {
        // Nobody hooks the pattern without the scores being there as well.
        let copies = match point {
            HookPoint::AttnScores(_) | HookPoint::Pattern(_) => 4,
            _ => 2,
        };
        copies * config.values_at(point, context)
    });
    let logits = if args.logits {
        2 * (context * config.vocab_size) as u64
    } else {
        0
    };
    4 * (hooked.sum::<u64>() + logits)
}

fn output(args: &Args) -> OutputKind {
    if args.logits {
        OutputKind::Logits
    } else if args.loss {
        OutputKind::Loss
    } else {
        OutputKind::Nothing
    }
}

/// Where to stop if nobody says: after the highest block that a hook is in, unless something after the blocks is wanted.
fn needed(args: &Args, points: &[HookPoint]) -> Option<isize> {
    let highest = points.iter().max()?;
    let after_the_blocks = highest.layer().is_none() && *highest != HookPoint::Embed;
    if args.logits || args.loss || after_the_blocks {
        return None;
    }
    let stop = highest.layer().map_or(0, |layer| layer + 1);
    isize::try_from(stop).context("layer").ok()
}
