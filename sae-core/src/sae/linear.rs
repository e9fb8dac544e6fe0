//! The encoder that most architectures share.

use super::topk::keep_top;
use burn::tensor::{Tensor, activation::relu};

/// `act(x @ W_enc + b_enc)`.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    /// `[d_in, d_sae]`
    pub(crate) w_enc: Tensor<2>,
    /// `[d_sae]`
    pub(crate) b_enc: Tensor<1>,
    pub(crate) activation: Activation,
}

/// Which pre-activations stay, and as what.
#[derive(Debug, Clone)]
pub(crate) enum Activation {
    /// `max(h, 0)`.
    Relu,
    /// `max(h, 0)` where `h > threshold`, strictly.
    JumpRelu {
        /// `[d_sae]`
        threshold: Tensor<1>,
    },
    /// The `k` largest of each token.
    TopK(Selection),
}

/// How a top-k activation selects.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(super) k: usize,
    /// By magnitude and with its sign, rather than by value and clipped at zero.
    pub(super) by_magnitude: bool,
    /// `[d_sae]`, decoder norms that pre-activations are multiplied by first, where the SAE asks for it.
    pub(super) norms: Option<Tensor<1>>,
    /// The largest of each of `k` groups of neighbours, rather than the `k` largest of all.
    pub(super) grouped: bool,
}

impl Linear {
    /// `[n, d_in]` to `[n, d_sae]`.
    pub(super) fn pre_activations(&self, x: Tensor<2>) -> Tensor<2> {
        let h =
            fused_ops::linear(x, self.w_enc.clone().transpose()) + self.b_enc.clone().unsqueeze();
        match &self.activation {
            Activation::TopK(Selection {
                norms: Some(norms), ..
            }) => h * norms.clone().unsqueeze(),
            _ => h,
        }
    }

    /// `[n, d_in]` to `[n, d_sae]`.
    pub(super) fn encode(&self, x: Tensor<2>) -> Tensor<2> {
        let h = self.pre_activations(x);
        match &self.activation {
            Activation::Relu => relu(h),
            Activation::JumpRelu { threshold } => {
                // relu first: a negative threshold lets nothing negative through.
                let below = h.clone().lower_equal(threshold.clone().unsqueeze());
                relu(h).mask_fill(below, 0.0)
            }
            Activation::TopK(selection) => keep_top(h, selection),
        }
    }
}
