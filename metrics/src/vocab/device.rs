//! The reduction over the vocabulary as tensor operations.

use super::{Altered, Runs, TokenLosses};
use burn::tensor::{Tensor, TensorData};
use fused_ops::softmax::divergences;
use std::ops::Range;

/// The numbers of every token, one after the other: the original's cross-entropy, then cross-entropy and divergence of each altered run. They
/// stay on the device.
pub(super) fn losses(
    runs: &Runs,
    targets: &[u32],
    vocab_size: usize,
    max_bytes: usize,
    logits: impl Fn(Tensor<2>, Range<usize>) -> Tensor<2>,
) -> Tensor<2> {
    let n_runs = 1 + runs.altered.len();
    let step = tokens_per_chunk(n_runs, vocab_size, max_bytes);
    let chunks = targets.chunks(step).enumerate().map(|(chunk, targets)| {
        let (first, n) = (chunk * step, targets.len());
        let altered = (0..runs.altered.len()).map(|run| runs.altered(run, first, n));
        let rows: Vec<_> = std::iter::once(runs.original(first, n))
            .chain(altered)
            .collect();
        let altered: Vec<usize> = rows[1..].iter().map(|rows| rows.dims()[0]).collect();
        let targets: Vec<i64> = targets.iter().map(|&target| i64::from(target)).collect();
        let targets = Tensor::from_data(TensorData::new(targets, [n]), &rows[0].device());
        let logits = logits(Tensor::cat(rows, 0), 0..vocab_size);
        divergences(&logits, &targets, &altered)
    });
    Tensor::cat(chunks.collect(), 0)
}

/// How many tokens' logits, of all runs, fit in `max_bytes` as f32.
fn tokens_per_chunk(n_runs: usize, vocab_size: usize, max_bytes: usize) -> usize {
    (max_bytes / (n_runs * size_of::<f32>() * vocab_size.max(1))).max(1)
}

/// [`losses`] that have been read.
pub(super) fn take_apart(numbers: &[f32], n_runs: usize) -> TokenLosses {
    let mut losses = TokenLosses {
        original: Vec::new(),
        altered: vec![Vec::new(); n_runs - 1],
    };
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
