//! `sae activations --shards`

use crate::args::Global;
use crate::args::activations::Args;
use crate::job::model::{find_model, warn_if_too_long};
use crate::job::outputs::check_folder;
use crate::job::targets::Targets;
use crate::job::token_origin::{open_table, rows_begin_with_bos, warn_of_another_tokenizer};
use crate::job::train::{NamedRead, model_hooks};
use crate::job::{device, plan};
use crate::terminal::interrupt;
use crate::terminal::progress::Bar;
use activation_cache::{CacheError, CacheSettings, CacheWriter, Manifest};
use anyhow::{Error, Result, anyhow, bail};
use dataset_stream::TokenTable;
use sae_backend::{ComputeDevice, format_bytes};
use sae_llama::fingerprint;
use sae_llama::plan::Work;
use sae_llama::resolve::FoundModel;
use sae_llama::train::{CacheActivationsError, TrainHooks, cache_activations};
use serde_json::json;
use std::time::Instant;

/// Of a shard, if nobody says.
const SHARD_BYTES: u64 = 256 << 20;
/// Tokens that `sae train` runs at once. A shard of whole batches of them has its rows run together as there, and so to the same bits.
const TOKENS_AT_ONCE: usize = 4096;

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    check_folder("--out", &args.out)?;
    let targets = Targets::new(global, [("--out", args.out.as_path())])?;
    targets.spare([&args.tokens])?;
    let on = device::choose(global)?;
    let table = open_table(&args.tokens)?;
    if table.is_empty() {
        bail!("{}: holds no rows", args.tokens.display());
    }
    let most = args.sequences.and_then(|n| usize::try_from(n).ok());
    let n_rows = table.len().min(most.unwrap_or(usize::MAX));
    let context = table.context_size();
    let found = find_model(Some(&args.model), None, global.quiet)?;
    targets.spare(found.paths())?;
    let config = found.config()?;
    let named = args.hook.iter().map(|name| (name.clone(), None));
    let hooks = model_hooks(&named.collect::<Vec<NamedRead>>(), &config)?;
    let settings = settings(args, &found, &hooks, (&table, n_rows), &on)?;
    let mut work = Work::new(&plan::below(&config, hooks.layers()), &on, context);
    work.rows = Some(n_rows as u64);
    work.batch_size = args.batch_size.map(|n| n as usize);
    work.logit_bytes = 0;
    // In the model's form, in rows, and in the shard's form.
    work.kept_per_row = (3 * context * settings.width() * 4) as u64;
    let Some(plan) = plan::settle(&work, &args.memory, &on, global)? else {
        return Ok(());
    };
    let writer = CacheWriter::open(&args.out, &settings)?;
    writer.check_space().map_err(with_units)?;
    let kept = writer.rows_done();
    interrupt::will_go_on();
    let start = Instant::now();
    let (manifest, load_s) = if writer.next_rows().is_none() {
        (writer.finish()?, 0.0)
    } else {
        let model = found.load_layers(&on, plan.placement, Some(hooks.layers()))?;
        let load_s = start.elapsed().as_secs_f64();
        warn_if_too_long(context, &model);
        warn_of_another_tokenizer(Some(&args.tokens), &found, &model);
        let bar = Bar::new(global.quiet, "forward", Some(n_rows as u64), context);
        bar.begin_at(kept as u64);
        let (size, mut observer) = (plan.batch_size, bar.recording());
        let made = cache_activations(&model, &hooks, &table, size, writer, &mut observer);
        let manifest = made.map_err(|error| match error {
            CacheActivationsError::Rows(error) => {
                Error::msg(format!("{}: {error}", args.tokens.display()))
            }
            other => other.into(),
        })?;
        (manifest, load_s)
    };
    let forward_s = start.elapsed().as_secs_f64() - load_s;
    let bytes: u64 = manifest.shards.iter().map(|shard| shard.bytes).sum();
    let result = json!({
        "out": args.out,
        "rows": n_rows,
        "rows_kept": kept,
        "tokens": manifest.tokens,
        "tokens_per_shard": manifest.tokens_per_shard,
        "shards": manifest.shards.len(),
        "bytes": bytes,
        "activation_dtype": manifest.settings.dtype,
        "hooks": manifest.settings.hooks,
        "precision": manifest.precision,
        "timings": { "load_s": load_s, "forward_s": forward_s },
    });
    global
        .output()
        .emit(&text(args, &manifest, kept, bytes), &result)
}

/// A disk that is too small, in words.
fn with_units(error: CacheError) -> Error {
    match error {
        CacheError::NoSpace {
            path, needed, free, ..
        } => anyhow!(
            "--out {}: the activations take {} more, and the disk has {} free; give fewer --sequences, a smaller --activation-dtype, or another disk",
            path.display(),
            format_bytes(needed),
            format_bytes(free)
        ),
        other => other.into(),
    }
}

/// What the cache is of.
fn settings(
    args: &Args,
    found: &FoundModel,
    hooks: &TrainHooks,
    (table, rows): (&TokenTable, usize),
    on: &ComputeDevice,
) -> Result<CacheSettings> {
    let mut settings = CacheSettings::new(&found.name, hooks.cached());
    settings.model_weights = fingerprint(&found.files.weights)?;
    settings.model_dtype = on.dtype_name().to_owned();
    settings.token_file = fingerprint([&args.tokens])?;
    settings.context_size = table.context_size();
    settings.rows = rows;
    settings.dtype = args.activation_dtype.map(Into::into).unwrap_or_default();
    let rows_of = |tokens: u64| {
        let tokens = usize::try_from(tokens).unwrap_or(usize::MAX);
        tokens / settings.context_size
    };
    let per_shard = args.shard_tokens.map_or_else(
        || {
            let batch = (TOKENS_AT_ONCE / settings.context_size).max(1);
            let rows = rows_of(SHARD_BYTES / settings.bytes_per_token());
            (rows / batch * batch).max(batch)
        },
        rows_of,
    );
    settings.rows_per_shard = per_shard.clamp(1, rows.max(1));
    let made = table.metadata();
    settings.dataset_path = made.and_then(|made| made.original_dataset.clone());
    settings.prepend_bos = match made {
        Some(made) => Some(made.begin_batch_token.is_some()),
        None => rows_begin_with_bos(&args.tokens, found),
    };
    if found.files.tokenizer.is_some() {
        let tokenizer = found.tokenizer()?;
        settings.special_tokens = Some(tokenizer.special().structural().into_iter().collect());
    }
    Ok(settings)
}

fn text(args: &Args, manifest: &Manifest, kept: usize, bytes: u64) -> String {
    let settings = &manifest.settings;
    let mut text = format!(
        "{} rows of {} tokens in {}: {} shards, {}\n",
        settings.rows,
        settings.context_size,
        args.out.display(),
        manifest.shards.len(),
        format_bytes(bytes)
    );
    if kept > 0 {
        text.push_str(&format!("  {kept} of the rows were there already\n"));
    }
    for (hook, precision) in settings.hooks.iter().zip(&manifest.precision) {
        text.push_str(&format!(
            "  {} [{}] {}, RMS {:.4}, error {:.3} % of it\n",
            hook.name,
            hook.width,
            settings.dtype,
            precision.rms,
            100.0 * precision.relative_error
        ));
    }
    text
}
