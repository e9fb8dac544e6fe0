//! The rows: those that are trained on, and those that are kept back to evaluate.

use super::runs::Planned;
use crate::args::Global;
use crate::args::train::Args;
use crate::job::targets::Targets;
use crate::job::text::TextInput;
use crate::job::token_origin::open_table;
use crate::job::work_folder::{tokenised, tokens_of};
use anyhow::{Result, ensure};
use dataset_stream::{Budget, StreamOptions, TokenTable, Tokenizer};
use sae_llama::fingerprint;
use sae_llama::resolve::FoundModel;
use sae_llama::train::Tokens;
use sae_train::{ExcludeSpecialTokens, Normalization, RunConfig};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Rows kept back unless told otherwise.
pub(super) const HELD_OUT: u64 = 64;
/// At most one row in this many is kept back unless told otherwise.
const AT_MOST: u64 = 20;
/// Tokens of a row where neither a flag nor a file says.
const CONTEXT_SIZE: usize = 128;
/// Tokens that the model sees at once.
const TOKENS_AT_ONCE: usize = 4096;
/// Batches that the buffer mixes.
const BUFFER_BATCHES: usize = 16;

/// What is known of the rows before text is made into them.
pub(crate) struct Expected {
    /// Where the call names a file of them.
    table: Option<TokenTable>,
    pub(crate) context_size: usize,
    /// Whether some are kept back.
    pub(crate) evaluates: bool,
    /// Rows that are made of text.
    wanted: u64,
}

/// The rows of a call.
pub(crate) struct Data {
    table: TokenTable,
    /// Rows at the end that are not trained on.
    held_out: usize,
    path: PathBuf,
}

impl Expected {
    /// Opens the rows, if they are there already.
    pub(crate) fn new(args: &Args, config: &RunConfig, runs: &[Planned]) -> Result<Self> {
        let table = args.tokens.as_deref().map(open_table).transpose()?;
        let held_out = match &table {
            Some(table) => held_out_of(args, table.len() as u64)? as usize,
            None => usize::from(args.eval_sequences != Some(0)),
        };
        let context_size = match &table {
            Some(table) => table.context_size(),
            None => config.context_size.unwrap_or(CONTEXT_SIZE),
        };
        Ok(Self {
            evaluates: held_out > 0,
            wanted: wanted_rows(args, config, runs, context_size),
            context_size,
            table,
        })
    }
}

impl Data {
    /// The rows that are there, or rows of text, made in the call's folder.
    pub(crate) fn open(
        expected: Expected,
        args: &Args,
        config: &RunConfig,
        found: &FoundModel,
        out: &Path,
        targets: &Targets,
        global: &Global,
    ) -> Result<Self> {
        let context_size = expected.context_size;
        let table = if let Some(table) = expected.table {
            table
        } else {
            let mut options = StreamOptions::new(context_size);
            options.packing = args.packing.packing();
            options.prepend_bos = config.prepend_bos.unwrap_or(true);
            options.budget = Budget::Sequences(expected.wanted);
            options.threads = global.threads();
            let input = TextInput {
                dataset: config.dataset_path.clone().unwrap_or_default(),
                text: args.text.0.clone(),
                options,
            };
            let tokenizer: Tokenizer = found.tokenizer()?;
            tokenised(&input, &tokenizer, ("--out", out), targets, global.quiet)?
        };
        Ok(Self {
            held_out: held_out_of(args, table.len() as u64)? as usize,
            table,
            path: args.tokens.clone().unwrap_or_else(|| tokens_of(out)),
        })
    }

    pub(crate) fn context_size(&self) -> usize {
        self.table.context_size()
    }

    pub(crate) fn table(&self) -> &TokenTable {
        &self.table
    }

    /// Rows that are trained on.
    fn trained(&self) -> Range<usize> {
        0..self.table.len() - self.held_out
    }

    /// Rows that are not.
    pub(crate) fn held_out(&self) -> Range<usize> {
        self.table.len() - self.held_out..self.table.len()
    }

    /// What training depends on, by the words of a message.
    pub(crate) fn made_from(&self) -> Result<Value> {
        Ok(json!({
            "tokens": fingerprint([&self.path])?,
            "rows": self.trained().len(),
        }))
    }

    /// The rows that are trained on, so many at once, with what of them is left out.
    pub(crate) fn into_tokens(
        self,
        at_once: usize,
        config: &RunConfig,
        found: &FoundModel,
    ) -> Result<Tokens> {
        let rows = self.trained();
        let positions = config
            .seqpos_slice
            .map(|slice| slice.positions(self.context_size()).collect());
        let mut tokens = Tokens::new(self.table, rows, at_once);
        tokens.positions = positions;
        tokens.excluded = match &config.exclude_special_tokens {
            None | Some(ExcludeSpecialTokens::None) => BTreeSet::new(),
            Some(ExcludeSpecialTokens::Ids(ids)) => ids.iter().copied().collect(),
            Some(_) => found
                .tokenizer()?
                .special()
                .structural()
                .into_iter()
                .collect(),
        };
        Ok(tokens)
    }
}

/// Rows that are run, or read, at once.
pub(crate) fn at_once(config: &RunConfig, context_size: usize) -> usize {
    let given = config.store_batch_size_prompts;
    given.unwrap_or((TOKENS_AT_ONCE / context_size.max(1)).max(1))
}

/// Tokens that the buffer mixes: `--buffer-tokens`, or SAELens' formula where its setting is given.
pub(crate) fn buffer_tokens(args: &Args, config: &RunConfig, context_size: usize) -> usize {
    let batch = config.options.train_batch_size_tokens;
    let given = args.buffer_tokens.map(|n| n as usize);
    let theirs = config.n_batches_in_buffer.map(|n| n * context_size);
    given
        .or(theirs)
        .unwrap_or(BUFFER_BATCHES * batch)
        .max(batch)
}

/// Rows at the end of a table that are kept back.
pub(super) fn held_out_of(args: &Args, rows: u64) -> Result<u64> {
    let held_out = args.eval_sequences.unwrap_or(HELD_OUT.min(rows / AT_MOST));
    ensure!(
        held_out < rows,
        "--eval-sequences {held_out}: there are {rows} rows; some must be left to train on"
    );
    Ok(held_out)
}

/// Rows that training takes, with some for the norms, the buffer and the evaluation.
fn wanted_rows(args: &Args, config: &RunConfig, runs: &[Planned], context_size: usize) -> u64 {
    let batch = config.options.train_batch_size_tokens as u64;
    let most = |of: &dyn Fn(&Planned) -> u64| runs.iter().map(of).max().unwrap_or(0);
    let tokens = most(&|run| run.options().training_tokens);
    let norms = most(&|run| match run.options().normalize_activations {
        Normalization::ExpectedAverageOnlyIn => run.options().n_batches_for_norm_estimate * batch,
        _ => 0,
    });
    let buffer = args.buffer_tokens.unwrap_or(BUFFER_BATCHES as u64 * batch);
    let used = config
        .seqpos_slice
        .map_or(context_size, |slice| slice.positions(context_size).count());
    let rows = (tokens + norms + buffer + batch).div_ceil(used.max(1) as u64);
    rows + args.eval_sequences.unwrap_or(HELD_OUT)
}
