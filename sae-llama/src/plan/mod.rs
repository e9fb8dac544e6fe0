//! How much memory a run will take, decided before anything large is loaded.
//!
//! Each crate knows what its own part needs; here the parts are added up, and batches are made as large as the rest allows. A model whose weights do not fit is streamed from its files block by block; work that does not fit even then is refused.

mod error;
mod groups;
mod largest;
mod layers;
mod part;
mod shape;
mod show;
mod tokens;
mod without_model;

pub use error::PlanError;
pub use groups::SaeAt;
pub use largest::TooLarge;
pub use part::Part;
pub use shape::SaeShape;

use burn::tensor::FloatDType;
use llama_hooked::{LlamaConfig, ModelMemory, Placement};
use sae_backend::{ComputeDevice, Memory};
use sae_core::{RunDir, SaeLoadError};
use serde::Serialize;

/// The work of a run, as far as memory is concerned.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Work {
    /// The model's dimensions.
    pub model: LlamaConfig,
    /// The dtype it runs in.
    pub dtype: FloatDType,
    /// Whether the device is the CPU, where features are sparse and the unembedding is read in pieces.
    pub on_cpu: bool,
    /// Bytes that one tensor may have on the device; `None` for as many as there are.
    pub largest_tensor: Option<u64>,
    /// The SAE that is spliced in, if one is.
    pub sae: Option<SaeShape>,
    /// Tokens in a row.
    pub context_size: usize,
    /// How many rows there will be, if that is known.
    pub rows: Option<u64>,
    /// Rows in a batch, if they are given.
    pub batch_size: Option<usize>,
    /// Bytes kept of each row until its batch is written.
    pub kept_per_row: u64,
    /// Whether the keys and values of every token are kept, for text that goes on.
    pub keeps_keys: bool,
    /// Bytes of text that is read ahead, and of the windows that decompress it.
    pub text_bytes: u64,
    /// Bytes of logits at a time, those of all runs together; 0 where none are made.
    pub logit_bytes: u64,
    /// What else takes memory, whatever the size of a batch.
    pub besides: Vec<Part>,
}

/// How a run goes about its work, and how much memory that takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// The memory it stays within.
    pub limit_bytes: u64,
    /// Where that figure comes from, for messages.
    pub limit_from: String,
    /// Whether weights are all on the device (`resident`) or come block by block (`streamed`).
    #[serde(serialize_with = "show::placement")]
    pub placement: Placement,
    /// Rows in a batch.
    pub batch_size: usize,
    /// Rows that are in a block at once.
    pub rows_at_once: usize,
    /// Tokens in a row.
    pub context_size: usize,
    /// Where several SAEs are measured: how many of them at a time, in the order of their hooks. The model runs once for each group. Empty
    /// otherwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sae_groups: Vec<usize>,
    /// Every use of memory.
    pub parts: Vec<Part>,
    /// Their sum.
    pub total_bytes: u64,
}

impl Plan {
    /// Bytes that are free for a question asked by itself, when no batch is at work: the limit less weights, the SAE and whatever else stays.
    pub fn room(&self) -> u64 {
        let passing = ["activations", "kept", "KV cache"];
        let stays = self
            .parts
            .iter()
            .filter(|part| !passing.contains(&part.name));
        let stays = stays.map(|part| part.bytes).sum();
        self.limit_bytes.saturating_sub(stays)
    }
}

/// Pieces of logits, of all runs together, counted in f32. A processor reduces them while its caches hold them; a GPU's products want more rows,
/// each of which reads the unembedding once.
const LOGITS_CPU: u64 = 64 << 20;
const LOGITS_GPU: u64 = 256 << 20;
/// Entries of the vocabulary below which no piece of the unembedding is made (`fused_ops::softmax::cross_entropy`).
const LEAST_ENTRIES: u64 = 1024;
/// Memory that the program itself, its allocator and the backend take besides. On the CPU it was measured, and loading all weights leaves buffers
/// with the allocator that a streamed model does not have.
const HEADROOM: u64 = 64 << 20;
const HEADROOM_CPU: u64 = 20 << 20;
/// Two buffers by which a GPU's memory is measured, the first time that kernels are compared on it.
const TUNING: u64 = 2 << 30;
const LEFT_BY_LOADING: u64 = 12 << 20;
/// Bytes of a tokenizer for each entry of its vocabulary: the entry, its merges, and tables of both.
const TOKENIZER: u64 = 336;
/// Runs of the model that an SAE is measured by: as it is, with the reconstruction, with zeros.
const RUNS: u64 = 3;
/// Work on more at once is no faster, but larger.
const WORK: u64 = 3 << 29;
/// Tokens that no machine has room for, and whose bytes still fit an integer.
const MOST_TOKENS: u64 = 1 << 38;
/// Tokens in a block at once from which matrix products are no faster.
const TOKENS_AT_ONCE: usize = 4096;
/// Tokens of a batch for which a block is brought in once. By then bringing it in costs little.
const STREAMED_TOKENS: usize = 1 << 16;
/// Tensors as wide as the residual stream that a token has at once outside of a block: the activation, its reconstruction and what is
/// spliced in, the residuals of the runs above the hook, their final norms, and these as one. On the CPU each goes as soon as it is used.
const RESIDUALS: u64 = 10;
const RESIDUALS_CPU: u64 = 4;
/// The share of features taken to be active where no figure is known: one in this many.
const ACTIVE: u64 = 8;

