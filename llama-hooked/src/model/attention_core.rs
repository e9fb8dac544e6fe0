//! softmax(q·kᵀ/√dh)·v under a causal mask, in two ways.

use super::cpu::is_cpu;
use crate::hook::{Fire, Hook, HookPoint};
use burn::tensor::activation::softmax;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, FloatDType, Tensor};

/// Queries that the CPU takes at a time.
const CPU_QUERIES: usize = 128;

/// With the backend's fused attention: scores and pattern never exist as a whole.
///
/// # Shapes
/// `q`: `[b, p, H, dh]`; `k`, `v`: `[b, p, KV, dh]` → `[b, p, H, dh]`.
pub(crate) fn fused(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let [_, p, n_heads, _] = q.dims();
    let q = q.swap_dims(1, 2);
    if !is_cpu(&q.device()) {
        // Grouped queries are not in every backend's attention; next to it, the copy is nothing.
        return causal(q, expand_heads(k, n_heads), expand_heads(v, n_heads)).swap_dims(1, 2);
    }
    // The CPU's kernel computes what the mask then hides. Some queries at a time, each with the keys it can see, is the same in
    // little more than half the time.
    let (k, v) = (k.swap_dims(1, 2), v.swap_dims(1, 2));
    let parts = (0..p).step_by(CPU_QUERIES).map(|start| {
        let end = (start + CPU_QUERIES).min(p);
        let q = q.clone().narrow(2, start, end - start);
        causal(q, k.clone().narrow(2, 0, end), v.clone().narrow(2, 0, end)).swap_dims(1, 2)
    });
    Tensor::cat(parts.collect(), 1)
}

/// The last query sees every key, the one before it all but the last, and so on.
fn causal(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let options = AttentionModuleOptions {
        is_causal: true,
        ..Default::default()
    };
    attention(q, k, v, None, None, options)
}

/// Step by step and in f32, for hooks that look inside.
///
/// # Shapes
/// As [`fused`].
pub(crate) fn explicit<H: Hook + ?Sized>(
    layer: usize,
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    hooks: &mut H,
) -> Tensor<4> {
    let dtype = FloatDType::from(q.dtype());
    let [b, p, heads, d_head] = q.dims();
    let q = q.swap_dims(1, 2).cast(FloatDType::F32);
    let k = expand_heads(k, heads).cast(FloatDType::F32);
    let scores = q
        .matmul(k.swap_dims(2, 3))
        .div_scalar((d_head as f64).sqrt());
    let future = Tensor::<2, Bool>::tril_mask([p, p], 0, &scores.device());
    let scores = scores.mask_fill(
        future.unsqueeze::<4>().expand([b, heads, p, p]),
        f32::NEG_INFINITY,
    );
    let scores = hooks.fire(HookPoint::AttnScores(layer), scores);
    let pattern = hooks.fire(HookPoint::Pattern(layer), softmax(scores, 3));
    pattern
        .cast(dtype)
        .matmul(expand_heads(v, heads))
        .swap_dims(1, 2)
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
    use super::{CPU_QUERIES, causal, expand_heads, explicit, fused};
    use crate::hook::NoHooks;
    use burn::tensor::{Device, Distribution, Tensor};

    /// Lengths around the tile, with grouped queries.
    #[test]
    fn every_way_gives_the_same() {
        let device = Device::flex();
        for p in [1, 5, CPU_QUERIES, CPU_QUERIES + 1, 3 * CPU_QUERIES - 1] {
            let [q, k, v] = [6, 2, 2].map(|heads| {
                Tensor::<4>::random([2, p, heads, 8], Distribution::Normal(0.0, 2.0), &device)
            });
            let tiled = fused(q.clone(), k.clone(), v.clone());
            let whole = causal(
                q.clone().swap_dims(1, 2),
                expand_heads(k.clone(), 6),
                expand_heads(v.clone(), 6),
            );
            let by_hand = explicit(0, q, k, v, &mut NoHooks);
            for other in [whole.swap_dims(1, 2), by_hand] {
                let error: f32 = (tiled.clone() - other).abs().max().into_scalar();
                assert!(error < 1e-5, "{p} positions: {error}");
            }
        }
    }
}
