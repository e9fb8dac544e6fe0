//! Directions at a hook point, mapped into the residual stream.

use super::Llama;
use crate::hook::HookPoint;
use burn::tensor::Tensor;

impl Llama {
    /// The vector that values at a hook point add to the residual stream: the values themselves where the point is in the stream or writes to it, their
    /// product with `W_O` at `attn.hook_z` (the heads side by side), with `W_out` at `mlp.hook_post`. `None` at points whose way into the stream is
    /// not a linear map.
    ///
    /// # Shapes
    /// `values`: `[n, width of the point]`, cast to the model's dtype → `[n, d_model]`.
    ///
    /// # Panics
    /// If the values are not as wide as the point, or the point's layer is beyond the last.
    pub fn directions(&self, point: HookPoint, values: Tensor<2>) -> Option<Tensor<2>> {
        let values = values.cast(self.dtype);
        let layer = match point {
            HookPoint::Embed
            | HookPoint::ResidPre(_)
            | HookPoint::ResidMid(_)
            | HookPoint::ResidPost(_)
            | HookPoint::AttnOut(_)
            | HookPoint::MlpOut(_) => return Some(values),
            HookPoint::Z(layer) | HookPoint::MlpPost(layer) => layer,
            _ => return None,
        };
        let mut directions = None;
        self.weights
            .for_each_block(&self.config, layer..layer + 1, |_, block| {
                let map = match point {
                    HookPoint::Z(_) => &block.attention.o,
                    _ => &block.mlp.down,
                };
                directions = Some(map.forward(values.clone()));
            });
        directions
    }

    /// The weight γ of the final norm, by which its output is multiplied.
    ///
    /// # Shapes
    /// `[d_model]`.
    pub fn ln_final_weight(&self) -> Tensor<1> {
        self.ln_final.weight()
    }
}
