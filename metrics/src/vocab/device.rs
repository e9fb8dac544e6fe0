//! The reduction over the vocabulary as tensor operations.

use super::{ChunkLogits, TokenLosses};
use crate::tensors::to_f32s;
use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Int, Tensor, TensorData};

/// Five numbers per token, in the order of [`TokenLosses`], left on the device.
///
/// # Shapes
/// `[n, 5]`, f32.
pub(super) fn losses(chunk: &ChunkLogits, targets: &[u32]) -> Tensor<2> {
    let n = chunk.n;
    let [rows, vocab_size] = chunk.logits.dims();
    let device = chunk.logits.device();
    let targets: Vec<i64> = targets.iter().map(|&target| i64::from(target)).collect();
    let targets = Tensor::<2, Int>::from_data(TensorData::new(targets, [n, 1]), &device);
    let run = |start: usize, n: usize| {
        log_softmax(chunk.logits.clone().narrow(0, start, n).cast(DType::F32), 1)
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
pub(super) fn read(chunks: Vec<Tensor<2>>) -> Vec<TokenLosses> {
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
