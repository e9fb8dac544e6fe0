//! Where a model's large weights are while it runs.

use super::attention::Attention;
use super::block::Block;
use super::linear::Linear;
use super::mlp::Mlp;
use super::rms_norm::RmsNorm;
use crate::config::LlamaConfig;
use crate::weights::{StreamedWeights, TensorSource};
use burn::tensor::{Int, Tensor};
use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;

/// The weights but for the final norm's.
#[derive(Debug, Clone)]
pub(super) enum Weights {
    /// All on the device.
    Resident {
        /// `[vocab, d]`.
        embedding: Tensor<2>,
        blocks: Vec<Block>,
        unembedding: Linear,
    },
    /// In their files; one block at a time is on the device.
    Streamed {
        files: Arc<StreamedWeights>,
        /// On the device all the same, where pieces of it would have to travel again for every few tokens.
        unembedding: Option<Linear>,
    },
}

impl Weights {
    /// `[n]` ids → `[n, d]`.
    pub(super) fn embed(&self, tokens: Tensor<1, Int>) -> Tensor<2> {
        match self {
            Self::Resident { embedding, .. } => embedding.clone().select(0, tokens),
            Self::Streamed { files, .. } => files.embed(tokens),
        }
    }

    /// Calls `f` with each of the blocks, in order.
    pub(super) fn for_each_block(
        &self,
        config: &LlamaConfig,
        layers: Range<usize>,
        mut f: impl FnMut(usize, &Block),
    ) {
        match self {
            Self::Resident { blocks, .. } => {
                for layer in layers {
                    f(layer, &blocks[layer]);
                }
            }
            Self::Streamed { files, .. } => {
                files.for_each_block(config, layers, |layer, source| {
                    let Ok::<_, Infallible>(block) = block(config, layer, source);
                    f(layer, &block);
                });
            }
        }
    }

    /// The rows of the unembedding for a range of the vocabulary.
    pub(super) fn unembedding(&self, entries: Range<usize>) -> Linear {
        match self {
            Self::Resident { unembedding, .. }
            | Self::Streamed {
                unembedding: Some(unembedding),
                ..
            } => unembedding.outputs(entries),
            Self::Streamed { files, .. } => Linear::new(files.unembedding(entries)),
        }
    }
}

/// The weights of one block, in a fixed order.
pub(super) fn block<S: TensorSource>(
    config: &LlamaConfig,
    layer: usize,
    source: &mut S,
) -> Result<Block, S::Error> {
    let &LlamaConfig {
        d_model: d,
        d_mlp,
        n_heads,
        n_kv_heads,
        d_head,
        rms_norm_eps: eps,
        ..
    } = config;
    let mut linear = |name: &str, n_out, n_in| {
        source
            .matrix(
                &format!("model.layers.{layer}.{name}.weight"),
                [n_out, n_in],
            )
            .map(Linear::new)
    };
    let attention = Attention {
        q: linear("self_attn.q_proj", n_heads * d_head, d)?,
        k: linear("self_attn.k_proj", n_kv_heads * d_head, d)?,
        v: linear("self_attn.v_proj", n_kv_heads * d_head, d)?,
        o: linear("self_attn.o_proj", d, n_heads * d_head)?,
        n_heads,
        n_kv_heads,
    };
    let mlp = Mlp {
        gate: linear("mlp.gate_proj", d_mlp, d)?,
        up: linear("mlp.up_proj", d_mlp, d)?,
        down: linear("mlp.down_proj", d, d_mlp)?,
    };
    let mut norm = |name: &str| {
        source
            .vector(&format!("model.layers.{layer}.{name}.weight"), d)
            .map(|weight| RmsNorm::new(weight, eps))
    };
    let (ln1, ln2) = (norm("input_layernorm")?, norm("post_attention_layernorm")?);
    Ok(Block {
        ln1,
        attention,
        ln2,
        mlp,
    })
}
