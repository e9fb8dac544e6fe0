//! The hook that keeps what passes by.

use super::{Activation, ActivationCache, Hook, HookError, HookPoint, PointFilter, Positions, Run};
use burn::tensor::{Int, Tensor};
use std::ops::Range;

/// Keeps the activations at some points, at some positions.
///
/// Place it after an [`Edit`](super::Edit) in a pair to see what the edit left.
#[derive(Debug)]
pub struct Capture {
    filter: PointFilter,
    positions: Positions,
    cache: ActivationCache,
}

impl Capture {
    /// Captures the given points at every position.
    pub fn new(filter: impl Into<PointFilter>) -> Self {
        Self {
            filter: filter.into(),
            positions: Positions::ALL,
            cache: ActivationCache::default(),
        }
    }

    /// Captures the given positions only: of the query, for attention scores and patterns. Only they stay in memory.
    #[must_use]
    pub fn positions(mut self, positions: Positions) -> Self {
        self.positions = positions;
        self
    }

    /// The captured activations.
    pub fn into_cache(self) -> ActivationCache {
        self.cache
    }

    /// The activations captured so far, leaving the hook empty for the next run.
    pub fn take(&mut self) -> ActivationCache {
        std::mem::take(&mut self.cache)
    }

    fn slice(&self, point: HookPoint, x: &Activation) -> Activation {
        let axis = point.position_axis();
        let n = x.dims()[axis];
        let kept = self.positions.resolve(n);
        if kept == (0..n) {
            return x.clone();
        }
        match x {
            Activation::R3(x) => Activation::R3(copy_rows(x, axis, kept)),
            Activation::R4(x) => Activation::R4(copy_rows(x, axis, kept)),
        }
    }
}

/// A copy rather than a view: a view would keep the whole activation alive.
fn copy_rows<const D: usize>(x: &Tensor<D>, axis: usize, rows: Range<usize>) -> Tensor<D> {
    let rows = Tensor::<1, Int>::arange(rows.start as i64..rows.end as i64, &x.device());
    x.clone().select(axis, rows)
}

impl Hook for Capture {
    fn wants(&self, point: HookPoint) -> bool {
        self.filter.contains(point)
    }

    fn at(&mut self, point: HookPoint, x: Activation) -> Activation {
        let kept = self.slice(point, &x);
        self.cache.insert(point, kept);
        x
    }

    fn check(&self, run: &Run) -> Result<(), HookError> {
        if self.positions.resolve(run.n_positions).is_empty() {
            return Err(HookError::NoPositions {
                positions: self.positions,
                n_positions: run.n_positions,
            });
        }
        self.filter.check(run)
    }
}
