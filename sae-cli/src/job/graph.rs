//! `sae graph`: transcoders, tokens and memory.

use super::{plan, run};
use crate::args::Global;
use crate::args::files::FilesArgs;
use crate::args::graph::Args;
use crate::error::UsageError;
use anyhow::{Context, Error, Result};
use dataset_stream::Tokenizer;
use llama_hooked::{LlamaConfig, Placement};
use sae_attribution_graph::{
    AttributeOptions, PruneOptions, Transcoders, Work as GraphWork, check_slug, slug_of,
};
use sae_backend::ComputeDevice;
use sae_core::RunDir;
use sae_llama::plan::{Part, Plan, Work};
use sae_llama::resolve::RunPart;
use std::path::Path;

/// The names of the runs: each as it is given, or for every block where `{layer}` stands for its number.
pub(crate) fn names(given: &[String], n_layers: usize) -> Vec<String> {
    let named = |name: &String| -> Vec<String> {
        if !name.contains("{layer}") {
            return vec![name.clone()];
        }
        (0..n_layers)
            .map(|layer| name.replace("{layer}", &layer.to_string()))
            .collect()
    };
    given.iter().flat_map(named).collect()
}

/// The transcoders of all blocks; only their configurations are read.
pub(crate) fn transcoders(
    names: &[String],
    model: &LlamaConfig,
    quiet: bool,
) -> Result<Transcoders> {
    let found = names.iter().map(|name| {
        run::find(Path::new(name), &FilesArgs::default(), RunPart::All, quiet)
            .with_context(|| format!("--sae {name}"))
    });
    let runs: Vec<RunDir> = found.collect::<Result<_>>()?;
    Transcoders::from_runs(runs, model).context("--sae")
}

/// The ids of the prompt.
pub(crate) fn tokens(args: &Args, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    if !args.no_bos {
        let bos = tokenizer.bos().ok_or_else(|| {
            Error::msg(format!(
                "{}: names no BOS token; use --no-bos",
                tokenizer.path().display()
            ))
        })?;
        ids.push(bos);
    }
    tokenizer.encode_into(&args.prompt, &mut ids)?;
    Ok(ids)
}

/// What is to be found out.
pub(crate) fn options(args: &Args, tokenizer: &Tokenizer) -> Result<AttributeOptions> {
    let mut options = AttributeOptions::new();
    options.max_feature_nodes = Some(args.max_feature_nodes as usize);
    options.max_n_logits = args.logits as usize;
    options.desired_logit_prob = args.logit_probability;
    options.zero_positions = args.zero_positions as usize;
    if !args.target.is_empty() {
        let id = |text: &String| {
            let id = tokenizer.single_token(text);
            id.with_context(|| format!("--target {text:?}"))
        };
        options.targets = Some(args.target.iter().map(id).collect::<Result<_>>()?);
    }
    Ok(options)
}

/// What is to be kept.
pub(crate) fn pruning(args: &Args) -> PruneOptions {
    let mut options = PruneOptions::new();
    (options.node_threshold, options.edge_threshold) = (args.node_threshold, args.edge_threshold);
    options
}

/// The graph's name: as it is given, or made of the prompt.
pub(crate) fn slug(args: &Args) -> Result<String> {
    let Some(slug) = &args.slug else {
        return Ok(slug_of(&args.prompt));
    };
    check_slug(slug).map_err(|problem| UsageError(format!("--slug {slug:?}: {problem}")))?;
    Ok(slug.clone())
}

/// The memory plan, and what it leaves to the graph; `None` if printing it was all that was asked for.
pub(crate) fn settle(
    transcoders: &Transcoders,
    (config, tokens): (&LlamaConfig, usize),
    options: &AttributeOptions,
    args: &Args,
    (on, global): (&ComputeDevice, &Global),
) -> Result<Option<(Plan, u64)>> {
    let expected = transcoders.expected_l0();
    let graph = GraphWork::of(config, transcoders, tokens, options).expect_active(expected);
    let params = transcoders.most_params()?;
    let size = on.bytes_per_number();
    let planned = |streamed: bool, memory: &crate::args::memory::MemoryArgs| {
        let demand = graph.demand(params, streamed.then_some(size));
        let mut work = Work::new(config, on, tokens);
        (work.rows, work.logit_bytes) = (Some(1), 0);
        let parts = demand.parts.iter();
        work.besides = parts.map(|&(name, bytes)| Part::new(name, bytes)).collect();
        (work.plan(&plan::limit(memory, on), streamed), work)
    };
    let mut memory = args.memory.clone();
    let resident = planned(memory.stream_layers, &memory).0;
    let streams =
        memory.stream_layers || resident.map_or(true, |plan| plan.placement == Placement::Streamed);
    let work = planned(streams, &memory).1;
    memory.stream_layers = streams;
    tracing::info!(
        "{expected:.0} features are expected on a token in each block; {:.1e} operations",
        graph.demand(params, None).flops as f64
    );
    let settled = plan::settle(&work, &memory, on, global).map_err(|error| {
        let text = error.to_string().replace(
            "a smaller --context-size, a smaller SAE",
            "a shorter prompt, fewer --max-feature-nodes",
        );
        Error::msg(text)
    })?;
    let Some(plan) = settled else {
        return Ok(None);
    };
    if streams && !args.memory.stream_layers {
        tracing::warn!(
            "the model's weights do not fit beside the graph: they are streamed from their files, block by block"
        );
    }
    let of_graph: u64 = work.besides.iter().map(|part| part.bytes).sum();
    let rest = plan.limit_bytes - (plan.total_bytes - of_graph);
    Ok(Some((plan, rest)))
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_pattern_stands_for_every_block() {
        let given = ["a/{layer}/b{layer}", "c"].map(str::to_owned);
        assert_eq!(names(&given, 2), ["a/0/b0", "a/1/b1", "c"]);
    }
}
