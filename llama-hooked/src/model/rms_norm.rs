//! Root mean square normalisation.

use crate::hook::{Fire, Hook, HookPoint};
use burn::tensor::{FloatDType, Tensor};

/// x / √(mean x² + ε), times a weight.
///
/// The statistics and the quotient are in f32; the quotient is cast to the dtype of `x` before the weight, as transformers does.
#[derive(Debug, Clone)]
pub(crate) struct RmsNorm {
    weight: Tensor<1>,
    eps: f64,
}

impl RmsNorm {
    pub(crate) fn new(weight: Tensor<1>, eps: f64) -> Self {
        Self { weight, eps }
    }

    pub(crate) fn weight(&self) -> Tensor<1> {
        self.weight.clone()
    }

    /// # Shapes
    /// `x`: `[b, p, d]` → the same.
    pub(crate) fn forward<H: Hook + ?Sized>(
        &self,
        x: Tensor<3>,
        scale: HookPoint,
        normalized: HookPoint,
        hooks: &mut H,
    ) -> Tensor<3> {
        if !hooks.wants(scale) && !hooks.wants(normalized) {
            return self.forward_unhooked(x);
        }
        let dtype = FloatDType::from(x.dtype());
        let x = x.cast(FloatDType::F32);
        let divisor = hooks.fire(scale, self.scale(x.clone()));
        let x = hooks.fire(normalized, x / divisor);
        x.cast(dtype) * self.weight.clone().unsqueeze()
    }

    /// As [`forward`](Self::forward), along the last axis of any tensor, unseen by hooks.
    pub(crate) fn forward_unhooked<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        fused_ops::rms_norm(x, self.weight.clone(), self.eps)
    }

    fn scale<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        x.square().mean_dim(D - 1).add_scalar(self.eps).sqrt()
    }
}
