//! How much memory a contrast takes.

use super::PromptTokens;
use crate::hooks::TrainHooks;
use crate::plan::{Part, Work};
use llama_hooked::LlamaConfig;
use sae_backend::ComputeDevice;
use sae_core::{LogSparsity, RunDir, SaeLoadError};

/// Bytes of a reduced value: in its prompt, and in the column of its feature, in vectors that have grown.
const REDUCED: u64 = 12 * 2 + 12;
/// Bytes of the row of a feature: its statistics, the names of its tokens, the text of the files that are written.
const ROW: u64 = 1024;
/// Signs of permutations at a time.
const PERMUTATIONS: u64 = 512 * 4;
/// Of a feature where no L0 is recorded: one in so many is taken to be active on a token.
const ACTIVE: usize = 8;

/// Bytes of the features of all tokens up to which they are kept, so that examples need no second run.
const KEPT: u64 = 256 << 20;

/// What running prompts takes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Planned {
    /// The work, for a plan.
    pub work: Work,
    /// Whether the features of all tokens are few enough to be kept, for [`Contrasting::keep_rows`](super::Contrasting::keep_rows).
    pub keep_rows: bool,
}

/// The work of running these prompts through the model as far as the hooks need it, with the SAEs of all runs resident.
///
/// # Errors
/// If the header of an SAE's weights cannot be read.
pub fn planned(
    config: &LlamaConfig,
    on: &ComputeDevice,
    hooks: &TrainHooks,
    runs: &[RunDir],
    prompts: &[PromptTokens],
) -> Result<Planned, SaeLoadError> {
    let longest = prompts.iter().map(|p| p.ids.len()).max().unwrap_or(1);
    let tokens: usize = prompts.iter().map(|p| p.ids.len()).sum();
    let mut below = config.clone();
    below.n_layers = hooks.layers();
    below.tie_word_embeddings = true;
    let mut work = Work::new(&below, on, longest);
    work.rows = Some(prompts.len() as u64);
    work.logit_bytes = 0;
    let mut kept = PERMUTATIONS * prompts.len() as u64;
    let (mut resident, mut rows) = (0, 0);
    for run in runs {
        let cfg = &run.cfg;
        let recorded = run.log_sparsity.as_ref().and_then(LogSparsity::mean_l0);
        let active = recorded.map_or(cfg.d_sae / ACTIVE, |l0| 2 * l0.ceil() as usize);
        // A prompt has no more features than its tokens have, and not more than there are.
        let most = prompts
            .iter()
            .map(|p| (p.ids.len() * active).min(cfg.d_sae));
        kept += REDUCED * most.sum::<usize>() as u64;
        kept += (ROW + 4) * cfg.d_sae.min(tokens * active) as u64;
        rows += (tokens * (8 * active + 8)) as u64;
        let this = work.clone().with_sae(run)?;
        let larger = match (&work.sae, &this.sae) {
            (Some(old), Some(new)) => new.d_sae > old.d_sae,
            _ => true,
        };
        let n_params = run.n_params()?;
        resident += n_params;
        if larger {
            work = this;
        }
    }
    // Encoding is of one SAE at a time; the weights are of all.
    if let Some(sae) = &mut work.sae {
        sae.n_params = resident;
        sae.d_in = 0;
    }
    work.besides.push(Part::new("values of prompts", kept));
    let keep_rows = rows <= KEPT;
    if keep_rows {
        work.besides.push(Part::new("features of tokens", rows));
    }
    Ok(Planned { work, keep_rows })
}
