//! The model's side of a hook.

use super::{Activation, Hook, HookPoint};
use burn::tensor::Tensor;

/// `x = hooks.fire(point, x)`: one line at each point of the forward pass.
pub(crate) trait Fire: Hook {
    /// Offers `x` to the hooks, if any wants it, and returns the activation to continue with.
    ///
    /// # Panics
    /// If a hook returns another shape.
    fn fire<T: Into<Activation> + TryFrom<Activation>>(&mut self, point: HookPoint, x: T) -> T {
        if !self.wants(point) {
            return x;
        }
        let x: Activation = x.into();
        let (dims, dtype) = (x.dims(), x.dtype());
        let x = self.at(point, x);
        assert_eq!(
            x.dims(),
            dims,
            "a hook at {point} returned another shape than it was given"
        );
        T::try_from(x.cast(dtype))
            .ok()
            .expect("equal shapes have equal rank")
    }
}

impl<H: Hook + ?Sized> Fire for H {}

impl TryFrom<Activation> for Tensor<3> {
    type Error = Activation;

    fn try_from(x: Activation) -> Result<Self, Activation> {
        match x {
            Activation::R3(x) => Ok(x),
            Activation::R4(_) => Err(x),
        }
    }
}

impl TryFrom<Activation> for Tensor<4> {
    type Error = Activation;

    fn try_from(x: Activation) -> Result<Self, Activation> {
        match x {
            Activation::R3(_) => Err(x),
            Activation::R4(x) => Ok(x),
        }
    }
}
