//! The model.

mod attention;
mod block;
mod cached;
mod directions;
mod explicit_attention;
mod forward;
mod frozen;
mod linear;
mod mlp;
mod rms_norm;
mod rotary;
mod weights;

pub use cached::KvCache;
pub use forward::{ForwardError, ForwardOptions, Input, Output, OutputKind};
pub use frozen::LinearParts;

use crate::config::LlamaConfig;
use crate::hook::{Fire, Hook, HookPoint};
use crate::weights::{StreamedWeights, TensorSource};
use block::Block;
use burn::tensor::{Device, FloatDType, Int, Tensor};
use fused_ops::softmax::cross_entropy;
use linear::Linear;
use rms_norm::RmsNorm;
use rotary::Rotary;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use weights::Weights;

/// Bytes of f32 logits that exist at a time: enough for a fast product, and not so much that the allocator hands every piece back to
/// the system.
const LOGITS_BYTES: usize = 24 << 20;

/// One residual stream's way through some blocks, for [`Llama::passes`].
pub struct Pass<'a> {
    /// `[b, p, d_model]`, the input of the first block.
    pub resid: Tensor<3>,
    /// The blocks to run.
    pub layers: Range<usize>,
    /// What watches or changes this stream.
    pub hooks: &'a mut dyn Hook,
}

impl fmt::Debug for Pass<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass")
            .field("resid", &self.resid.dims())
            .field("layers", &self.layers)
            .finish_non_exhaustive()
    }
}

/// A Llama-architecture language model with hook points.
///
/// The forward pass is given in parts ([`embed`](Self::embed), [`blocks`](Self::blocks), [`ln_final`](Self::ln_final),
/// [`unembed`](Self::unembed) or [`loss_per_token`](Self::loss_per_token)) for callers that run some layers once and others
/// several times, and as a whole in [`forward`](Self::forward), which also checks its input. Cloning shares the weights.
///
/// In bf16 and f16, norms, softmax and rotary embedding are in f32, logits in the model's dtype, losses in f32; on the CPU from logits that were not
/// rounded before.
#[derive(Debug, Clone)]
pub struct Llama {
    config: LlamaConfig,
    dtype: FloatDType,
    device: Device,
    weights: Weights,
    ln_final: RmsNorm,
}

/// Cross-entropy −log softmax(logits)\[next token\] at each position but the last, in nats, f32.
///
/// # Shapes
/// `logits`: `[b, p, vocab]`; `tokens`: `[b, p]`, p at least 2 → `[b, p − 1]`.
fn loss_of_logits(logits: Tensor<3>, tokens: Tensor<2, Int>) -> Tensor<2> {
    let [b, p, vocab_size] = logits.dims();
    let rows = b * (p - 1);
    let logits = logits.narrow(1, 0, p - 1).reshape([rows, vocab_size]);
    let targets = tokens.narrow(1, 1, p - 1).reshape([rows]);
    let piece = |rows: Range<usize>, entries: Range<usize>| {
        let rows = logits.clone().narrow(0, rows.start, rows.len());
        rows.narrow(1, entries.start, entries.len())
    };
    cross_entropy(targets, vocab_size, LOGITS_BYTES, piece).reshape([b, p - 1])
}

impl Llama {
    /// Takes every weight of the architecture from `source`, in a fixed order.
    pub(crate) fn assemble<S: TensorSource>(
        config: LlamaConfig,
        dtype: FloatDType,
        source: &mut S,
    ) -> Result<Self, S::Error> {
        let (vocab_size, d) = (config.vocab_size, config.d_model);
        let embedding = source.matrix("model.embed_tokens.weight", [vocab_size, d])?;
        let blocks = (0..config.n_layers)
            .map(|layer| weights::block(&config, layer, source))
            .collect::<Result<_, _>>()?;
        let ln_final = source.vector("model.norm.weight", d)?;
        let unembedding = if config.tie_word_embeddings {
            embedding.clone()
        } else {
            source.matrix("lm_head.weight", [vocab_size, d])?
        };
        Ok(Self {
            ln_final: RmsNorm::new(ln_final, config.rms_norm_eps),
            device: embedding.device(),
            config,
            dtype,
            weights: Weights::Resident {
                embedding,
                blocks,
                unembedding: Linear::new(unembedding),
            },
        })
    }

    /// A model whose weights stay in their files, but for the final norm's.
    pub(crate) fn assemble_streamed(
        config: LlamaConfig,
        dtype: FloatDType,
        ln_final: Tensor<1>,
        files: StreamedWeights,
    ) -> Self {
        let device = files.device().clone();
        // On the CPU, pieces of the unembedding are read where they are used, once for all tokens.
        let resident = !sae_backend::is_cpu(&device);
        let unembedding = resident.then(|| Linear::new(files.unembedding(0..config.vocab_size)));
        Self {
            ln_final: RmsNorm::new(ln_final, config.rms_norm_eps),
            device,
            config,
            dtype,
            weights: Weights::Streamed {
                files: Arc::new(files),
                unembedding,
            },
        }
    }

    /// The model's dimensions and constants.
    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    /// Where the weights are, and inputs must be.
    pub fn device(&self) -> Device {
        self.device.clone()
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
        let embedded = self.weights.embed(tokens.reshape([b * p]));
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
        let mut hooks = hooks;
        let pass = Pass {
            resid,
            layers,
            hooks: &mut hooks,
        };
        let mut resids = self.passes(vec![pass]);
        resids.pop().expect("a residual for each pass")
    }

