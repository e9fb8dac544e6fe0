//! The temporal encoder: attention predicts from earlier positions, features are what is new.
//!
//! After Lubana et al. 2025 (arXiv 2511.01836), with SAELens' constants.

use super::linear::Selection;
use super::matmul;
use super::topk::keep_top;
use burn::tensor::{
    DType, Tensor,
    activation::{relu, softmax},
};

/// Keeps a prediction of zero from dividing by zero.
const EPS: f64 = 1e-6;

/// Encoder weights and attention layers.
#[derive(Debug, Clone)]
pub(super) struct Temporal {
    /// `[d_in, d_sae]`; the decoder's transpose if `None`.
    pub(super) w_enc: Option<Tensor<2>>,
    pub(super) layers: Vec<AttentionLayer>,
    pub(super) n_heads: usize,
    pub(super) k: Option<usize>,
}

/// One attention layer in the space of features. Weights are `[out, in]`, as torch keeps them.
#[derive(Debug, Clone)]
pub(super) struct AttentionLayer {
    pub(super) k_ctx: Affine,
    pub(super) q_target: Affine,
    pub(super) v_ctx: Affine,
    pub(super) c_proj: Affine,
}

/// `x @ weightᵀ + bias`.
#[derive(Debug, Clone)]
pub(super) struct Affine {
    pub(super) weight: Tensor<2>,
    pub(super) bias: Tensor<1>,
}

/// The two parts of a code, `[b, p, d_sae]` each.
pub(super) struct Codes {
    pub(super) novel: Tensor<3>,
    pub(super) predicted: Tensor<3>,
}

impl Temporal {
    pub(super) fn is_tied(&self) -> bool {
        self.w_enc.is_none()
    }

    pub(super) fn w_enc(&self, w_dec: &Tensor<2>) -> Tensor<2> {
        self.w_enc
            .clone()
            .unwrap_or_else(|| w_dec.clone().transpose())
    }

    /// `x`: `[b, p, d_in]`.
    pub(super) fn encode(&self, x: Tensor<3>, w_dec: &Tensor<2>) -> Codes {
        let [b, p, d_in] = x.dims();
        let [d_sae, _] = w_dec.dims();
        let w_enc = self.w_enc(w_dec);
        let lambda = 1.0 / (4.0 * d_in as f64);
        let codes = |x: Tensor<3>| relu(matmul(x * lambda, w_enc.clone()));
        let mut residual = x;
        let mut predicted =
            Tensor::<3>::zeros([b, p, d_sae], (&residual.device(), residual.dtype()));
        for layer in &self.layers {
            let now = codes(residual.clone());
            let seen = layer.attend(before(now.clone()), now, self.n_heads);
            let code = relu(seen);
            let direction = matmul(code.clone(), w_dec.clone());
            let norm = direction.clone().square().sum_dim(2).sqrt() + EPS;
            let amount = (direction.clone() * residual.clone()).sum_dim(2) / norm.square();
            predicted = predicted + code * amount.clone();
            residual = residual - direction * amount;
        }
        let novel = codes(residual);
        let novel = match self.k {
            Some(k) => {
                let selection = Selection {
                    k,
                    by_magnitude: false,
                    norms: None,
                    grouped: false,
                };
                keep_top(novel.reshape([b * p, d_sae]), &selection).reshape([b, p, d_sae])
            }
            None => novel,
        };
        Codes { novel, predicted }
    }
}

/// Each position's predecessor; zeros before the first.
fn before(x: Tensor<3>) -> Tensor<3> {
    let [b, p, d] = x.dims();
    let first = Tensor::zeros([b, 1, d], (&x.device(), x.dtype()));
    if p == 1 {
        return first;
    }
    Tensor::cat(vec![first, x.narrow(1, 0, p - 1)], 1)
}

impl AttentionLayer {
    /// Causal attention of `target` over `context`, both `[b, p, d_sae]`. Positions line up: the caller has shifted the context.
    fn attend(&self, context: Tensor<3>, target: Tensor<3>, n_heads: usize) -> Tensor<3> {
        let [b, p, d_sae] = target.dims();
        let heads = |x: Tensor<3>| {
            let [_, _, d] = x.dims();
            x.reshape([b, p, n_heads, d / n_heads]).swap_dims(1, 2)
        };
        let k = heads(self.k_ctx.apply(context.clone()));
        let v = heads(self.v_ctx.apply(context));
        let q = heads(self.q_target.apply(target));
        let scale = 1.0 / (q.dims()[3] as f64).sqrt();
        let scores = fused_ops::matmul(q, k.swap_dims(2, 3)) * scale;
        let later = Tensor::<2>::ones([p, p], &scores.device())
            .triu(1)
            .greater_scalar(0.0);
        let scores = scores.cast(DType::F32).mask_fill(
            later.unsqueeze::<4>().expand([b, n_heads, p, p]),
            f32::NEG_INFINITY,
        );
        let dtype = v.dtype();
        let seen = fused_ops::matmul(softmax(scores, 3).cast(dtype), v);
        self.c_proj
            .apply(seen.swap_dims(1, 2).reshape([b, p, d_sae]))
    }
}

impl Affine {
    fn apply(&self, x: Tensor<3>) -> Tensor<3> {
        matmul(x, self.weight.clone().transpose()) + self.bias.clone().unsqueeze()
    }
}
