//! The tensors of the architecture, and those that files hold besides.

use super::LlamaLoadError;
use super::files::WeightFiles;
use crate::config::LlamaConfig;
use std::collections::HashSet;

pub(super) const EMBEDDING: &str = "model.embed_tokens.weight";
pub(super) const UNEMBEDDING: &str = "lm_head.weight";
/// Before the number of a block.
const BLOCK: &str = "model.layers.";
/// Names that a warning lists.
const LISTED: usize = 4;

/// Checks that the files hold the tensors of the architecture. Others are ignored, with a warning, where a model without them is still
/// the same model, and refused within a block, where they would change what it computes.
pub(super) fn check(config: &LlamaConfig, weights: &WeightFiles) -> Result<(), LlamaLoadError> {
    let expected = expected_tensors(config);
    for (name, shape) in &expected {
        weights.check(name, shape)?;
    }
    let known: HashSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    let (mut unused, mut beyond) = (Vec::new(), 0);
    for (name, path, found) in weights.iter() {
        if known.contains(name) || is_redundant(name, config) {
            continue;
        }
        match block_of(name) {
            Some(layer) if layer >= config.n_layers => beyond = beyond.max(layer + 1),
            Some(_) if !found.contains(&0) => {
                let hint = if name.rsplit('.').next() == Some("bias") {
                    "; biases are not supported"
                } else {
                    ""
                };
                return Err(LlamaLoadError::Extra {
                    path: path.to_owned(),
                    name: name.to_owned(),
                    found: found.to_vec(),
                    hint,
                });
            }
            _ => unused.push(name),
        }
    }
    if weights.lacked_prefix() {
        tracing::warn!(
            "the names of the weights lack the prefix \"model.\": they are read as those of the model without a head"
        );
    }
    if beyond > 0 {
        tracing::warn!(
            "the files hold {beyond} blocks, config.json says {}: the blocks above are left out",
            config.n_layers
        );
    }
    if !unused.is_empty() {
        tracing::warn!(
            "the files hold tensors that a Llama does not have, which are left out: {}",
            listed(&unused)
        );
    }
    Ok(())
}

/// The first of these names, and how many more there are.
fn listed(names: &[&str]) -> String {
    let shown = names[..names.len().min(LISTED)].join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The block that a tensor belongs to by its name.
fn block_of(name: &str) -> Option<usize> {
    let (layer, _) = name.strip_prefix(BLOCK)?.split_once('.')?;
    layer.parse().ok()
}

/// Tensors that old exports carry and nothing needs: RoPE's frequencies, and an unembedding that is the embedding.
fn is_redundant(name: &str, config: &LlamaConfig) -> bool {
    name.ends_with(".rotary_emb.inv_freq") || (name == UNEMBEDDING && config.tie_word_embeddings)
}

/// The tensors of the architecture and their shapes.
fn expected_tensors(config: &LlamaConfig) -> Vec<(String, Vec<usize>)> {
    let (vocab_size, d) = (config.vocab_size, config.d_model);
    let blocks = (0..config.n_layers).flat_map(|layer| block_tensors(config, layer));
    let mut expected = vec![(EMBEDDING.to_owned(), vec![vocab_size, d])];
    expected.extend(blocks);
    expected.push(("model.norm.weight".to_owned(), vec![d]));
    if !config.tie_word_embeddings {
        expected.push((UNEMBEDDING.to_owned(), vec![vocab_size, d]));
    }
    expected
}

/// The tensors of one block and their shapes.
pub(super) fn block_tensors(
    config: &LlamaConfig,
    layer: usize,
) -> impl Iterator<Item = (String, Vec<usize>)> {
    let LlamaConfig {
        d_model: d,
        d_mlp,
        n_heads,
        n_kv_heads,
        d_head,
        ..
    } = *config;
    let (q, kv) = (n_heads * d_head, n_kv_heads * d_head);
    let tensors = [
        ("self_attn.q_proj", vec![q, d]),
        ("self_attn.k_proj", vec![kv, d]),
        ("self_attn.v_proj", vec![kv, d]),
        ("self_attn.o_proj", vec![d, q]),
        ("mlp.gate_proj", vec![d_mlp, d]),
        ("mlp.up_proj", vec![d_mlp, d]),
        ("mlp.down_proj", vec![d, d_mlp]),
        ("input_layernorm", vec![d]),
        ("post_attention_layernorm", vec![d]),
    ];
    tensors
        .into_iter()
        .map(move |(name, shape)| (format!("model.layers.{layer}.{name}.weight"), shape))
}
