//! The part of the network that a run goes through.

use super::{HookPoint, LayerOutOfRange, Positions};
use std::ops::Range;

/// A row of a run's input: where it is in its sequence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowPlace {
    /// Which row it was when the sequence began: rows before it may have ended.
    pub id: usize,
    /// The first id it had: which prompt it goes on from, where [`KvCache::renumber`](crate::KvCache::renumber) has given its continuations
    /// ids of their own.
    pub began: usize,
    /// Positions that came before this input.
    pub before: usize,
    /// Columns of this input that are padding, the first ones.
    pub padding: usize,
}

impl RowPlace {
    /// The position in its sequence of what a column of the input holds; none for padding.
    pub fn position(&self, column: usize) -> Option<usize> {
        column.checked_sub(self.padding).map(|n| self.before + n)
    }
}

/// The part of the network a run will go through, for [`Hook::check`](super::Hook::check) and [`Hook::begin`](super::Hook::begin).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Blocks of the model.
    pub n_layers: usize,
    /// Whether the run starts from tokens, and so fires `hook_embed`.
    pub embeds: bool,
    /// The blocks that run.
    pub layers: Range<usize>,
    /// Whether the final norm runs, and so fires `ln_final.*` and `unembed.*`.
    pub normalizes: bool,
    /// Positions of the input.
    pub n_positions: usize,
    /// The rows of the input, which go on from earlier inputs where a [`KvCache`](crate::KvCache) is extended.
    pub rows: Vec<RowPlace>,
    /// The tokens of the input, row after row, with any number in place of padding; empty where the run starts from a residual.
    pub ids: Vec<u32>,
    /// Whether the run goes on from a [`KvCache`](crate::KvCache), be it an empty one.
    pub cached: bool,
}

/// A hook that a run cannot serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HookError {
    /// The model has no such block.
    #[error(transparent)]
    Layer(#[from] LayerOutOfRange),
    /// The model has the point, this run does not come by it.
    #[error(
        "{point} would not fire: this run {run}; widen start_at_layer, stop_at_layer or the output asked for"
    )]
    NotReached {
        /// The hook point asked for.
        point: HookPoint,
        /// The run, in words.
        run: String,
    },
    /// The slice selects no position of the input.
    #[error("positions {positions} select nothing of an input of {n_positions} positions")]
    NoPositions {
        /// The positions asked for.
        positions: Positions,
        /// Positions of the input.
        n_positions: usize,
    },
    /// The hook lacks something that it must be told before a run, or was told of another.
    #[error("{0}")]
    NotReady(String),
}

impl Run {
    /// Checks that this run fires the point.
    ///
    /// # Errors
    /// If the model lacks it or the run does not come by it.
    pub fn check(&self, point: HookPoint) -> Result<(), HookError> {
        point.validate(self.n_layers)?;
        let fires = match (point, point.layer()) {
            (HookPoint::Embed, _) => self.embeds,
            (_, Some(layer)) => self.layers.contains(&layer),
            (_, None) => self.normalizes,
        };
        if fires {
            return Ok(());
        }
        Err(HookError::NotReached {
            point,
            run: self.describe(),
        })
    }

    fn describe(&self) -> String {
        let from = if self.embeds {
            "embeds tokens"
        } else {
            "starts from a residual"
        };
        let blocks = if self.layers.is_empty() {
            "goes through no block".to_owned()
        } else {
            format!(
                "goes through blocks {} to {}",
                self.layers.start,
                self.layers.end - 1
            )
        };
        let to = if self.normalizes {
            "ends with the final norm"
        } else {
            "stops before the final norm"
        };
        format!("{from}, {blocks} of {} and {to}", self.n_layers)
    }
}
