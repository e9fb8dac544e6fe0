//! On the CPU: each row's keys and values by head, without padding, read where they lie.

use super::columns::Columns;
use crate::attention::host::exponentiate;
use crate::causal_attention;
use crate::host::{HostTensor, Number, tensor, vectorised};
use crate::slices::{add_scaled_wide, wide_dot};
use burn::tensor::Tensor;
use rayon::prelude::*;
use std::sync::Arc;

/// Positions that room grows by at least.
const PIECE: usize = 64;
/// Numbers to read below which a second thread does not pay.
const MIN_PARALLEL: usize = 1 << 17;

/// Every row's keys and values.
#[derive(Debug, Clone)]
pub(super) struct Rows<E> {
    all: Vec<Row<E>>,
    kv_heads: usize,
    d_head: usize,
    room: usize,
}

/// One row: pieces that follow each other. A piece that a clone has too is not written to any more.
#[derive(Debug, Clone, Default)]
struct Row<E> {
    pieces: Vec<Arc<Piece<E>>>,
}

/// Positions that follow each other: `[KV, room, dh]` keys and as many values, of which the first `len` positions are in use.
#[derive(Debug, Clone, Default)]
struct Piece<E> {
    keys: Vec<E>,
    values: Vec<E>,
    len: usize,
    room: usize,
}

impl<E: Number> Piece<E> {
    /// The keys of a head, and the values, one position after the other.
    fn head(&self, head: usize, d_head: usize) -> (&[E], &[E]) {
        let place = head * self.room * d_head..(head * self.room + self.len) * d_head;
        (&self.keys[place.clone()], &self.values[place])
    }

    fn grow(&mut self, room: usize, kv_heads: usize, d_head: usize) {
        for numbers in [&mut self.keys, &mut self.values] {
            let mut larger = vec![E::default(); kv_heads * room * d_head];
            for head in 0..kv_heads {
                let used = self.len * d_head;
                larger[head * room * d_head..][..used]
                    .copy_from_slice(&numbers[head * self.room * d_head..][..used]);
            }
            *numbers = larger;
        }
        self.room = room;
    }
}

impl<E: Number> Row<E> {
    fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len).sum()
    }

    /// A piece with room for n more positions.
    fn last(&mut self, n: usize, wanted: usize, kv_heads: usize, d_head: usize) -> &mut Piece<E> {
        let before = self.len();
        if self
            .pieces
            .last_mut()
            .is_none_or(|piece| Arc::get_mut(piece).is_none())
        {
            self.pieces.push(Arc::default());
        }
        let piece = self
            .pieces
            .last_mut()
            .map(Arc::make_mut)
            .expect("was pushed where there was none");
        let needs = piece.len + n;
        if needs > piece.room {
            let earlier = before - piece.len;
            let room = needs
                .max(piece.room + piece.room / 2)
                .next_multiple_of(PIECE);
            // Exactly what is wanted where that is known.
            let room = if needs <= wanted.saturating_sub(earlier) {
                wanted - earlier
            } else {
                room
            };
            piece.grow(room, kv_heads, d_head);
        }
        piece
    }
}

impl<E: Number> Rows<E> {
    /// For keys of this shape, `[b, p, KV, dh]`.
    pub(super) fn new([b, _, kv_heads, d_head]: [usize; 4], room: usize) -> Self {
        Self {
            all: vec![Row::default(); b],
            kv_heads,
            d_head,
            room,
        }
    }

    pub(super) fn push(&mut self, k: &Tensor<4>, v: &Tensor<4>, padding: &[usize]) {
        let (kv_heads, d_head, wanted) = (self.kv_heads, self.d_head, self.room);
        let [_, p, ..] = k.dims();
        assert_eq!(
            k.dims(),
            [self.all.len(), p, kv_heads, d_head],
            "keys of another shape than before"
        );
        let [k, v] = [k, v].map(|x| HostTensor::<4, E>::with_whole_rows(x.clone()));
        let new = |x: &HostTensor<4, E>, row: usize, position: usize, head: usize| {
            let [by_row, by_position, by_head, _] = x.strides();
            row * by_row + position * by_position + head * by_head
        };
        for (row, &padding) in padding.iter().enumerate() {
            let n = p - padding;
            if n == 0 {
                continue;
            }
            let piece = self.all[row].last(n, wanted, kv_heads, d_head);
            for head in 0..kv_heads {
                for i in 0..n {
                    let to = (head * piece.room + piece.len + i) * d_head;
                    let position = padding + i;
                    piece.keys[to..][..d_head]
                        .copy_from_slice(&k.data()[new(&k, row, position, head)..][..d_head]);
                    piece.values[to..][..d_head]
                        .copy_from_slice(&v.data()[new(&v, row, position, head)..][..d_head]);
                }
            }
            piece.len += n;
        }
    }

    pub(super) fn select(&mut self, rows: &[usize]) {
        self.all = rows.iter().map(|&row| self.all[row].clone()).collect();
    }

