//! Attention that goes on gives what attention to everything at once gives.
#![cfg(feature = "cpu")]

use burn::tensor::{Device, Distribution, FloatDType, Tensor};
use fused_ops::{KeyValues, causal_attention};
use proptest::prelude::*;

fn random(b: usize, p: usize, heads: usize, d: usize) -> Tensor<4> {
    Tensor::random(
        [b, p, heads, d],
        Distribution::Normal(0.0, 1.5),
        &Device::flex(),
    )
}

fn error(a: Tensor<4>, b: Tensor<4>) -> f32 {
    (a - b).abs().max().into_scalar()
}

/// Rows of several lengths in some steps: how many columns each has, and how many of each row's are padding.
fn steps() -> impl Strategy<Value = (usize, usize, Vec<(usize, Vec<usize>)>)> {
    (1..4_usize, 1..3_usize).prop_flat_map(|(b, kv)| {
        let step = (1..9_usize).prop_flat_map(move |p| (Just(p), prop::collection::vec(0..p, b)));
        let one = Just((1, vec![0; b]));
        (
            Just(b),
            Just(kv),
            prop::collection::vec(prop_oneof![step, one], 1..8),
        )
    })
}

proptest! {
    /// Every row, by itself and in one piece, gives the same.
    #[test]
    fn is_causal_attention_of_each_row_alone((b, kv, steps) in steps(), narrow: bool, room in 0..40_usize) {
        let (heads, d) = (2 * kv, 16);
        let dtype = if narrow { FloatDType::F64 } else { FloatDType::F32 };
        let mut store = KeyValues::with_room(room);
        // Each row's real queries, keys, values and what came out.
        let mut rows = vec![[const { Vec::new() }; 4]; b];
        for (p, padding) in &steps {
            let (q, k, v) = (random(b, *p, heads, d), random(b, *p, kv, d), random(b, *p, kv, d));
            let [q, k, v] = [q, k, v].map(|x| x.cast(dtype));
            let out = store.attend(q.clone(), k.clone(), v.clone(), padding);
            for (row, kept) in rows.iter_mut().enumerate() {
                let real = |x: &Tensor<4>| x.clone().narrow(0, row, 1).narrow(1, padding[row], p - padding[row]);
                for (kept, x) in kept.iter_mut().zip([&q, &k, &v, &out]) {
                    kept.push(real(x));
                }
            }
        }
        for row in rows {
            let [q, k, v, out] = row.map(|parts| Tensor::cat(parts, 1).cast(FloatDType::F32));
            prop_assert!(error(causal_attention(q, k, v), out) < 2e-5);
        }
    }
}

#[test]
fn clones_go_on_by_themselves_and_rows_can_be_chosen() {
    for dtype in [FloatDType::F32, FloatDType::F64] {
        let part = |b, p, heads| random(b, p, heads, 8).cast(dtype);
        let (q, k, v) = (part(2, 5, 4), part(2, 5, 2), part(2, 5, 2));
        let mut prefix = KeyValues::default();
        prefix.attend(q, k.clone(), v.clone(), &[0, 2]);
        let mut many = prefix.clone();
        many.select(&[1, 0, 1]);
        let new = [part(3, 1, 4), part(3, 1, 2), part(3, 1, 2)];
        let [q, new_k, new_v] = new.clone();
        let found = many.attend(q.clone(), new_k.clone(), new_v.clone(), &[0; 3]);
        for (i, (row, padding)) in [(1, 2), (0, 0), (1, 2)].into_iter().enumerate() {
            let whole = |old: &Tensor<4>, new: &Tensor<4>| {
                let old = old
                    .clone()
                    .narrow(0, row, 1)
                    .narrow(1, padding, 5 - padding);
                Tensor::cat(vec![old, new.clone().narrow(0, i, 1)], 1)
            };
            let expected = causal_attention(
                q.clone().narrow(0, i, 1),
                whole(&k, &new_k),
                whole(&v, &new_v),
            );
            assert!(error(found.clone().narrow(0, i, 1), expected) < 1e-5);
        }
        // What the clone has added is not in the original.
        assert_eq!((prefix.n_columns(), many.n_columns()), (5, 6));
        let (kept, _) = prefix.dense();
        assert!(error(kept.narrow(0, 0, 1), k.clone().narrow(0, 0, 1)) < 1e-6);
        assert_eq!(many.dense().0.dims(), [3, 6, 2, 8]);
    }
}
