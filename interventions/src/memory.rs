//! How much memory the work takes, before it is done.

use crate::{AttributeOptions, Method, PlacedSae, Prompts, Site};
use burn::tensor::FloatDType;
use llama_hooked::{HookPoint, LlamaConfig};
use sae_llama::plan::Part;

/// Bytes of what the lens keeps of a prompt of so many tokens: the activations at its points.
pub fn lens_bytes(
    model: &LlamaConfig,
    dtype: FloatDType,
    n_tokens: usize,
    points: Option<&[HookPoint]>,
) -> u64 {
    let n = points.map_or(model.n_layers + 1, <[HookPoint]>::len) as u64;
    n * n_tokens as u64 * model.memory(dtype).residual_per_token
}

/// Variants of a prompt that patching makes at a time: positions, heads or features.
pub fn patch_rows(
    model: &LlamaConfig,
    site: Option<Site>,
    n_tokens: usize,
    features: usize,
) -> usize {
    match site {
        Some(Site::Head) => model.n_heads,
        Some(_) => n_tokens,
        None => features,
    }
}

/// What patching keeps: of both prompts, the residual stream entering each block, and the activations that are patched. Of features (no site), one
/// recorded run besides.
pub fn patch_bytes(
    model: &LlamaConfig,
    dtype: FloatDType,
    site: Option<Site>,
    n_tokens: usize,
) -> Part {
    let per_layer = match site {
        Some(Site::Head) => model.n_heads * model.d_head,
        Some(Site::Mlp) => 2 * model.d_model,
        Some(_) => model.d_model,
        None => 0,
    };
    let recorded = match site {
        None => recorded(model, n_tokens),
        Some(_) => 0,
    };
    Part::new(
        "both prompts",
        2 * trunk(model, dtype, n_tokens, per_layer) + recorded,
    )
}

/// Tokens that are recorded for a gradient at a time: more are no faster on the CPU, and what is recorded of them takes memory.
const RECORDED_TOKENS: usize = 512;

/// Prompts of so many tokens that attribution lets through the layers at a time.
pub fn attribute_rows(model: &LlamaConfig, options: &AttributeOptions, n_tokens: usize) -> usize {
    match options.method {
        Method::Integrated(steps) => steps.min(RECORDED_TOKENS.div_ceil(n_tokens.max(1))),
        Method::Ablate if options.components => options.most.max(model.n_heads) + 1,
        Method::Ablate => options.most + 1,
        _ => 1,
    }
}

/// What attribution keeps: of each prompt the residual stream entering each block, and what heads and MLPs write; and, of each prompt that goes
/// through the layers at a time, what is recorded for its gradient.
pub fn attribute_bytes(
    model: &LlamaConfig,
    dtype: FloatDType,
    prompts: &Prompts,
    options: &AttributeOptions,
) -> (Part, u64) {
    let n_tokens = prompts.clean.len();
    let per_layer = if options.components {
        model.n_heads * model.d_head + 2 * model.d_model
    } else {
        0
    };
    let n = 1 + u64::from(prompts.corrupted.is_some());
    let kept = n * trunk(model, dtype, n_tokens, per_layer);
    let recorded = match options.method {
        Method::Direct => 0,
        _ => recorded(model, n_tokens),
    };
    (Part::new("prompts", kept), recorded)
}

/// What attribution of one prompt to one SAE by one gradient keeps, without heads and MLPs: the residual stream entering each block, and what is
/// recorded of the blocks from the one on that the SAE writes in.
pub fn gradient_bytes(
    model: &LlamaConfig,
    dtype: FloatDType,
    sae: &PlacedSae,
    n_tokens: usize,
) -> u64 {
    let first = sae.write().layer().unwrap_or(0);
    let above = model.n_layers.saturating_sub(first) as u64;
    let recorded = above * n_tokens as u64 * recorded_per_token(model, n_tokens);
    trunk(model, dtype, n_tokens, 2 * model.d_model) + recorded
}

/// Bytes that a token takes in a block while its work is recorded for a gradient: some twelve of its residual streams and eight of the MLP's
/// activations, and the attention's patterns a few times, in f32.
pub fn recorded_per_token(model: &LlamaConfig, n_tokens: usize) -> u64 {
    let [d, m, heads, p] = [model.d_model, model.d_mlp, model.n_heads, n_tokens].map(|n| n as u64);
    4 * (12 * d + 8 * m + 6 * heads * p)
}

fn recorded(model: &LlamaConfig, n_tokens: usize) -> u64 {
    (model.n_layers * n_tokens) as u64 * recorded_per_token(model, n_tokens)
}

/// A prompt that has been run: the residual stream entering each block and leaving the last, and so many numbers more in each block.
fn trunk(model: &LlamaConfig, dtype: FloatDType, n_tokens: usize, per_layer: usize) -> u64 {
    let residual = model.memory(dtype).residual_per_token;
    let size = residual / model.d_model.max(1) as u64;
    let layers = model.n_layers as u64;
    n_tokens as u64 * ((layers + 1) * residual + layers * size * per_layer as u64)
}