/// Bytes of logits that are there at a time, of all runs together, counted in f32.
pub fn logit_bytes(on_cpu: bool) -> u64 {
    if on_cpu { LOGITS_CPU } else { LOGITS_GPU }
}

impl Work {
    /// Running a model on rows of this many tokens.
    pub fn new(model: &LlamaConfig, on: &ComputeDevice, context_size: usize) -> Self {
        Self {
            model: model.clone(),
            dtype: on.dtype,
            on_cpu: on.is_cpu(),
            largest_tensor: on.largest_tensor,
            sae: None,
            context_size,
            rows: None,
            batch_size: None,
            kept_per_row: 0,
            keeps_keys: false,
            text_bytes: 0,
            logit_bytes: logit_bytes(on.is_cpu()),
            besides: Vec::new(),
        }
    }

    /// With the SAE of a run in place.
    ///
    /// # Errors
    /// If the header of its weights cannot be read.
    pub fn with_sae(self, run: &RunDir) -> Result<Self, SaeLoadError> {
        Ok(Self {
            sae: Some(SaeShape::of(run)?),
            ..self
        })
    }

    /// The plan, within the limit.
    ///
    /// # Errors
    /// If not even one row fits, or not as many as were asked for, or the device cannot hold one of the tensors.
    pub fn plan(&self, limit: &Memory, stream: bool) -> Result<Plan, PlanError> {
        let resident = self.parts(Placement::Resident, 1, 1);
        let placement = if stream || sum(&resident) > limit.bytes {
            Placement::Streamed
        } else {
            Placement::Resident
        };
        let most = self.most_rows(placement);
        // Parts are linear in the number of rows but for a constant, and few: the largest batch is found by halving.
        let fits = |rows: usize| {
            let parts = self.parts(placement, rows, self.rows_at_once(placement, rows));
            sum(&parts) <= limit.bytes && self.too_large(rows).is_none()
        };
        let enough = |rows: usize| fits(rows) && self.work(rows) <= WORK;
        let batch_size = match self.batch_size {
            Some(given) if fits(given) => given,
            Some(given) => {
                return Err(self.refusal(placement, given, limit, largest(given, fits)));
            }
            None if !fits(1) => return Err(self.refusal(placement, 1, limit, None)),
            None if placement == Placement::Streamed => largest(most, fits).unwrap_or(1),
            None => largest(most, enough).unwrap_or(1),
        };
        let rows_at_once = self.rows_at_once(placement, batch_size);
        let parts = self.parts(placement, batch_size, rows_at_once);
        Ok(Plan {
            limit_bytes: limit.bytes,
            limit_from: limit.from.clone(),
            placement,
            batch_size,
            rows_at_once,
            context_size: self.context_size,
            sae_groups: Vec::new(),
            total_bytes: sum(&parts),
            parts,
        })
    }

    /// Rows of a batch beyond which there is no gain, or there are none.
    fn most_rows(&self, placement: Placement) -> usize {
        let tokens = match placement {
            Placement::Resident => TOKENS_AT_ONCE,
            Placement::Streamed => STREAMED_TOKENS,
        };
        let rows = (tokens / self.context_size.max(1)).max(1);
        let there_are = self.rows.map_or(usize::MAX, |rows| rows.max(1) as usize);
        rows.min(there_are)
    }

    fn rows_at_once(&self, placement: Placement, batch_size: usize) -> usize {
        match placement {
            Placement::Resident => batch_size,
            Placement::Streamed => {
                let rows = TOKENS_AT_ONCE / 2 / self.context_size.max(1);
                rows.clamp(1, batch_size)
            }
        }
    }

    /// Bytes that grow with the batch, the weights left out.
    fn work(&self, rows: usize) -> u64 {
        let parts = self.parts(Placement::Resident, rows, rows);
        let growing = ["activations", "features", "kept"];
        let growing = parts.iter().filter(|part| growing.contains(&part.name));
        growing.map(|part| part.bytes).sum()
    }

    /// Bytes of the keys and values of so many tokens.
    pub fn key_bytes(&self, tokens: u64) -> u64 {
        tokens * self.model.memory(self.dtype).cache_per_token
    }

