//! The gated encoder of Rajamanoharan et al. 2024.

use burn::tensor::{Tensor, activation::relu};

/// `1[x @ W_enc + b_gate > 0] · relu(x @ (W_enc ⊙ exp(r_mag)) + b_mag)`.
#[derive(Debug, Clone)]
pub(super) struct Gated {
    /// `[d_in, d_sae]`
    pub(super) w_enc: Tensor<2>,
    /// `[d_sae]`
    pub(super) b_gate: Tensor<1>,
    /// `[d_sae]`
    pub(super) b_mag: Tensor<1>,
    /// `[d_sae]`
    pub(super) r_mag: Tensor<1>,
}

impl Gated {
    /// `[n, d_in]` to `[n, d_sae]`. One product: `r_mag` scales columns, so it may as well scale the result.
    pub(super) fn encode(&self, x: Tensor<2>) -> Tensor<2> {
        let shared = fused_ops::linear(x, self.w_enc.clone().transpose());
        let closed = (shared.clone() + self.b_gate.clone().unsqueeze()).lower_equal_scalar(0.0);
        let magnitude =
            shared * self.r_mag.clone().exp().unsqueeze() + self.b_mag.clone().unsqueeze();
        relu(magnitude).mask_fill(closed, 0.0)
    }
}
