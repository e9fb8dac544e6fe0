//! How much memory training takes, before it begins.

use super::{Expected, Planned};
use crate::job::plan;
use llama_hooked::{LlamaConfig, Placement};
use sae_backend::ComputeDevice;
use sae_llama::plan::{Part, Work, logit_bytes};
use sae_llama::train::TrainHooks;
use sae_train::{RunConfig, memory};

/// Weights of a model below which it is kept whole for evaluations, rather than streamed.
const SMALL: u64 = 1 << 30;

/// Where a whole model is while an SAE trains: streamed from its files if it is large, as training needs a part of it only.
pub(crate) fn whole_model(config: &LlamaConfig, on: &ComputeDevice) -> Placement {
    if config.memory(on.dtype).weights < SMALL {
        Placement::Resident
    } else {
        Placement::Streamed
    }
}

/// Whether training and evaluation run one model.
pub(crate) fn shares(config: &LlamaConfig, evaluates: bool, on: &ComputeDevice) -> bool {
    evaluates && whole_model(config, on) == Placement::Resident
}

/// Every use of memory.
pub(crate) fn work(
    config: &RunConfig,
    runs: &[Planned],
    hooks: &TrainHooks,
    model: &LlamaConfig,
    data: &Expected,
    (at_once, buffer_tokens): (usize, usize),
    on: &ComputeDevice,
) -> Work {
    let context_size = data.context_size;
    let shared = shares(model, data.evaluates, on);
    let runs_on = if shared {
        model.clone()
    } else {
        plan::below(model, hooks.layers())
    };
    let mut work = Work::new(&runs_on, on, context_size);
    work.batch_size = Some(at_once);
    work.logit_bytes = 0;
    let width: usize = hooks.widths().iter().sum();
    work.kept_per_row = (2 * context_size * width * 4) as u64;
    work.besides = training_memory(config, runs, width, buffer_tokens, at_once * context_size);
    if data.evaluates {
        let own = (!shared).then_some(model);
        work.besides.push(evaluation_memory(runs, own, on));
    }
    work
}

/// What training takes besides the model.
pub(crate) fn training_memory(
    config: &RunConfig,
    runs: &[Planned],
    width: usize,
    buffer_tokens: usize,
    incoming_tokens: usize,
) -> Vec<Part> {
    let batch = config.options.train_batch_size_tokens;
    let buffer = memory::of_buffer(width, buffer_tokens, batch, incoming_tokens);
    let saes: Vec<_> = runs
        .iter()
        .map(|run| memory::of_run(run.options(), run.shape))
        .collect();
    vec![
        Part::new("buffer", buffer),
        Part::new("training", saes.iter().map(|sae| sae.state).sum()),
        // One run after the other.
        Part::new("a step", saes.iter().map(|sae| sae.step).sum()),
    ]
}

/// What evaluation takes besides training, with a model of its own if it has one.
pub(crate) fn evaluation_memory(
    runs: &[Planned],
    model: Option<&LlamaConfig>,
    on: &ComputeDevice,
) -> Part {
    let weights = model.map_or(0, |model| {
        let memory = model.memory(on.dtype);
        match whole_model(model, on) {
            Placement::Resident => memory.weights,
            Placement::Streamed => 2 * memory.block,
        }
    });
    let sae = runs
        .iter()
        .map(|run| run.shape.n_params(run.options().architecture) as u64 * 4)
        .max();
    Part::new(
        "evaluation",
        weights + logit_bytes(on.is_cpu()) + sae.unwrap_or(0),
    )
}