    /// [`blocks`](Self::blocks) for several residual streams: each block's weights are brought in once for all of them, which counts
    /// where they are [streamed](crate::Placement::Streamed).
    ///
    /// # Shapes
    /// One result per pass, of the shape of its residual.
    ///
    /// # Panics
    /// If a range ends beyond the last block.
    pub fn passes(&self, passes: Vec<Pass<'_>>) -> Vec<Tensor<3>> {
        self.run(passes, |_| {})
    }

    /// [`passes`](Self::passes), with each block shown after it has run.
    fn run(&self, passes: Vec<Pass<'_>>, mut seen: impl FnMut(&Block)) -> Vec<Tensor<3>> {
        let n_layers = self.config.n_layers;
        let mut rotaries: Vec<(usize, Rotary)> = Vec::new();
        let mut first = n_layers;
        let mut last = 0;
        for Pass { resid, layers, .. } in &passes {
            if layers.is_empty() {
                continue;
            }
            assert!(
                layers.end <= n_layers,
                "the model has {n_layers} blocks, not {}",
                layers.end
            );
            (first, last) = (first.min(layers.start), last.max(layers.end));
            let [_, p, _] = resid.dims();
            if !rotaries.iter().any(|(n, _)| *n == p) {
                rotaries.push((p, Rotary::new(&self.config, p, &self.device)));
            }
        }
        // Residuals are moved in and out of blocks, so that those can work in place.
        let mut runs: Vec<_> = passes
            .into_iter()
            .map(|pass| {
                let resid = if pass.layers.is_empty() {
                    pass.resid
                } else {
                    pass.resid.cast(self.dtype)
                };
                (Some(resid), pass.layers, pass.hooks)
            })
            .collect();
        self.weights
            .for_each_block(&self.config, first..last, |layer, block| {
                for (slot, layers, hooks) in &mut runs {
                    if !layers.contains(&layer) {
                        continue;
                    }
                    let resid = slot.take().expect("is put back below");
                    let [_, p, _] = resid.dims();
                    let rotary = rotaries.iter().find(|(n, _)| *n == p);
                    let (_, rotary) = rotary.expect("was made above");
                    *slot = Some(block.forward(layer, resid, rotary, None, *hooks));
                }
                seen(block);
            });
        runs.into_iter()
            .map(|(resid, ..)| resid.expect("was put back"))
            .collect()
    }

    /// The final norm. Fires `ln_final.hook_scale`, `ln_final.hook_normalized` and `unembed.hook_in`.
    ///
    /// # Shapes
    /// `resid`: `[b, p, d_model]`, cast to the model's dtype → the same.
    pub fn ln_final<H: Hook + ?Sized>(&self, resid: Tensor<3>, hooks: &mut H) -> Tensor<3> {
        let normed = self.ln_final.forward(
            resid.cast(self.dtype),
            HookPoint::LnFinalScale,
            HookPoint::LnFinalNormalized,
            hooks,
        );
        hooks.fire(HookPoint::UnembedIn, normed)
    }

    /// The logits of outputs of the final norm, in the model's dtype, all of them at once. Fires `unembed.hook_out`.
    ///
    /// # Shapes
    /// `normed`: `[b, p, d_model]`, cast to the model's dtype → `[b, p, vocab_size]`.
    pub fn logits<H: Hook + ?Sized>(&self, normed: Tensor<3>, hooks: &mut H) -> Tensor<3> {
        hooks.fire(HookPoint::UnembedOut, self.unembed(normed))
    }

    /// Logits, in the model's dtype, of outputs of the final norm; each row on its own.
    ///
    /// # Shapes
    /// `[.., d_model]`, cast to the model's dtype → `[.., vocab_size]`.
    pub fn unembed<const D: usize>(&self, normed: Tensor<D>) -> Tensor<D> {
        let mut dims = normed.dims();
        let rows = dims[..D - 1].iter().product();
        let normed = normed.reshape([rows, self.config.d_model]);
        dims[D - 1] = self.config.vocab_size;
        self.unembed_entries(normed, 0..self.config.vocab_size)
            .cast(self.dtype)
            .reshape(dims)
    }

    /// As [`unembed`](Self::unembed), for a range of the vocabulary; on the CPU in f32, whatever the model's dtype: the sums are there in f32, and
    /// losses need them in f32.
    ///
    /// # Shapes
    /// `[n, d_model]`, cast to the model's dtype → `[n, entries.len()]`.
    ///
    /// # Panics
    /// If the range ends beyond the vocabulary.
    pub fn unembed_entries(&self, normed: Tensor<2>, entries: Range<usize>) -> Tensor<2> {
        let normed = normed.cast(self.dtype);
        let unembedding = self.weights.unembedding(entries);
        if sae_backend::is_cpu(&self.device) {
            unembedding.forward_f32(normed)
        } else {
            unembedding.forward(normed)
        }
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
        self.losses(&normed, targets).reshape([b, p - 1])
    }

    /// Cross-entropy −log softmax(logits)\[target\] of each row, in nats, f32, in pieces as [`loss_per_token`](Self::loss_per_token).
    ///
    /// # Shapes
    /// `normed`: `[n, d_model]`, outputs of the final norm; `targets`: `[n]` → `[n]`.
    pub fn losses(&self, normed: &Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
        let logits = |rows: Range<usize>, entries| {
            let normed = normed.clone().narrow(0, rows.start, rows.len());
            self.unembed_entries(normed, entries)
        };
        cross_entropy(targets, self.config.vocab_size, LOGITS_BYTES, logits)
    }
}
