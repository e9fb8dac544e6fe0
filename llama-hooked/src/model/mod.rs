//! The model.

mod attention;
mod block;
mod explicit_attention;
mod forward;
mod linear;
mod mlp;
mod rms_norm;
mod rotary;

pub use forward::{ForwardError, ForwardOptions, Input, Output, OutputKind};

use crate::config::LlamaConfig;
use crate::hook::{Fire, Hook, HookPoint};
use crate::weights::TensorSource;
use attention::Attention;
use block::Block;
use burn::tensor::{Device, FloatDType, Int, Tensor};
use fused_ops::softmax::cross_entropy;
use linear::Linear;
use mlp::Mlp;
use rms_norm::RmsNorm;
use rotary::Rotary;
use std::ops::Range;

/// Bytes of f32 logits that exist at a time: enough for a fast product, and not so much that the allocator hands every piece back to
/// the system.
const LOGITS_BYTES: usize = 24 << 20;

/// A Llama-architecture language model with hook points.
///
/// The forward pass is given in parts ([`embed`](Self::embed), [`blocks`](Self::blocks), [`ln_final`](Self::ln_final),
/// [`unembed`](Self::unembed) or [`loss_per_token`](Self::loss_per_token)) for callers that run some layers once and others
/// several times, and as a whole in [`forward`](Self::forward), which also checks its input. Cloning shares the weights.
///
/// In bf16 and f16, norms, softmax and rotary embedding are in f32, logits in the model's dtype, losses in f32.
#[derive(Debug, Clone)]
pub struct Llama {
    config: LlamaConfig,
    dtype: FloatDType,
    /// `[vocab, d]`.
    embedding: Tensor<2>,
    blocks: Vec<Block>,
    ln_final: RmsNorm,
    unembedding: Linear,
}

impl Llama {
    /// Takes every weight of the architecture from `source`, in a fixed order.
    pub(crate) fn assemble<S: TensorSource>(
        config: LlamaConfig,
        dtype: FloatDType,
        source: &mut S,
    ) -> Result<Self, S::Error> {
        let LlamaConfig {
            vocab_size,
            d_model: d,
            d_mlp,
            n_heads,
            n_kv_heads,
            d_head,
            rms_norm_eps: eps,
            ..
        } = config;
        let embedding = source.matrix("model.embed_tokens.weight", [vocab_size, d])?;
        let mut blocks = Vec::with_capacity(config.n_layers);
        for layer in 0..config.n_layers {
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
            blocks.push(Block {
                ln1,
                attention,
                ln2,
                mlp,
            });
        }
        let ln_final = RmsNorm::new(source.vector("model.norm.weight", d)?, eps);
        let unembedding = if config.tie_word_embeddings {
            embedding.clone()
        } else {
            source.matrix("lm_head.weight", [vocab_size, d])?
        };
        Ok(Self {
            config,
            dtype,
            embedding,
            blocks,
            ln_final,
            unembedding: Linear::new(unembedding),
        })
    }

    /// The model's dimensions and constants.
    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    /// Where the weights are, and inputs must be.
    pub fn device(&self) -> Device {
        self.embedding.device()
    }

    /// The dtype of the weights, the residual stream and the logits.
    pub fn dtype(&self) -> FloatDType {
        self.dtype
    }

    /// The embeddings of the tokens. Fires `hook_embed`.
    ///
    /// # Shapes
    /// `tokens`: `[b, p]` → `[b, p, d_model]`.
    ///
    /// # Panics
    /// If an id is not below the vocabulary's size; on a GPU this may be reported late.
    pub fn embed<H: Hook + ?Sized>(&self, tokens: Tensor<2, Int>, hooks: &mut H) -> Tensor<3> {
        let [b, p] = tokens.dims();
        let embedded = self.embedding.clone().select(0, tokens.reshape([b * p]));
        hooks.fire(
            HookPoint::Embed,
            embedded.reshape([b, p, self.config.d_model]),
        )
    }

    /// Runs the given blocks on the residual stream that enters the first of them; no other block runs.
    ///
    /// # Shapes
    /// `resid`: `[b, p, d_model]`, cast to the model's dtype → the same. Positions count from 0.
    ///
    /// # Panics
    /// If the range ends beyond the last block.
    pub fn blocks<H: Hook + ?Sized>(
        &self,
        resid: Tensor<3>,
        layers: Range<usize>,
        hooks: &mut H,
    ) -> Tensor<3> {
        if layers.is_empty() {
            return resid;
        }
        let resid = resid.cast(self.dtype);
        let rotary = Rotary::new(&self.config, resid.dims()[1], &resid.device());
        layers.fold(resid, |resid, layer| {
            self.blocks[layer].forward(layer, resid, &rotary, hooks)
        })
    }

    /// The final norm. Fires `ln_final.hook_scale` and `ln_final.hook_normalized`.
    ///
    /// # Shapes
    /// `resid`: `[b, p, d_model]`, cast to the model's dtype → the same.
    pub fn ln_final<H: Hook + ?Sized>(&self, resid: Tensor<3>, hooks: &mut H) -> Tensor<3> {
        self.ln_final.forward(
            resid.cast(self.dtype),
            HookPoint::LnFinalScale,
            HookPoint::LnFinalNormalized,
            hooks,
        )
    }

    /// Logits, in the model's dtype, of outputs of the final norm; each row on its own.
    ///
    /// # Shapes
    /// `[.., d_model]`, cast to the model's dtype → `[.., vocab_size]`.
    pub fn unembed<const D: usize>(&self, normed: Tensor<D>) -> Tensor<D> {
        self.unembedding.forward(normed.cast(self.dtype))
    }

    /// As [`unembed`](Self::unembed), for a range of the vocabulary.
    ///
    /// # Shapes
    /// `[n, d_model]`, cast to the model's dtype → `[n, entries.len()]`.
    ///
    /// # Panics
    /// If the range ends beyond the vocabulary.
    pub fn unembed_entries(&self, normed: Tensor<2>, entries: Range<usize>) -> Tensor<2> {
        self.unembedding
            .outputs(entries)
            .forward(normed.cast(self.dtype))
    }

    /// Cross-entropy −log softmax(logits)\[next token\] at each position but the last, in nats, f32.
    ///
    /// Logits exist for a piece of the tokens and the vocabulary at a time, some 24 MiB of them in f32.
    ///
    /// # Shapes
    /// `normed`: `[b, p, d_model]`, the output of the final norm; `tokens`: `[b, p]` → `[b, p − 1]`.
    ///
    /// # Panics
    /// If there are fewer than two positions.
    pub fn loss_per_token(&self, normed: Tensor<3>, tokens: Tensor<2, Int>) -> Tensor<2> {
        let [b, p, d] = normed.dims();
        assert!(
            p >= 2,
            "a loss needs a next token: {p} positions are too few"
        );
        let rows = b * (p - 1);
        let normed = normed.narrow(1, 0, p - 1).reshape([rows, d]);
        let targets = tokens.narrow(1, 1, p - 1).reshape([rows]);
        let logits = |rows: Range<usize>, entries| {
            let normed = normed.clone().narrow(0, rows.start, rows.len());
            self.unembed_entries(normed, entries)
        };
        cross_entropy(targets, self.config.vocab_size, LOGITS_BYTES, logits).reshape([b, p - 1])
    }
}
