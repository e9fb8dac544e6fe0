//! Activations of a model on rows of tokens.

use super::cache::ids_of;
use crate::hooks::TrainHooks;
use burn::tensor::{DType, Int, Tensor, TensorData};
use dataset_stream::{TableError, TokenTable};
use llama_hooked::Llama;
use std::collections::BTreeSet;
use std::error::Error;
use std::ops::Range;

/// Rows of tokens and what of them is trained on.
#[derive(Debug)]
#[non_exhaustive]
pub struct Tokens {
    /// The rows.
    pub table: TokenTable,
    /// Which of them.
    pub rows: Range<usize>,
    /// Rows that the model sees at once.
    pub at_once: usize,
    /// Positions that are trained on; all if none are given.
    pub positions: Option<Vec<usize>>,
    /// Tokens that are not trained on.
    pub excluded: BTreeSet<u32>,
}

impl Tokens {
    /// All positions and tokens of some rows.
    pub fn new(table: TokenTable, rows: Range<usize>, at_once: usize) -> Self {
        Self {
            table,
            rows,
            at_once: at_once.max(1),
            positions: None,
            excluded: BTreeSet::new(),
        }
    }
}

/// Rows that give no activations.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActivationsError {
    /// A row cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A token beyond the vocabulary.
    #[error(
        "row {row}, position {position}: token {id} is outside the model's vocabulary ({vocab_size}); were the rows made with another tokenizer?"
    )]
    UnknownToken {
        /// The row.
        row: usize,
        /// The position in it.
        position: usize,
        /// The token.
        id: u32,
        /// The size of the vocabulary.
        vocab_size: usize,
    },
}

/// The activations of a model at some hooks, for [`sae_train::Session`].
#[derive(Debug)]
pub struct ModelActivations {
    model: Llama,
    hooks: TrainHooks,
    tokens: Tokens,
    /// Rows that were read, of those that are to be.
    done: usize,
}

impl ModelActivations {
    /// Of a model that has the blocks that the hooks need, or all of them.
    pub fn new(model: Llama, hooks: TrainHooks, tokens: Tokens) -> Self {
        Self {
            model,
            hooks,
            tokens,
            done: 0,
        }
    }

    fn batch(&mut self, rows: &mut Vec<f32>) -> Result<bool, ActivationsError> {
        let Tokens {
            table,
            rows: of,
            at_once,
            positions,
            excluded,
        } = &self.tokens;
        let p = table.context_size();
        let start = of.start + self.done;
        let n = (*at_once).min(of.end.saturating_sub(start));
        if n == 0 {
            return Ok(false);
        }
        let vocab_size = self.model.config().vocab_size;
        let mut kept = vec![positions.is_none(); p];
        for &position in positions.iter().flatten() {
            if let Some(kept) = kept.get_mut(position) {
                *kept = true;
            }
        }
        let ids = ids_of(table, start..start + n, vocab_size)?;
        let kept = ids.iter().zip(kept.iter().cycle());
        let keep: Vec<bool> = kept
            .map(|(id, kept)| *kept && !excluded.contains(id))
            .collect();
        let ids: Vec<i32> = ids.into_iter().map(u32::cast_signed).collect();
        let tokens = TensorData::new(ids, [n, p]);
        let tokens = Tensor::<2, Int>::from_data(tokens, (&self.model.device(), DType::I32));
        self.hooks.read(&self.model, tokens, &keep, rows);
        self.done += n;
        Ok(true)
    }
}

impl sae_train::Activations for ModelActivations {
    fn widths(&self) -> &[usize] {
        self.hooks.widths()
    }

    fn next(&mut self, rows: &mut Vec<f32>) -> Result<bool, Box<dyn Error + Send + Sync>> {
        Ok(self.batch(rows)?)
    }

    fn place(&self) -> u64 {
        self.done as u64
    }

    fn seek(&mut self, place: u64) {
        self.done = usize::try_from(place)
            .unwrap_or(usize::MAX)
            .min(self.tokens.rows.len());
    }
}