    /// The attention of the last columns' queries, whose keys are there already.
    pub(super) fn attend(&self, q: Tensor<4>, padding: &[usize]) -> Tensor<4> {
        let [b, p, n_heads, d_head] = q.dims();
        if p == 1 && padding.iter().all(|&n| n == 0) {
            return self.attend_last(q);
        }
        let rows = (0..b).map(|row| {
            let n = p - padding[row];
            let zeros = |n| Tensor::<4>::zeros([1, n, n_heads, d_head], (&q.device(), q.dtype()));
            if n == 0 {
                return zeros(p);
            }
            let q = q.clone().narrow(0, row, 1).narrow(1, padding[row], n);
            let [k, v] = self.row(row);
            let out = causal_attention(q, k, v);
            if padding[row] == 0 {
                out
            } else {
                Tensor::cat(vec![zeros(padding[row]), out], 1)
            }
        });
        Tensor::cat(rows.collect(), 0)
    }

    /// One query a row. Reads each key and each value once, for all query heads that share it.
    fn attend_last(&self, q: Tensor<4>) -> Tensor<4> {
        let dims @ [b, _, n_heads, d_head] = q.dims();
        let group = n_heads / self.kv_heads;
        let q = HostTensor::<4, E>::new(q).widened();
        let q = q.as_slice();
        let mut out = vec![0.0_f32; b * n_heads * d_head];
        let width = group * d_head;
        let attend = |scores: &mut Vec<f32>, (task, out): (usize, &mut [f32])| {
            let (row, head) = (task / self.kv_heads, task % self.kv_heads);
            vectorised(|| {
                self.all[row].attend(head, &q[task * width..][..width], scores, out, d_head);
            });
        };
        let numbers: usize = self
            .all
            .iter()
            .map(|row| 2 * row.len() * self.kv_heads * d_head)
            .sum();
        if numbers < MIN_PARALLEL {
            let mut scores = Vec::new();
            out.chunks_exact_mut(width)
                .enumerate()
                .for_each(|task| attend(&mut scores, task));
        } else {
            out.par_chunks_exact_mut(width)
                .enumerate()
                .for_each_init(Vec::new, attend);
        }
        let out: Vec<E> = out.into_iter().map(E::narrow).collect();
        tensor(out, dims)
    }

    /// A row's keys and values, `[1, n, KV, dh]`.
    fn row(&self, row: usize) -> [Tensor<4>; 2] {
        let (kv_heads, d_head) = (self.kv_heads, self.d_head);
        let n = self.all[row].len();
        let mut all = [
            vec![E::default(); kv_heads * n * d_head],
            vec![E::default(); kv_heads * n * d_head],
        ];
        let mut at = 0;
        for piece in &self.all[row].pieces {
            for head in 0..kv_heads {
                let place = (head * n + at) * d_head..(head * n + at + piece.len) * d_head;
                let (keys, values) = piece.head(head, d_head);
                all[0][place.clone()].copy_from_slice(keys);
                all[1][place].copy_from_slice(values);
            }
            at += piece.len;
        }
        all.map(|numbers| tensor(numbers, [1, kv_heads, n, d_head]).swap_dims(1, 2))
    }

    pub(super) fn dense(&self, columns: &Columns) -> (Tensor<4>, Tensor<4>) {
        let (kv_heads, d_head) = (self.kv_heads, self.d_head);
        let (b, n) = (self.all.len(), columns.len());
        let width = kv_heads * d_head;
        let mut all = [
            vec![E::default(); b * n * width],
            vec![E::default(); b * n * width],
        ];
        for (row, content) in self.all.iter().enumerate() {
            let places = columns
                .row(row)
                .iter()
                .enumerate()
                .filter(|(_, seen)| **seen)
                .map(|(column, _)| column);
            let positions = content
                .pieces
                .iter()
                .flat_map(|piece| (0..piece.len).map(move |i| (piece, i)));
            for (column, (piece, i)) in places.zip(positions) {
                for head in 0..kv_heads {
                    let to = (row * n + column) * width + head * d_head;
                    let (keys, values) = piece.head(head, d_head);
                    all[0][to..][..d_head].copy_from_slice(&keys[i * d_head..][..d_head]);
                    all[1][to..][..d_head].copy_from_slice(&values[i * d_head..][..d_head]);
                }
            }
        }
        let [k, v] = all.map(|numbers| tensor(numbers, [b, n, kv_heads, d_head]));
        (k, v)
    }
}

impl<E: Number> Row<E> {
    /// softmax(q·kᵀ/√dh)·v of some queries that share a head's keys, each `dh` wide in `q` and in `out`, which is 0.
    #[inline(always)]
    #[allow(clippy::inline_always)] // compiled into the caller's vector code
    fn attend(
        &self,
        head: usize,
        q: &[f32],
        scores: &mut Vec<f32>,
        out: &mut [f32],
        d_head: usize,
    ) {
        let n = self.len();
        let group = q.len() / d_head;
        scores.resize(group * n, 0.0);
        let mut at = 0;
        for piece in &self.pieces {
            let (keys, _) = piece.head(head, d_head);
            for key in keys.chunks_exact(d_head) {
                for (i, q) in q.chunks_exact(d_head).enumerate() {
                    scores[i * n + at] = wide_dot(q, key);
                }
                at += 1;
            }
        }
        let scale = 1.0 / (d_head as f32).sqrt();
        for (scores, out) in scores.chunks_exact_mut(n).zip(out.chunks_exact_mut(d_head)) {
            let share = 1.0 / exponentiate(scores, scale);
            let mut scores = scores.iter();
            for piece in &self.pieces {
                let (_, values) = piece.head(head, d_head);
                for (value, score) in values.chunks_exact(d_head).zip(&mut scores) {
                    add_scaled_wide(out, score * share, value);
                }
            }
        }
    }
}
