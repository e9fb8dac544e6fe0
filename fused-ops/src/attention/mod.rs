//! softmax(q·kᵀ/√dh)·v under a causal mask.

#[cfg(any(feature = "cuda", feature = "wgpu"))]
use crate::cube::{self, Kernels as _};
#[cfg(feature = "cpu")]
use crate::host::{Format, common, format};
#[cfg(any(feature = "cuda", feature = "wgpu"))]
use burn::backend::Dispatch;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Tensor};

#[cfg(feature = "cpu")]
pub(crate) mod host;

/// Causal attention with grouped queries: query head h reads key and value head `h / (H / KV)`. Scores and pattern never exist as
/// a whole. Where there are more keys than queries, the queries are those of the last positions.
///
/// # Shapes
/// `q`: `[b, p, H, dh]`; `k`, `v`: `[b, n, KV, dh]`, n at least p, H a multiple of KV → `[b, p, H, dh]`.
///
/// # Panics
/// If the shapes do not fit.
pub fn causal_attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let [b, p, n_heads, d_head] = q.dims();
    let [_, n, kv, _] = k.dims();
    let fits = k.dims() == [b, n, kv, d_head] && v.dims() == k.dims();
    assert!(
        fits && n >= p && n_heads.is_multiple_of(kv),
        "queries {:?}, keys {:?} and values {:?} do not fit",
        q.dims(),
        k.dims(),
        v.dims()
    );
    #[cfg(feature = "cpu")]
    match common([format(&q), format(&k), format(&v)]) {
        Some(Format::F32) => return host::causal_attention(q, k, v),
        Some(Format::Bf16) => return host::causal_attention_bf16(q, k, v),
        None => {}
    }
    // Grouped queries are not in every backend's attention; next to it, the copy is nothing.
    let [q, k, v] =
        [q, repeat_heads(k, n_heads), repeat_heads(v, n_heads)].map(|x| x.swap_dims(1, 2));
    // Backends disagree on whose end is_causal aligns where the lengths differ.
    let future = (n > p).then(|| {
        let mask = Tensor::<2, Bool>::tril_mask([p, n], (n - p) as i64, &q.device());
        mask.unsqueeze::<4>().expand([b, n_heads, p, n])
    });
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    if [&q, &k, &v].into_iter().all(cube::on_gpu) {
        let [q, k, v] = [q, k, v].map(Tensor::into_dispatch);
        let z = match future {
            None => Dispatch::kernel_causal_attention(q, k, v),
            Some(future) => Dispatch::kernel_attention(q, k, v, future.into_dispatch()),
        };
        return Tensor::<4>::from_dispatch(z).swap_dims(1, 2);
    }
    let options = AttentionModuleOptions {
        is_causal: future.is_none(),
        ..Default::default()
    };
    attention(q, k, v, future, None, options).swap_dims(1, 2)
}

/// `[b, p, KV, dh]` → `[b, p, H, dh]`, each key/value head repeated for the queries that share it.
pub(crate) fn repeat_heads(x: Tensor<4>, n_heads: usize) -> Tensor<4> {
    let [b, p, kv, d] = x.dims();
    if kv == n_heads {
        return x;
    }
    x.unsqueeze_dim::<5>(3)
        .expand([b, p, kv, n_heads / kv, d])
        .reshape([b, p, n_heads, d])
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::{causal_attention, repeat_heads};
    use burn::tensor::activation::softmax;
    use burn::tensor::{Bool, Device, Distribution, Tensor};

    /// Step by step.
    fn by_definition(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
        let [b, p, n_heads, d_head] = q.dims();
        let [q, k, v] =
            [q, repeat_heads(k, n_heads), repeat_heads(v, n_heads)].map(|x| x.swap_dims(1, 2));
        let n = k.dims()[2];
        let scores = q.matmul(k.swap_dims(2, 3)) / (d_head as f64).sqrt();
        let future = Tensor::<2, Bool>::tril_mask([p, n], (n - p) as i64, &scores.device());
        let scores = scores.mask_fill(
            future.unsqueeze::<4>().expand([b, n_heads, p, n]),
            f32::NEG_INFINITY,
        );
        softmax(scores, 3).matmul(v).swap_dims(1, 2)
    }

    #[test]
    fn is_the_definition_for_any_length_and_grouping() {
        let device = Device::flex();
        for (b, p, heads, kv, d_head) in [
            (1, 1, 1, 1, 4),
            (2, 5, 6, 2, 8),
            (1, 63, 4, 1, 16),
            (3, 64, 4, 4, 16),
            (2, 65, 3, 1, 64),
            (1, 300, 9, 3, 64),
        ] {
            let [q, k, v] = [heads, kv, kv].map(|heads| {
                Tensor::<4>::random(
                    [b, p, heads, d_head],
                    Distribution::Normal(0.0, 2.0),
                    &device,
                )
            });
            let found = causal_attention(q.clone(), k.clone(), v.clone());
            let error: f32 = (found - by_definition(q, k, v)).abs().max().into_scalar();
            assert!(
                error < 2e-5,
                "{p} positions, {heads} heads on {kv}: {error}"
            );
        }
    }

    #[test]
    fn queries_may_be_the_last_of_the_positions() {
        let device = Device::flex();
        for (b, p, n, heads, kv) in [
            (1, 1, 9, 4, 2),
            (2, 3, 70, 6, 2),
            (1, 65, 66, 3, 3),
            (1, 70, 200, 3, 1),
        ] {
            let random = |p, heads| {
                Tensor::<4>::random([b, p, heads, 16], Distribution::Normal(0.0, 2.0), &device)
            };
            let (q, k, v) = (random(p, heads), random(n, kv), random(n, kv));
            let found = causal_attention(q.clone(), k.clone(), v.clone());
            let error: f32 = (found - by_definition(q, k, v)).abs().max().into_scalar();
            assert!(error < 2e-5, "{p} of {n}: {error}");
        }
    }

    #[test]
    fn reads_views() {
        let device = Device::flex();
        let all = Tensor::<4>::random([2, 70, 8, 16], Distribution::Normal(0.0, 1.0), &device);
        let [q, k, v] = [(0, 4), (4, 2), (6, 2)].map(|(start, n)| all.clone().narrow(2, start, n));
        let found = causal_attention(q.clone(), k.clone(), v.clone());
        let error: f32 = (found - by_definition(q, k, v)).abs().max().into_scalar();
        assert!(error < 2e-5, "{error}");
    }

    #[test]
    fn large_scores_do_not_overflow() {
        let device = Device::flex();
        let q = Tensor::<4>::ones([1, 40, 1, 16], &device) * 100.0;
        let v = Tensor::<4>::random([1, 40, 1, 16], Distribution::Default, &device);
        let found = causal_attention(q.clone(), q, v);
        assert!(found.is_finite().all().into_scalar::<bool>());
    }

    #[test]
    #[should_panic(expected = "do not fit")]
    fn shapes_must_fit() {
        let x = |heads| Tensor::<4>::zeros([1, 2, heads, 4], &Device::flex());
        causal_attention(x(3), x(2), x(2));
    }
}
