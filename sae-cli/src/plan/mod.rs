//! How much memory a run will take, decided before anything large is loaded.
//!
//! What each part needs is known to the crate it belongs to; here the parts are added up, and batches made as large as the rest
//! allows. A model whose weights do not fit is streamed from its files block by block; what does not fit even so is refused.

mod limit;
mod show;
mod size;

pub(crate) use limit::Limit;
pub(crate) use size::Bytes;

use crate::cli::Global;
use crate::device::Chosen;
use anyhow::{Result, bail};
use burn::tensor::FloatDType;
use llama_hooked::{LlamaConfig, ModelMemory, Placement};
use sae_core::RunDir;
use serde::Serialize;

/// Options of commands that run a model.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct MemoryArgs {
    /// Stay below this much memory, of the host or of the GPU; by default what is free
    #[arg(long, value_name = "SIZE", help_heading = "Memory")]
    pub(crate) memory: Option<Bytes>,
    /// Print how much memory would be used for what, and stop
    #[arg(long, help_heading = "Memory")]
    pub(crate) plan: bool,
    /// Keep the model's weights in their files and bring them in block by block, even if they would fit
    #[arg(long, help_heading = "Memory")]
    pub(crate) stream_layers: bool,
}

/// What is to be done, as far as memory is concerned.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) model: LlamaConfig,
    pub(crate) dtype: FloatDType,
    /// Whether the device is the CPU, where features are sparse and the unembedding is read in pieces.
    pub(crate) on_host: bool,
    pub(crate) sae: Option<SaeShape>,
    pub(crate) context_size: usize,
    /// How many rows there will be, if that is known.
    pub(crate) rows: Option<u64>,
    /// `--batch-size`.
    pub(crate) batch_size: Option<usize>,
    /// What is kept of each row until its batch is written.
    pub(crate) kept_per_row: u64,
}

/// What an SAE takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SaeShape {
    pub(crate) n_params: u64,
    pub(crate) d_in: usize,
    pub(crate) d_sae: usize,
}

/// A use of memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) bytes: u64,
}

/// How a run will go about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Plan {
    pub(crate) limit_bytes: u64,
    pub(crate) limit_from: String,
    /// Whether weights are all on the device (`resident`) or come block by block (`streamed`).
    #[serde(serialize_with = "show::placement")]
    pub(crate) placement: Placement,
    /// Rows in a batch.
    pub(crate) batch_size: usize,
    /// Rows that are in a block at once.
    pub(crate) rows_at_once: usize,
    pub(crate) context_size: usize,
    pub(crate) parts: Vec<Part>,
    pub(crate) total_bytes: u64,
}

/// Pieces of logits, of all runs together.
pub(crate) const LOGITS: u64 = 64 << 20;
/// Entries of the vocabulary whose unembedding is in memory at once where it is read in pieces.
const UNEMBEDDING_PIECE: u64 = 4096;
/// What the program itself, its allocator and the backend take besides.
const HEADROOM: u64 = 256 << 20;
/// Work on more at once is no faster, but larger.
const WORK: u64 = 3 << 29;
/// Tokens in a block at once from which matrix products are no faster.
const TOKENS_AT_ONCE: usize = 4096;
/// Tokens of a batch for which a block is brought in once. By then bringing it in costs little.
const STREAMED_TOKENS: usize = 1 << 16;
/// Tensors as wide as the residual stream that a token has at once outside of a block: the activation, its reconstruction and what is
/// spliced in, the residuals of the runs above the hook, their final norms, and these as one.
const RESIDUALS: u64 = 10;
/// One in so many features is taken to be active where they are kept as sparse rows.
const ACTIVE: u64 = 8;

impl Work {
    /// Running a model on rows of so many tokens.
    pub(crate) fn new(model: &LlamaConfig, on: &Chosen, context_size: usize) -> Self {
        Self {
            model: model.clone(),
            dtype: on.dtype,
            on_host: on.on_host(),
            sae: None,
            context_size,
            rows: None,
            batch_size: None,
            kept_per_row: 0,
        }
    }

    /// With the SAE of a run in place.
    pub(crate) fn with_sae(self, run: &RunDir) -> Result<Self> {
        let sae = SaeShape {
            n_params: run.n_params()?,
            d_in: run.cfg.d_in,
            d_sae: run.cfg.d_sae,
        };
        Ok(Self {
            sae: Some(sae),
            ..self
        })
    }

