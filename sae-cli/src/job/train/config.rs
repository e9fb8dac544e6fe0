//! The settings: a file, then the options beside it.

use crate::args::settings::set_swept;
use crate::args::train::Args;
use crate::error::UsageError;
use activation_cache::CacheSettings;
use anyhow::{Result, bail};
use sae_train::RunConfig;

/// The settings of the call. What cached activations are of is what they say themselves.
pub(crate) fn settle(args: &Args, cache: Option<&CacheSettings>) -> Result<RunConfig> {
    let mut config = match &args.config {
        Some(path) => {
            let (config, warnings) = RunConfig::read(path)?;
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            config
        }
        None => RunConfig::default(),
    };
    args.settings.put_into(&mut config)?;
    if let Some(model) = &args.model {
        config.model_name = Some(model.clone());
    }
    if let Some(dataset) = &args.dataset {
        config.dataset_path = Some(dataset.clone());
    }
    if args.tokens.is_some() {
        config.dataset_path = None;
    }
    match args.hook.as_slice() {
        [] => {}
        [hook, ..] => config.hook_name = Some(hook.clone()),
    }
    if let Some(hook) = &args.hook_out {
        config.hook_name_out = Some(hook.clone());
    }
    if let Some(context_size) = args.context_size {
        config.context_size = Some(context_size);
    }
    if let Some(cache) = cache {
        put_cached(&mut config, cache);
        if let Some(model) = &args.model {
            config.model_name = Some(model.clone());
        }
    }
    check(args, &config, cache)?;
    Ok(config)
}

fn put_cached(config: &mut RunConfig, cache: &CacheSettings) {
    config.model_name = Some(cache.model_name.clone());
    config.dataset_path.clone_from(&cache.dataset_path);
    config.context_size = Some(cache.context_size);
    config.prepend_bos = cache.prepend_bos.or(config.prepend_bos);
    if let ([only], None) = (cache.hooks.as_slice(), &config.hook_name) {
        config.hook_name = Some(only.name.clone());
    }
}

fn check(args: &Args, config: &RunConfig, cache: Option<&CacheSettings>) -> Result<()> {
    let architecture = config.options.architecture;
    let missing = |what: &str| UsageError(what.to_owned());
    if let Some(cache) = cache.filter(|_| config.hook_name.is_none()) {
        let names = cache.hooks.iter().map(|hook| hook.name.as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        bail!(UsageError(format!(
            "at which of the cached hooks? give --hook NAME: {names}"
        )));
    }
    if config.hook_name.is_none() {
        bail!(missing(
            "where is the SAE to be trained? give --hook NAME, such as --hook blocks.8.hook_resid_pre"
        ));
    }
    if config.model_name.is_none() {
        bail!(missing("on which model? give --model DIR or a Hub id"));
    }
    if cache.is_none() && args.tokens.is_none() && config.dataset_path.is_none() {
        bail!(missing(
            "on which text? give --dataset SRC, or rows of token ids by --tokens FILE"
        ));
    }
    if args.tokens.is_some() || cache.is_some() {
        args.text.none_but_shard()?;
    }
    if args.text.0.shard.is_some() {
        bail!(missing(
            "--shard: a run is trained in one place; leave it out"
        ));
    }
    match (architecture.is_transcoder(), &config.hook_name_out) {
        (true, None) => bail!(UsageError(format!(
            "{architecture} reads at one hook and writes at another: give --hook-out NAME"
        ))),
        (false, Some(_)) => bail!(UsageError(format!(
            "--hook-out is for transcoders; {architecture} writes where it reads: leave it out, or give --architecture transcoder"
        ))),
        _ => {}
    }
    if args.hook.len() > 1 && architecture.is_transcoder() {
        bail!(missing(
            "several --hook: a transcoder has one hook to read and one to write"
        ));
    }
    let swept = |sweep: &String| sweep.starts_with("architecture=");
    if !args.sweep.iter().any(swept) {
        ignored(config);
    }
    Ok(())
}

/// Settings that were given and that the architecture does not have.
fn ignored(config: &RunConfig) {
    let architecture = config.options.architecture;
    let of_some = |key: &&String| {
        let own = architecture.keys().contains(&key.as_str());
        let some = sae_train::TrainArchitecture::ALL
            .iter()
            .any(|a| a.keys().contains(&key.as_str()));
        some && !own
    };
    for key in config.given.iter().filter(of_some) {
        tracing::warn!("{key} has no effect: {architecture} does not have it");
    }
}

/// One combination of `--sweep`: its name, and its settings.
pub(super) type Combination = (String, RunConfig);

/// Every combination of the values of `--sweep`.
pub(super) fn combinations(args: &Args, config: &RunConfig) -> Result<Vec<Combination>> {
    let mut all = vec![(String::new(), config.clone())];
    for sweep in &args.sweep {
        let Some((key, values)) = sweep.split_once('=') else {
            bail!(UsageError(format!(
                "--sweep {sweep}: expected KEY=A,B,C, such as --sweep l1_coefficient=1,2.5,5"
            )));
        };
        let key = key.replace('-', "_");
        if key == "train_batch_size_tokens" || RunConfig::is_of_run(&key) {
            bail!(UsageError(format!(
                "--sweep {key}: all runs share model, data and batches; train them one after the other"
            )));
        }
        let mut next = Vec::new();
        for (name, config) in &all {
            for value in values.split(',').map(str::trim) {
                let mut config = config.clone();
                let transcoder = config.options.architecture.is_transcoder();
                set_swept(&mut config, &key, value)?;
                if config.options.architecture.is_transcoder() != transcoder {
                    bail!(UsageError(format!(
                        "--sweep {key}: an SAE and a transcoder do not share their hooks; train them one after the other"
                    )));
                }
                let part = format!("{key}={value}");
                let name = if name.is_empty() {
                    part
                } else {
                    format!("{name},{part}")
                };
                next.push((name, config));
            }
        }
        all = next;
    }
    Ok(all)
}
