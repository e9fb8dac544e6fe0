//! The part of the network that a run goes through.

use super::{HookPoint, LayerOutOfRange, Positions};
use std::ops::Range;

/// The part of the network a run will go through, for [`Hook::check`](super::Hook::check).
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
