//! The reduction over the vocabulary in host memory, rows in parallel.

use super::row::{LogSumExp, expected_differences, kl};
use super::{ChunkLogits, TokenLosses};
use burn::tensor::DType;
use rayon::prelude::*;

pub(super) fn losses(chunk: ChunkLogits, targets: &[u32]) -> Vec<TokenLosses> {
    let n = chunk.n;
    let [rows, vocab_size] = chunk.logits.dims();
    let data = chunk.logits.cast(DType::F32).into_data();
    let logits: &[f32] = data
        .as_slice()
        .expect("a tensor cast to f32 reads back as f32");
    let row = |row: usize| &logits[row * vocab_size..][..vocab_size];
    let ablated_alike = (rows == 2 * n + 1).then(|| LogSumExp::of(row(2 * n)));
    let token_losses = |token: usize| {
        let (original, reconstructed) = (row(token), row(n + token));
        let ablated = row((2 * n + token).min(rows - 1));
        let (lse, [difference_reconstructed, difference_ablated]) =
            expected_differences(original, [reconstructed, ablated]);
        let lse_reconstructed = LogSumExp::of(reconstructed);
        let lse_ablated = ablated_alike.unwrap_or_else(|| LogSumExp::of(ablated));
        let target = targets[token] as usize;
        TokenLosses {
            ce_original: lse.cross_entropy(original[target]),
            ce_reconstructed: lse_reconstructed.cross_entropy(reconstructed[target]),
            ce_ablated: lse_ablated.cross_entropy(ablated[target]),
            kl_reconstructed: kl(difference_reconstructed, lse, lse_reconstructed),
            kl_ablated: kl(difference_ablated, lse, lse_ablated),
        }
    };
    (0..n).into_par_iter().map(token_losses).collect()
}
