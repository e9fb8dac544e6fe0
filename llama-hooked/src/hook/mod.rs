//! Watching and changing a forward pass.

mod activation;
mod cache;
mod capture;
mod edit;
mod filter;
mod fire;
mod name;
mod point;
mod positions;
mod run;

pub use activation::Activation;
pub use cache::ActivationCache;
pub use capture::Capture;
pub use edit::Edit;
pub use filter::PointFilter;
pub use name::{LayerOutOfRange, UnknownHook};
pub use point::HookPoint;
pub use positions::{ParsePositionsError, Positions};
pub use run::{HookError, RowPlace, Run};

pub(crate) use fire::Fire;

/// Something that watches or changes a forward pass.
///
/// The model offers each activation by value and continues with the one that comes back, so capture and edit are the same thing. A
/// point that nobody wants is not offered, and tensors that only that point needs (the attention pattern, each head's result) are
/// not computed.
///
/// A pair `(a, b)`, a slice or a `Vec` of hooks is a hook: each sees what the one before it returned.
pub trait Hook {
    /// Whether [`at`](Self::at) is to be called for this point. Asked often: answer quickly, and always the same.
    fn wants(&self, point: HookPoint) -> bool;

    /// Takes the activation at a wanted point and returns the one that the network continues with: the same tensor, or another of
    /// the same shape.
    ///
    /// A result in another dtype is cast back; one of another shape panics in the model, naming the point.
    fn at(&mut self, point: HookPoint, x: Activation) -> Activation;

    /// Whether the run about to start can give this hook what it was made for.
    ///
    /// # Errors
    /// If a point named one by one is not in the model or not in the part of it that will run: better than an empty cache.
    fn check(&self, run: &Run) -> Result<(), HookError> {
        let _ = run;
        Ok(())
    }

    /// A run begins: what comes by until the next one is of its rows and positions. [`check`](Self::check) follows. A prompt is one run, and each token that is generated
    /// after it another. The parts of a forward pass that a caller runs by themselves ([`Llama::blocks`](crate::Llama::blocks) and
    /// others) announce none.
    fn begin(&mut self, run: &Run) {
        let _ = run;
    }
}

/// Nobody is watching.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;

impl Hook for NoHooks {
    fn wants(&self, _: HookPoint) -> bool {
        false
    }

    fn at(&mut self, _: HookPoint, x: Activation) -> Activation {
        x
    }
}

impl<H: Hook + ?Sized> Hook for &mut H {
    fn wants(&self, point: HookPoint) -> bool {
        (**self).wants(point)
    }

    fn at(&mut self, point: HookPoint, x: Activation) -> Activation {
        (**self).at(point, x)
    }

    fn check(&self, run: &Run) -> Result<(), HookError> {
        (**self).check(run)
    }

    fn begin(&mut self, run: &Run) {
        (**self).begin(run);
    }
}

impl<H: Hook + ?Sized> Hook for Box<H> {
    fn wants(&self, point: HookPoint) -> bool {
        (**self).wants(point)
    }

    fn at(&mut self, point: HookPoint, x: Activation) -> Activation {
        (**self).at(point, x)
    }

    fn check(&self, run: &Run) -> Result<(), HookError> {
        (**self).check(run)
    }

    fn begin(&mut self, run: &Run) {
        (**self).begin(run);
    }
}

impl<A: Hook, B: Hook> Hook for (A, B) {
    fn wants(&self, point: HookPoint) -> bool {
        self.0.wants(point) || self.1.wants(point)
    }

    fn at(&mut self, point: HookPoint, mut x: Activation) -> Activation {
        if self.0.wants(point) {
            x = self.0.at(point, x);
        }
        if self.1.wants(point) {
            x = self.1.at(point, x);
        }
        x
    }

    fn check(&self, run: &Run) -> Result<(), HookError> {
        self.0.check(run)?;
        self.1.check(run)
    }

    fn begin(&mut self, run: &Run) {
        self.0.begin(run);
        self.1.begin(run);
    }
}

impl<H: Hook> Hook for [H] {
    fn wants(&self, point: HookPoint) -> bool {
        self.iter().any(|hook| hook.wants(point))
    }

    fn at(&mut self, point: HookPoint, x: Activation) -> Activation {
        self.iter_mut().fold(x, |x, hook| {
            if hook.wants(point) {
                hook.at(point, x)
            } else {
                x
            }
        })
    }

    fn check(&self, run: &Run) -> Result<(), HookError> {
        self.iter().try_for_each(|hook| hook.check(run))
    }

    fn begin(&mut self, run: &Run) {
        for hook in self {
            hook.begin(run);
        }
    }
}

impl<H: Hook> Hook for Vec<H> {
    fn wants(&self, point: HookPoint) -> bool {
        self.as_slice().wants(point)
    }

    fn at(&mut self, point: HookPoint, x: Activation) -> Activation {
        self.as_mut_slice().at(point, x)
    }

    fn check(&self, run: &Run) -> Result<(), HookError> {
        self.as_slice().check(run)
    }

    fn begin(&mut self, run: &Run) {
        self.as_mut_slice().begin(run);
    }
}
