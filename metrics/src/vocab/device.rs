//! The reduction over the vocabulary as tensor operations.

use super::{Runs, TokenLosses};
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
) -> Vec<TokenLosses> {
    let step = tokens_per_chunk(vocab_size, max_bytes);
    let chunks = targets.chunks(step).enumerate().map(|(chunk, targets)| {
        let n = targets.len();
        let rows = runs.rows(chunk * step, n);
        numbers(&logits(rows, 0..vocab_size), targets)
    });
    read(chunks.collect())
}

/// How many tokens' logits, of three runs, fit in `max_bytes` as f32.
fn tokens_per_chunk(vocab_size: usize, max_bytes: usize) -> usize {
    (max_bytes / (3 * size_of::<f32>() * vocab_size.max(1))).max(1)
}

/// Five numbers per token, in the order of [`TokenLosses`], left on the device.
///
/// # Shapes
/// `logits`: `[2n + n or 2n + 1, vocab]` → `[n, 5]`, f32.
fn numbers(logits: &Tensor<2>, targets: &[u32]) -> Tensor<2> {
    let n = targets.len();
    let [rows, vocab_size] = logits.dims();
    let device = logits.device();
    let targets: Vec<i64> = targets.iter().map(|&target| i64::from(target)).collect();
    let targets = Tensor::<2, Int>::from_data(TensorData::new(targets, [n, 1]), &device);
    let run = |start: usize, n: usize| {
        log_softmax(logits.clone().narrow(0, start, n).cast(DType::F32), 1)
    };
    let original = run(0, n);
    let reconstructed = run(n, n);
    let ablated = run(2 * n, rows - 2 * n).expand([n, vocab_size]);

    let cross_entropy = |log_p: &Tensor<2>| log_p.clone().gather(1, targets.clone()).neg();
    let p = original.clone().exp();
    let kl = |log_q: &Tensor<2>| (p.clone() * (original.clone() - log_q.clone())).sum_dim(1);
    let columns = vec![
        cross_entropy(&original),
        cross_entropy(&reconstructed),
        cross_entropy(&ablated),
        kl(&reconstructed),
        kl(&ablated),
    ];
    Tensor::cat(columns, 1)
}

/// Reads the numbers of all chunks back at once.
fn read(chunks: Vec<Tensor<2>>) -> Vec<TokenLosses> {
    if chunks.is_empty() {
        return Vec::new();
    }
    let numbers = to_f32s(Tensor::cat(chunks, 0));
    let (tokens, _) = numbers.as_chunks::<5>();
    tokens
        .iter()
        .map(|token| {
            let [
                ce_original,
                ce_reconstructed,
                ce_ablated,
                kl_reconstructed,
                kl_ablated,
            ] = token.map(f64::from);
            TokenLosses {
                ce_original,
                ce_reconstructed,
                ce_ablated,
                kl_reconstructed,
                kl_ablated,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::tokens_per_chunk;

    #[test]
    fn a_chunk_is_bounded_but_never_empty() {
        assert_eq!(tokens_per_chunk(128_256, 64 << 20), 43);
        assert_eq!(tokens_per_chunk(128_256, 0), 1);
    }
}
