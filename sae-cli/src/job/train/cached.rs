//! Cached activations: which of their rows are trained on, and which rows are evaluated on.

use super::data::{HELD_OUT, held_out_of};
use crate::args::train::Args;
use crate::error::UsageError;
use crate::job::model::find_model;
use crate::job::token_origin::open_table;
use activation_cache::ActivationCache;
use anyhow::{Result, bail, ensure};
use dataset_stream::TokenTable;
use sae_llama::fingerprint;
use sae_llama::resolve::FoundModel;
use sae_train::{CachedActivations, ExcludeSpecialTokens, RunConfig};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

/// What evaluation needs: the model, and rows that are not trained on.
pub(crate) struct Evaluated {
    pub(crate) found: FoundModel,
    pub(crate) table: TokenTable,
    pub(crate) rows: Range<usize>,
    /// Rows of the cache that are left to train on.
    pub(crate) trained: usize,
}

impl Evaluated {
    /// None where the call does not name both, or wants no evaluation.
    pub(crate) fn find(args: &Args, cache: &ActivationCache, quiet: bool) -> Result<Option<Self>> {
        let (Some(model), Some(tokens)) = (&args.model, &args.tokens) else {
            if args.eval_sequences.is_some_and(|rows| rows > 0) {
                bail!(UsageError(
                    "--eval-sequences: an evaluation runs the model: give --model and --tokens beside --activations"
                        .to_owned()
                ));
            }
            return Ok(None);
        };
        if args.eval_sequences == Some(0) {
            return Ok(None);
        }
        let found = find_model(Some(model), None, quiet)?;
        let settings = cache.settings();
        ensure!(
            settings.model_weights.is_empty()
                || fingerprint(&found.files.weights)? == settings.model_weights,
            "--model {model}: has other weights than the model of the activations, {}; give that one, or leave out --model for no evaluation",
            settings.model_name
        );
        let table = open_table(tokens)?;
        ensure!(
            table.context_size() == settings.context_size,
            "--tokens {}: has rows of {} tokens, and the activations are of rows of {}",
            tokens.display(),
            table.context_size(),
            settings.context_size
        );
        let n = table.len();
        let (held_out, trained) = if begins_with(&table, cache)? {
            // As without a cache: the last rows are kept back.
            let held_out = held_out_of(args, n as u64)? as usize;
            (held_out, settings.rows.min(n - held_out))
        } else {
            let most = args.eval_sequences.unwrap_or(HELD_OUT);
            ((most as usize).min(n), settings.rows)
        };
        let rows = n - held_out..n;
        Ok((!rows.is_empty()).then_some(Self {
            found,
            table,
            rows,
            trained,
        }))
    }
}

/// Whether a table has the rows that were cached; three are looked at.
fn begins_with(table: &TokenTable, cache: &ActivationCache) -> Result<bool> {
    let common = table.len().min(cache.settings().rows);
    if common == 0 {
        return Ok(false);
    }
    for row in [0, common / 2, common - 1] {
        if table.row(row)? != cache.ids(row) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Sets which rows, positions and tokens are trained on.
pub(crate) fn cached_rows(
    source: &mut CachedActivations,
    config: &RunConfig,
    (special, context_size): (Option<&[u32]>, usize),
    trained: Option<usize>,
    folder: &Path,
) -> Result<()> {
    if let Some(rows) = trained {
        source.rows = 0..rows;
    }
    source.positions = config
        .seqpos_slice
        .map(|slice| slice.positions(context_size).collect());
    source.excluded = match &config.exclude_special_tokens {
        None | Some(ExcludeSpecialTokens::None) => BTreeSet::new(),
        Some(ExcludeSpecialTokens::Ids(ids)) => ids.iter().copied().collect(),
        Some(_) => {
            let Some(special) = special else {
                bail!(
                    "--exclude-special-tokens: {} does not say which they are, as the model had no tokenizer; give their ids",
                    folder.display()
                );
            };
            special.iter().copied().collect()
        }
    };
    Ok(())
}
