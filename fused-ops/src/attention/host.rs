//! On the CPU: some queries at a time, with the keys they can see, each head on one thread.

use crate::host::{HostTensor, Number, tensor, vectorised};
use crate::softmax::exp;
use burn::tensor::{Tensor, bf16};
use gemm::Parallelism;
use rayon::prelude::*;

/// Queries at a time. Scores of a block are `QUERIES · p` values, which stay in the cache of one core up to long contexts.
const QUERIES: usize = 64;

pub(super) fn causal_attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let [q, k, v] = [q, k, v].map(HostTensor::with_whole_rows);
    attention::<f32>(&q, &k, &v)
}

/// As f32 all together: next to the products, the copies are nothing.
pub(super) fn causal_attention_bf16(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let [q, k, v] = [q, k, v].map(|x| HostTensor::<4, bf16>::new(x).widened());
    attention::<bf16>(&q, &k, &v)
}

/// In f32, written as `E`.
fn attention<E: Number>(q: &HostTensor<4>, k: &HostTensor<4>, v: &HostTensor<4>) -> Tensor<4> {
    let dims @ [b, p, n_heads, d_head] = q.dims();
    let queries = QUERIES.min(p);
    let before = k.dims()[1] - p;
    // The last block of a row may be short, so that blocks of different rows are not of one length: hence by row, then by block.
    let mut out = vec![E::default(); b * p * n_heads * d_head];
    let blocks: Vec<(usize, usize, &mut [E])> = out
        .chunks_mut((p * n_heads * d_head).max(1))
        .enumerate()
        .flat_map(|(row, out)| {
            out.chunks_mut(queries * n_heads * d_head)
                .enumerate()
                .map(move |(block, out)| (row, block * queries, out))
        })
        .collect();
    // Later blocks see more keys; to begin with them spreads the work evenly.
    blocks
        .into_par_iter()
        .rev()
        .for_each_init(Buffers::default, |buffers, (row, start, out)| {
            for head in 0..n_heads {
                let n = out.len() / (n_heads * d_head);
                let block = Block {
                    row,
                    head,
                    before,
                    start,
                    n,
                };
                block.attend(q, k, v, buffers);
                let rows = out.chunks_exact_mut(n_heads * d_head);
                for (out, found) in rows.zip(buffers.out.chunks_exact(d_head)) {
                    for (out, &x) in out[head * d_head..][..d_head].iter_mut().zip(found) {
                        *out = E::narrow(x);
                    }
                }
            }
        });
    tensor(out, dims)
}

/// What a thread works with.
#[derive(Default)]
struct Buffers {
    scores: Vec<f32>,
    /// Of one head: its rows follow each other.
    out: Vec<f32>,
}

/// Queries `start..start + n` of one head of one row, the first of which comes after `before` keys.
#[derive(Clone, Copy)]
struct Block {
    row: usize,
    head: usize,
    before: usize,
    start: usize,
    n: usize,
}

impl Block {
    /// Leaves the block's output in the buffer for it.
    fn attend(
        self,
        q: &HostTensor<4>,
        k: &HostTensor<4>,
        v: &HostTensor<4>,
        buffers: &mut Buffers,
    ) {
        let Self {
            row,
            head,
            before,
            start,
            n,
        } = self;
        let [_, _, n_heads, d_head] = q.dims();
        let kv_head = head / (n_heads / k.dims()[2]);
        let seen = before + start + n;
        let Buffers { scores, out } = buffers;
        scores.resize(n * seen, 0.0);
        out.resize(n * d_head, 0.0);
        let queries = Matrix::of(q, row, start, n, head);
        let keys = Matrix::of(k, row, 0, seen, kv_head);
        let values = Matrix::of(v, row, 0, seen, kv_head);
        queries.times(keys.transposed(), scores, seen);
        let scale = 1.0 / (d_head as f32).sqrt();
        let mut sums = [0.0_f32; QUERIES];
        for (i, (scores, sum)) in scores.chunks_exact_mut(seen).zip(&mut sums).enumerate() {
            let (past, future) = scores.split_at_mut(before + start + i + 1);
            future.fill(0.0);
            *sum = vectorised(|| exponentiate(past, scale));
        }
        let pattern = Matrix {
            data: scores,
            rows: n,
            cols: seen,
            row_stride: seen,
            col_stride: 1,
        };
        pattern.times(values, out, d_head);
        for (out, sum) in out.chunks_exact_mut(d_head).zip(&sums) {
            let scale = 1.0 / sum;
            for x in out {
                *x *= scale;
            }
        }
    }
}

/// x becomes exp(scale·(x − max)); returns the sum.
#[inline(always)]
#[allow(clippy::inline_always)] // compiled into the caller's vector code
pub(crate) fn exponentiate(row: &mut [f32], scale: f32) -> f32 {
    const LANES: usize = 16;
    let mut largest = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (largest, &x) in largest.iter_mut().zip(chunk) {
            *largest = if x > *largest { x } else { *largest };
        }
    }
    let largest = largest
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, f32::max);
    let mut sums = [0.0_f32; LANES];
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *x = exp((*x - largest) * scale);
            *sum += *x;
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *x = exp((*x - largest) * scale);
        *sum += *x;
    }
    sums.iter().sum()
}

/// A matrix somewhere in a slice.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Positions `start..start + n` of one head: `[n, dh]`.
    fn of(x: &'a HostTensor<4>, row: usize, start: usize, n: usize, head: usize) -> Self {
        let [by_row, by_position, by_head, col_stride] = x.strides();
        let offset = row * by_row + start * by_position + head * by_head;
        Self {
            data: &x.data()[offset..],
            rows: n,
            cols: x.dims()[3],
            row_stride: by_position,
            col_stride,
        }
    }

    fn transposed(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    fn check(&self) {
        assert!(
            (self.rows - 1) * self.row_stride + (self.cols - 1) * self.col_stride < self.data.len()
        );
    }

    /// The product with `other`, to rows of `out` that are `stride` apart. On this thread: the caller uses the others.
    fn times(self, other: Matrix<'_>, out: &mut [f32], stride: usize) {
        self.check();
        other.check();
        assert!(self.cols == other.rows && (self.rows - 1) * stride + other.cols <= out.len());
        // SAFETY: by the assertions all elements of the operands and of the product lie in their slices.
        unsafe {
            gemm::gemm(
                self.rows,
                other.cols,
                self.cols,
                out.as_mut_ptr(),
                1,
                stride as isize,
                false,
                self.data.as_ptr(),
                self.col_stride as isize,
                self.row_stride as isize,
                other.data.as_ptr(),
                other.col_stride as isize,
                other.row_stride as isize,
                0.0,
                1.0,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }
}