    /// The plan for a command, which is printed with `-v`; `None` if printing it was all that was asked for.
    pub(crate) fn settle(
        &self,
        args: &MemoryArgs,
        on: &Chosen,
        global: &Global,
    ) -> Result<Option<Plan>> {
        let plan = self.plan(&Limit::new(args, on), args.stream_layers)?;
        if args.plan {
            global.output().emit(&plan.text(), &plan)?;
            return Ok(None);
        }
        tracing::info!("{}", plan.text().trim_end());
        if plan.placement == Placement::Streamed && !args.stream_layers {
            tracing::warn!(
                "the model's {} of weights do not fit into {} ({}): they are streamed from their files, block by block",
                Bytes(self.model.memory(self.dtype).weights),
                Bytes(plan.limit_bytes),
                plan.limit_from
            );
        }
        Ok(Some(plan))
    }

    /// The plan, within the limit.
    ///
    /// # Errors
    /// If not even one row fits, or not as many as were asked for.
    pub(crate) fn plan(&self, limit: &Limit, stream: bool) -> Result<Plan> {
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
            sum(&parts) <= limit.bytes
        };
        let enough = |rows: usize| fits(rows) && self.work(rows) <= WORK;
        let batch_size = match self.batch_size {
            Some(given) if fits(given) => given,
            Some(given) => bail!(self.refusal(placement, given, limit, largest(given, fits))),
            None if !fits(1) => bail!(self.refusal(placement, 1, limit, None)),
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

    fn parts(&self, placement: Placement, rows: usize, rows_at_once: usize) -> Vec<Part> {
        let memory = self.model.memory(self.dtype);
        let (weights, unembedding) = self.weights(placement, &memory);
        let tokens = (rows * self.context_size) as u64;
        let in_a_block = (rows_at_once * self.context_size) as u64;
        let mut parts = vec![
            ("weights", weights),
            (
                "activations",
                RESIDUALS * tokens * memory.residual_per_token
                    + in_a_block * memory.block_per_token,
            ),
            ("logits", 2 * LOGITS + unembedding),
        ];
        if let Some(sae) = self.sae {
            let size = memory.residual_per_token / self.model.d_model as u64;
            let d_sae = sae.d_sae as u64;
            // Index and value, as rows and joined, in vectors that have grown; or dense, with copies in f32.
            let features = if self.on_host {
                24 * d_sae / ACTIVE
            } else {
                (size + 12) * d_sae
            };
            parts.push(("SAE", size * sae.n_params));
            parts.push(("features", tokens * features));
            parts.push(("statistics", self.statistics(sae)));
        }
        if self.kept_per_row > 0 {
            parts.push(("kept", rows as u64 * self.kept_per_row));
        }
        parts.push(("headroom", HEADROOM));
        let part = |(name, bytes)| Part { name, bytes };
        parts.into_iter().map(part).collect()
    }

    /// Bytes of weights on the device, and of the pieces of the unembedding that visit it.
    fn weights(&self, placement: Placement, memory: &ModelMemory) -> (u64, u64) {
        match placement {
            Placement::Resident => (memory.weights, 0),
            // One block at work and one on its way.
            Placement::Streamed if self.on_host => {
                let row = memory.embedding / self.model.vocab_size.max(1) as u64;
                (2 * memory.block, UNEMBEDDING_PIECE * row)
            }
            Placement::Streamed => (2 * memory.block + memory.embedding, 0),
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
        limit: &Limit,
        largest: Option<usize>,
    ) -> String {
        let parts = self.parts(placement, rows, self.rows_at_once(placement, rows));
        let listed: Vec<String> = parts
            .iter()
            .map(|part| format!("{} {}", part.name, Bytes(part.bytes)))
            .collect();
        let streamed = match placement {
            Placement::Streamed => ", even with the weights streamed block by block",
            Placement::Resident => "",
        };
        let advice = match largest {
            Some(rows) => format!("--batch-size {rows} fits"),
            None => "a smaller --context-size, a smaller SAE, or more memory would make it fit"
                .to_owned(),
        };
        format!(
            "this does not fit in memory: {rows} rows of {} tokens at a time need {}{streamed}, and there are {} ({}); {}. {advice}",
            self.context_size,
            Bytes(sum(&parts)),
            Bytes(limit.bytes),
            limit.from,
            listed.join(", "),
        )
    }
}

fn sum(parts: &[Part]) -> u64 {
    parts.iter().map(|part| part.bytes).sum()
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
