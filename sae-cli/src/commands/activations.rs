//! `sae activations`

use crate::args::Global;
use crate::args::activations::{Args, Span};
use crate::error::UsageError;
use crate::job::model::{find_model, warn_if_too_long};
use crate::job::outputs::check_file;
use crate::job::targets::Targets;
use crate::job::token_origin::{open_table, warn_of_another_tokenizer};
use crate::job::{device, plan};
use crate::terminal::progress::Bar;
use anyhow::{Error, Result, bail};
use dataset_stream::TokenTable;
use llama_hooked::HookPoint;
use sae_llama::plan::Work;
use sae_llama::record::{ActivationOptions, RecordError, record_activations};
use serde_json::{Map, json};
use std::time::Instant;

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let options = options(args)?;
    check_file("--out", &args.out)?;
    let targets = Targets::new(global, [("--out", args.out.as_path())])?;
    targets.spare([&args.tokens])?;
    let on = device::choose(global)?;
    let table = open_table(&args.tokens)?;
    check_rows(args, &table)?;
    let most = args.sequences.and_then(|n| usize::try_from(n).ok());
    let n_rows = table.len().min(most.unwrap_or(usize::MAX));
    let context = table.context_size();
    let found = find_model(Some(&args.model), None, global.quiet)?;
    targets.spare(found.paths())?;
    let config = found.config()?;
    options.check(config.n_layers).map_err(in_flags)?;
    let mut work = Work::new(&config, &on, context);
    work.rows = Some(n_rows as u64);
    work.batch_size = args.batch_size.map(|n| n as usize);
    work.kept_per_row = options.bytes_per_row(&config, context);
    if !options.loss {
        work.logit_bytes = 0;
    }
    let Some(plan) = plan::settle(&work, &args.memory, &on, global)? else {
        return Ok(());
    };
    let start = Instant::now();
    let model = found.load(&on, plan.placement)?;
    let load_s = start.elapsed().as_secs_f64();
    warn_if_too_long(context, &model);
    warn_of_another_tokenizer(Some(&args.tokens), &found, &model);
    let bar = Bar::new(global.quiet, "forward", Some(n_rows as u64), context);
    let sizes = (n_rows, plan.batch_size);
    let recorded = record_activations(
        &model,
        &table,
        sizes,
        &options,
        &args.out,
        &mut bar.recording(),
    );
    let shapes = recorded.map_err(|error| match error {
        RecordError::UnknownToken { .. } => {
            Error::msg(format!("{}: {error}", args.tokens.display()))
        }
        other => other.into(),
    })?;
    drop(bar);
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

/// The tensors to keep.
fn options(args: &Args) -> Result<ActivationOptions> {
    let names = args.hook.iter();
    let points = names
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
    let mut options = ActivationOptions::new(points);
    (options.logits, options.loss) = (args.logits, args.loss);
    options.stop_at_layer = args.stop_at_layer;
    if let Some(span) = &args.positions {
        options.positions = span.positions;
    }
    Ok(options)
}

fn check_rows(args: &Args, table: &TokenTable) -> Result<()> {
    let (path, context) = (args.tokens.display(), table.context_size());
    if table.is_empty() {
        bail!("{path}: holds no rows");
    }
    if args.loss && context < 2 {
        bail!("{path}: has rows of one token; a loss needs a next one");
    }
    match &args.positions {
        Some(Span { text, positions }) if positions.resolve(context).is_empty() => {
            bail!("--positions {text:?} selects nothing of rows of {context} tokens")
        }
        _ => Ok(()),
    }
}

/// A refusal, with the option that it is about.
fn in_flags(error: RecordError) -> Error {
    match error {
        RecordError::NoSuchLayer { layer, n_layers } => Error::msg(format!(
            "--stop-at-layer {layer}: the model has {n_layers} blocks; expected -{n_layers} to {n_layers}"
        )),
        RecordError::DoesNotFire { layer, point } => Error::msg(format!(
            "--stop-at-layer {layer}: {point} would not fire; give a higher layer, or leave it out"
        )),
        other => other.into(),
    }
}
