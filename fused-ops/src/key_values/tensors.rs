//! As tensors: on devices, and in other dtypes than f32 and bf16.

use crate::attention::repeat_heads;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Int, Tensor, TensorData};

/// Columns that room grows by at least.
const PIECE: usize = 64;

/// `[b, room, KV, dh]` each, of which the first columns are in use.
#[derive(Debug, Clone)]
pub(super) struct Tensors {
    /// `None` only while it is being changed: so that it has one owner, and can be written in place.
    k: Option<Tensor<4>>,
    v: Option<Tensor<4>>,
    len: usize,
}

impl Tensors {
    pub(super) fn new(like: &Tensor<4>) -> Self {
        let [b, _, kv, d] = like.dims();
        let none = || Some(Tensor::zeros([b, 0, kv, d], (&like.device(), like.dtype())));
        Self {
            k: none(),
            v: none(),
            len: 0,
        }
    }

    pub(super) fn push(&mut self, k: &Tensor<4>, v: &Tensor<4>, room: usize) {
        let (len, n) = (self.len, k.dims()[1]);
        for (slot, new) in [(&mut self.k, k), (&mut self.v, v)] {
            let old = slot.take().expect("is put back below");
            let [b, has, kv, d] = old.dims();
            assert_eq!(
                [b, n, kv, d],
                new.dims(),
                "keys of another shape than before"
            );
            let needs = len + n;
            let buffer = if needs <= has {
                old
            } else {
                let has = needs.max(room).max(len + len / 2).next_multiple_of(PIECE);
                let buffer = Tensor::zeros([b, has, kv, d], (&new.device(), new.dtype()));
                if len == 0 {
                    buffer
                } else {
                    buffer.slice_assign([0..b, 0..len, 0..kv, 0..d], old.narrow(1, 0, len))
                }
            };
            *slot = Some(buffer.slice_assign([0..b, len..needs, 0..kv, 0..d], new.clone()));
        }
        self.len += n;
    }

    pub(super) fn dense(&self) -> (Tensor<4>, Tensor<4>) {
        let used =
            |slot: &Option<Tensor<4>>| slot.clone().expect("was put back").narrow(1, 0, self.len);
        (used(&self.k), used(&self.v))
    }

    pub(super) fn select(&mut self, rows: &[usize]) {
        for slot in [&mut self.k, &mut self.v] {
            let old = slot.take().expect("is put back below");
            let rows = TensorData::new(rows.iter().map(|&row| row as i64).collect(), [rows.len()]);
            let rows = Tensor::<1, Int>::from_data(rows, &old.device());
            *slot = Some(old.select(0, rows));
        }
    }
}

/// Attention where `hidden`, `[b, 1, p, n]`, says what is not seen.
pub(super) fn attend(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    hidden: Tensor<4, Bool>,
) -> Tensor<4> {
    let [b, p, n_heads, _] = q.dims();
    let n = k.dims()[1];
    let [q, k, v] =
        [q, repeat_heads(k, n_heads), repeat_heads(v, n_heads)].map(|x| x.swap_dims(1, 2));
    let hidden = hidden.expand([b, n_heads, p, n]);
    attention(
        q,
        k,
        v,
        Some(hidden),
        None,
        AttentionModuleOptions::default(),
    )
    .swap_dims(1, 2)
}
