//! The hook that changes what passes by.

use super::{Activation, Hook, HookError, HookPoint, PointFilter, Run};
use burn::tensor::Tensor;
use std::fmt;

/// Applies a closure to the activations at some points.
pub struct Edit<F> {
    filter: PointFilter,
    edit: F,
}

impl<F: FnMut(HookPoint, Activation) -> Activation> Edit<F> {
    /// Replaces each activation at the given points by what `edit` makes of it.
    pub fn new(filter: impl Into<PointFilter>, edit: F) -> Self {
        Self {
            filter: filter.into(),
            edit,
        }
    }
}

impl Edit<()> {
    /// Edits one point of rank 3.
    ///
    /// # Panics
    /// If the point is of rank 4.
    pub fn r3(
        point: HookPoint,
        mut edit: impl FnMut(Tensor<3>) -> Tensor<3>,
    ) -> Edit<impl FnMut(HookPoint, Activation) -> Activation> {
        assert_eq!(point.rank(), 3, "{point} is of rank 4");
        Edit::new(point, move |_, x| match x {
            Activation::R3(x) => Activation::R3(edit(x)),
            Activation::R4(x) => Activation::R4(x),
        })
    }

    /// Edits one point of rank 4.
    ///
    /// # Panics
    /// If the point is of rank 3.
    pub fn r4(
        point: HookPoint,
        mut edit: impl FnMut(Tensor<4>) -> Tensor<4>,
    ) -> Edit<impl FnMut(HookPoint, Activation) -> Activation> {
        assert_eq!(point.rank(), 4, "{point} is of rank 3");
        Edit::new(point, move |_, x| match x {
            Activation::R3(x) => Activation::R3(x),
            Activation::R4(x) => Activation::R4(edit(x)),
        })
    }
}

impl<F: FnMut(HookPoint, Activation) -> Activation> Hook for Edit<F> {
    fn wants(&self, point: HookPoint) -> bool {
        self.filter.contains(point)
    }

    fn at(&mut self, point: HookPoint, x: Activation) -> Activation {
        (self.edit)(point, x)
    }

    fn check(&self, run: &Run) -> Result<(), HookError> {
        self.filter.check(run)
    }
}

impl<F> fmt::Debug for Edit<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edit")
            .field("filter", &self.filter)
            .finish_non_exhaustive()
    }
}