    fn parts(&self, placement: Placement, rows: usize, rows_at_once: usize) -> Vec<Part> {
        let memory = self.model.memory(self.dtype);
        let tokens = self.tokens(rows);
        let logits = self.logits(tokens);
        let (weights, unembedding) = self.weights(placement, &memory, logits.1);
        let in_a_block = self.tokens(rows_at_once);
        let mut parts = vec![
            ("weights", weights),
            (
                "activations",
                self.residuals() * tokens * memory.residual_per_token
                    + in_a_block * memory.block_per_token,
            ),
        ];
        // Where none are made, the caller counts its own.
        if logits.0 + unembedding > 0 {
            parts.push(("logits", logits.0 + unembedding));
        }
        if let Some(sae) = self.sae {
            let size = memory.residual_per_token / self.model.d_model as u64;
            let d_sae = sae.d_sae as u64;
            // Index and value, as rows and joined, in vectors that have grown; or dense, some two and a half times: before and after the bias and
            // the activation (what a double of CUDA's driver counted, see benches/GPU.md).
            let features = if self.on_cpu {
                // Twice what is recorded: this text may differ.
                let most = d_sae / ACTIVE;
                24 * sae.active.map_or(most, |n| 2 * n as u64)
            } else {
                5 * size * d_sae / 2
            };
            parts.push(("SAE", size * sae.n_params));
            parts.push(("features", tokens * features));
            parts.push(("statistics", self.statistics(sae)));
        }
        if self.keeps_keys {
            parts.push(("KV cache", tokens * memory.cache_per_token));
        }
        if self.kept_per_row > 0 {
            parts.push(("kept", (rows as u64).saturating_mul(self.kept_per_row)));
        }
        if self.text_bytes > 0 {
            parts.push(("text", self.text_bytes));
        }
        if !self.on_cpu {
            parts.push(("tuning", TUNING));
        }
        parts.push(("headroom", self.headroom(placement)));
        let part = |(name, bytes)| Part { name, bytes };
        let parts = parts.into_iter().map(part);
        parts.chain(self.besides.iter().cloned()).collect()
    }

    /// Tokens in so many rows; beyond those of any machine all the same, so that no part of a plan overflows.
    fn tokens(&self, rows: usize) -> u64 {
        (rows as u64)
            .saturating_mul(self.context_size as u64)
            .min(MOST_TOKENS)
    }

    /// Bytes of weights on the device, and of the pieces of the unembedding that visit it.
    fn weights(&self, placement: Placement, memory: &ModelMemory, entries: u64) -> (u64, u64) {
        match placement {
            Placement::Resident => (memory.weights, 0),
            // One block at work and one on its way.
            Placement::Streamed if self.on_cpu => {
                let row = memory.embedding / self.model.vocab_size.max(1) as u64;
                // In the dtype of the work, and as it is mapped from the file: 16 bits a number.
                let mapped = 2 * self.model.d_model as u64;
                (2 * memory.block, entries * (row + mapped))
            }
            Placement::Streamed => (2 * memory.block + memory.embedding, 0),
        }
    }

    /// Bytes of logits at a time, and entries of the vocabulary that they are of.
    fn logits(&self, tokens: u64) -> (u64, u64) {
        let vocab = self.model.vocab_size as u64;
        if self.logit_bytes == 0 {
            return (0, 0);
        }
        if !self.on_cpu {
            return (self.logit_bytes, vocab);
        }
        let tokens = tokens * if self.sae.is_some() { RUNS } else { 1 };
        let values = self.logit_bytes / 4;
        let least = LEAST_ENTRIES.min(vocab);
        let entries = (values / tokens.max(1)).clamp(least, vocab.max(least));
        (4 * entries * tokens.min(values / entries.max(1)), entries)
    }

    fn residuals(&self) -> u64 {
        if self.on_cpu {
            RESIDUALS_CPU
        } else {
            RESIDUALS
        }
    }

    fn headroom(&self, placement: Placement) -> u64 {
        let host = HEADROOM_CPU + TOKENIZER * self.model.vocab_size as u64;
        match placement {
            _ if !self.on_cpu => HEADROOM,
            Placement::Resident => host + LEFT_BY_LOADING,
            Placement::Streamed => host,
        }
    }

    /// Counts per feature, and the activations that `explained_variance_legacy` keeps.
    fn statistics(&self, sae: SaeShape) -> u64 {
        let rows = self.rows.unwrap_or(u64::MAX);
        let tokens = rows.saturating_mul(self.context_size as u64);
        let kept = tokens.saturating_mul(4 * sae.d_in as u64);
        64 * sae.d_sae as u64 + kept.min(256 << 20)
    }

    fn refusal(
        &self,
        placement: Placement,
        rows: usize,
        limit: &Memory,
        fitting_rows: Option<usize>,
    ) -> PlanError {
        let parts = self.parts(placement, rows, self.rows_at_once(placement, rows));
        PlanError {
            rows,
            context_size: self.context_size,
            needed_bytes: sum(&parts),
            limit: limit.clone(),
            streamed: placement == Placement::Streamed,
            parts,
            fitting_rows,
            too_large: self.too_large(rows).map(Box::new),
        }
    }
}

fn sum(parts: &[Part]) -> u64 {
    let bytes = parts.iter().map(|part| part.bytes);
    bytes.fold(0, u64::saturating_add)
}

/// The largest number of rows up to `most` that fits, if one does.
fn largest(most: usize, fits: impl Fn(usize) -> bool) -> Option<usize> {
    let (mut low, mut high) = (0, most + 1);
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        if fits(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low > 0).then_some(low)
}

#[cfg(test)]
mod tests;
