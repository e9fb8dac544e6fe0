//! The SAEs that a call trains: each hook with each combination of settings.

use super::config::combinations;
use crate::args::train::Args;
use crate::error::UsageError;
use anyhow::{Context, Result, bail, ensure};
use llama_hooked::LlamaConfig;
use sae_backend::ComputeDevice;
use sae_core::SaeMetadata;
use sae_llama::train::{HookRead, TrainHooks};
use sae_train::{DeviceOptions, RunConfig, Shape, TrainOptions, Trainer, TrainingRun};
use serde_json::{Value, json};

/// An SAE that is to be trained.
pub(crate) struct Planned {
    /// The name of its folder; `sae` where there is one only.
    pub(crate) name: String,
    pub(crate) config: RunConfig,
    pub(crate) shape: Shape,
    input: usize,
    target: Option<usize>,
}

/// A hook's name, and the one head that is taken of it.
pub(crate) type NamedRead = (String, Option<usize>);

/// The hooks of a model.
pub(crate) fn model_hooks(reads: &[NamedRead], model: &LlamaConfig) -> Result<TrainHooks> {
    let parse = |(name, head): &NamedRead| -> Result<HookRead> {
        let point = name.parse().with_context(|| format!("--hook {name}"))?;
        Ok(HookRead::new(point).with_head(*head))
    };
    let reads = reads.iter().map(parse).collect::<Result<Vec<_>>>()?;
    Ok(TrainHooks::new(model, &reads)?)
}

/// Every SAE. `widths` says what is at the hooks that they read.
pub(crate) fn planned(
    args: &Args,
    config: &RunConfig,
    widths: impl FnOnce(&[NamedRead]) -> Result<Vec<usize>>,
) -> Result<Vec<Planned>> {
    let named: Vec<String> = if args.hook.len() > 1 {
        args.hook.clone()
    } else {
        config.hook_name.iter().cloned().collect()
    };
    let names = named.iter().chain(&config.hook_name_out);
    let reads: Vec<NamedRead> = names
        .map(|name| (name.clone(), config.hook_head_index))
        .collect();
    let widths = widths(&reads)?;
    let target = config.hook_name_out.as_ref().map(|_| reads.len() - 1);
    let mut all = Vec::new();
    for (input, hook) in named.iter().enumerate() {
        for (name, mut config) in combinations(args, config)? {
            config.hook_name = Some(hook.clone());
            let width = widths[input];
            let d_out = target.map_or(width, |hook| widths[hook]);
            let shape = sized(args, &mut config, width, d_out)?;
            let name = match (named.len() > 1, name.is_empty()) {
                (false, true) => "sae".to_owned(),
                (false, false) => name,
                (true, true) => hook.clone(),
                (true, false) => format!("{hook},{name}"),
            };
            config
                .options
                .check()
                .map_err(|error| UsageError(error.to_string()))?;
            all.push(Planned {
                name,
                config,
                shape,
                input,
                target,
            });
        }
    }
    let mut names: Vec<&str> = all.iter().map(|run| run.name.as_str()).collect();
    names.sort_unstable();
    if let Some([twice, _]) = names.array_windows().find(|[a, b]| a == b) {
        bail!(UsageError(format!("--sweep: {twice} comes twice")));
    }
    for name in names {
        ensure!(
            !name.contains(['/', '\\']) && !name.starts_with('.'),
            "--sweep: {name} cannot be the name of a folder"
        );
    }
    Ok(all)
}

/// Sets the number of features, and checks the widths that a file has named.
fn sized(args: &Args, config: &mut RunConfig, d_in: usize, d_out: usize) -> Result<Shape> {
    if let Some(factor) = args.settings.expansion_factor() {
        let parsed = factor.parse::<f64>().ok().filter(|factor| *factor > 0.0);
        let factor = parsed.ok_or_else(|| {
            UsageError(format!(
                "--expansion-factor {factor}: expected a number above 0"
            ))
        })?;
        config.options.d_sae = (factor * d_in as f64).round() as usize;
    }
    let hook = config.hook_name.clone().unwrap_or_default();
    for (key, given, is) in [("d_in", config.d_in, d_in), ("d_out", config.d_out, d_out)] {
        ensure!(
            given.is_none_or(|given| given == is),
            "{key} is {} in the settings, and {hook} of this model has {is}",
            given.unwrap_or_default()
        );
    }
    if config.options.d_sae == 0 {
        bail!(UsageError(
            "how many features? give --d-sae N or --expansion-factor N".to_owned()
        ));
    }
    (config.d_in, config.d_out) = (Some(d_in), (d_out != d_in).then_some(d_out));
    Ok(Shape::new(&config.options, d_in, d_out))
}

impl Planned {
    pub(crate) fn options(&self) -> &TrainOptions {
        &self.config.options
    }

    /// What the run depends on beside model and data, by the words of a message.
    pub(crate) fn made_from(&self) -> Result<Value> {
        let mut all = serde_json::to_value(self.options())?;
        let config = &self.config;
        let own = json!({
            "hook_name": config.hook_name,
            "hook_name_out": config.hook_name_out,
            "hook_head_index": config.hook_head_index,
            "d_in": self.shape.d_in,
            "d_out": self.shape.d_out,
            "autocast": config.autocast == Some(true),
            "seqpos_slice": config.seqpos_slice.map(|slice| format!("{slice:?}")),
            "exclude_special_tokens": config.exclude_special_tokens.as_ref().map(|tokens| format!("{tokens:?}")),
        });
        if let (Value::Object(all), Value::Object(own)) = (&mut all, own) {
            all.extend(own);
        }
        Ok(all)
    }

    /// On a device other than the CPU: weights in f32, products in bf16 where the settings ask for autocast.
    fn device_options(&self, on: &ComputeDevice) -> DeviceOptions {
        let mut options = DeviceOptions::new(&on.device);
        if self.config.autocast == Some(true) {
            options.product_dtype = sae_backend::Dtype::Bf16.into();
        }
        options
    }

    /// The run, before its first step.
    pub(crate) fn start(
        &self,
        on: &ComputeDevice,
        context_size: usize,
        dataset: Option<&str>,
    ) -> Result<TrainingRun> {
        let Shape { d_in, d_out, .. } = self.shape;
        let trainer = if on.is_cpu() {
            Trainer::new(self.options(), d_in, d_out)?
        } else {
            Trainer::on_device(self.options(), d_in, d_out, &self.device_options(on))?
        };
        let mut run = TrainingRun::new(&self.name, trainer);
        (run.input, run.target) = (self.input, self.target);
        let mut metadata = SaeMetadata::default();
        metadata.hook_name.clone_from(&self.config.hook_name);
        metadata
            .hook_name_out
            .clone_from(&self.config.hook_name_out);
        metadata.hook_head_index = self.config.hook_head_index;
        metadata.model_name.clone_from(&self.config.model_name);
        metadata.dataset_path = dataset.map(str::to_owned);
        metadata.context_size = Some(context_size);
        metadata.prepend_bos = Some(self.config.prepend_bos.unwrap_or(true));
        run.metadata = metadata;
        Ok(run)
    }
}
