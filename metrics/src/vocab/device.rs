//! The reduction over the vocabulary as tensor operations.

use super::{Altered, Runs, TokenLosses};
use crate::tensors::to_f32s;
use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Int, Tensor, TensorData};
use std::ops::Range;

pub(super) fn losses(
    runs: &Runs,
    targets: &[u32],
    vocab_size: usize,
    max_bytes: usize,
    logits: impl Fn(Tensor<2>, Range<usize>) -> Tensor<2>,
) -> TokenLosses {
    let n_runs = 1 + runs.altered.len();
    let step = tokens_per_chunk(n_runs, vocab_size, max_bytes);
    let chunks = targets.chunks(step).enumerate().map(|(chunk, targets)| {
        let (first, n) = (chunk * step, targets.len());
        let altered = (0..runs.altered.len()).map(|run| runs.altered(run, first, n));
        let rows: Vec<_> = std::iter::once(runs.original(first, n))
            .chain(altered)
            .collect();
        let sizes: Vec<usize> = rows.iter().map(|rows| rows.dims()[0]).collect();
        numbers(
            &logits(Tensor::cat(rows, 0), 0..vocab_size),
            &sizes,
            targets,
        )
    });
    read(chunks.collect(), n_runs)
}

/// How many tokens' logits, of all runs, fit in `max_bytes` as f32.
fn tokens_per_chunk(n_runs: usize, vocab_size: usize, max_bytes: usize) -> usize {
    (max_bytes / (n_runs * size_of::<f32>() * vocab_size.max(1))).max(1)
}

/// The original's cross-entropy, then cross-entropy and divergence of each altered run, left on the device.
///
/// # Shapes
/// `logits`: `[sum of sizes, vocab]`, the runs' rows one after the other, each `n` or one → `[n, 1 + 2·altered]`, f32.
fn numbers(logits: &Tensor<2>, sizes: &[usize], targets: &[u32]) -> Tensor<2> {
    let n = targets.len();
    let [_, vocab_size] = logits.dims();
    let device = logits.device();
    let targets: Vec<i64> = targets.iter().map(|&target| i64::from(target)).collect();
    let targets = Tensor::<2, Int>::from_data(TensorData::new(targets, [n, 1]), &device);
    let run = |start: usize, rows: usize| {
        let logits = logits.clone().narrow(0, start, rows).cast(DType::F32);
        log_softmax(logits, 1).expand([n, vocab_size])
    };
    let cross_entropy = |log_p: &Tensor<2>| log_p.clone().gather(1, targets.clone()).neg();
    let original = run(0, n);
    let p = original.clone().exp();
    let mut columns = vec![cross_entropy(&original)];
    let mut start = n;
    for &rows in &sizes[1..] {
        let log_q = run(start, rows);
        start += rows;
        columns.push(cross_entropy(&log_q));
        columns.push((p.clone() * (original.clone() - log_q)).sum_dim(1));
    }
    Tensor::cat(columns, 1)
}

/// Reads the numbers of all chunks back at once.
fn read(chunks: Vec<Tensor<2>>, n_runs: usize) -> TokenLosses {
    let mut losses = TokenLosses {
        original: Vec::new(),
        altered: vec![Vec::new(); n_runs - 1],
    };
    if chunks.is_empty() {
        return losses;
    }
    let numbers = to_f32s(Tensor::cat(chunks, 0));
    for token in numbers.chunks_exact(2 * n_runs - 1) {
        losses.original.push(f64::from(token[0]));
        for (run, pair) in losses.altered.iter_mut().zip(token[1..].chunks_exact(2)) {
            run.push(Altered {
                ce: f64::from(pair[0]),
                kl: f64::from(pair[1]),
            });
        }
    }
    losses
}

#[cfg(test)]
mod tests {
    use super::tokens_per_chunk;

    #[test]
    fn a_chunk_is_bounded_but_never_empty() {
        assert_eq!(tokens_per_chunk(3, 128_256, 64 << 20), 43);
        assert_eq!(tokens_per_chunk(9, 128_256, 64 << 20), 14);
        assert_eq!(tokens_per_chunk(3, 128_256, 0), 1);
    }
}
