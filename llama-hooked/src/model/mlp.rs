//! The gated MLP.

use super::linear::Linear;
use crate::hook::{Fire, Hook, HookPoint};
use burn::tensor::Tensor;
use fused_ops::silu_mul;

/// down(silu(gate(x)) · up(x)).
#[derive(Debug, Clone)]
pub(crate) struct Mlp {
    pub(crate) gate: Linear,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
}

impl Mlp {
    /// Adds the MLP of `x` to the residual stream.
    ///
    /// # Shapes
    /// `resid`, `x`: `[b, p, d]` → the same.
    pub(crate) fn forward<H: Hook + ?Sized>(
        &self,
        layer: usize,
        resid: Tensor<3>,
        x: Tensor<3>,
        hooks: &mut H,
    ) -> Tensor<3> {
        let gate = hooks.fire(HookPoint::MlpPre(layer), self.gate.forward(x.clone()));
        let up = hooks.fire(HookPoint::MlpPreLinear(layer), self.up.forward(x));
        let post = hooks.fire(HookPoint::MlpPost(layer), silu_mul(gate, up));
        if hooks.wants(HookPoint::MlpOut(layer)) {
            resid + hooks.fire(HookPoint::MlpOut(layer), self.down.forward(post))
        } else {
            self.down.add_to(resid, post)
        }
    }
}
