//! softmax(q·kᵀ/√dh)·v under a causal mask, step by step, for hooks that look inside.

use crate::hook::{Fire, Hook, HookPoint};
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, FloatDType, Tensor};
use fused_ops::matmul;

/// In f32, as transformers' eager attention.
///
/// # Shapes
/// `q`: `[b, p, H, dh]`; `k`, `v`: `[b, n, KV, dh]`; `hidden`: `[b or 1, 1, p, n]`, the keys that a query does not see; without it those
/// after its own, n being p → `[b, p, H, dh]`.
pub(crate) fn explicit<H: Hook + ?Sized>(
    layer: usize,
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    hidden: Option<Tensor<4, Bool>>,
    hooks: &mut H,
) -> Tensor<4> {
    let dtype = FloatDType::from(q.dtype());
    let [b, p, heads, d_head] = q.dims();
    let n = k.dims()[1];
    let q = q.swap_dims(1, 2).cast(FloatDType::F32);
    let k = expand_heads(k, heads).cast(FloatDType::F32);
    let scores = matmul(q, k.swap_dims(2, 3)).div_scalar((d_head as f64).sqrt());
    let hidden = hidden.unwrap_or_else(|| {
        Tensor::<2, Bool>::tril_mask([p, p], 0, &scores.device()).unsqueeze::<4>()
    });
    let scores = scores.mask_fill(hidden.expand([b, heads, p, n]), f32::NEG_INFINITY);
    let scores = hooks.fire(HookPoint::AttnScores(layer), scores);
    let pattern = hooks.fire(HookPoint::Pattern(layer), softmax(scores, 3));
    matmul(pattern.cast(dtype), expand_heads(v, heads)).swap_dims(1, 2)
}

/// `[b, p, KV, dh]` → `[b, H, p, dh]`, each key/value head repeated for the queries that share it.
fn expand_heads(x: Tensor<4>, n_heads: usize) -> Tensor<4> {
    let [b, p, kv, d] = x.dims();
    let x = x.swap_dims(1, 2);
    if kv == n_heads {
        return x;
    }
    let group = n_heads / kv;
    x.unsqueeze_dim::<5>(2)
        .expand([b, kv, group, p, d])
        .reshape([b, n_heads, p, d])
}

#[cfg(test)]
mod tests {
    use super::explicit;
    use crate::hook::NoHooks;
    use burn::tensor::{Device, Distribution, Tensor};
    use fused_ops::causal_attention;

    #[test]
    fn gives_what_the_fused_kernel_gives() {
        let device = Device::flex();
        for p in [1, 5, 129] {
            let [q, k, v] = [6, 2, 2].map(|heads| {
                Tensor::<4>::random([2, p, heads, 8], Distribution::Normal(0.0, 2.0), &device)
            });
            let fused = causal_attention(q.clone(), k.clone(), v.clone());
            let error: f32 = (fused - explicit(0, q, k, v, None, &mut NoHooks))
                .abs()
                .max()
                .into_scalar();
            assert!(error < 1e-5, "{p} positions: {error}");
        }
    }
}
