//! From feature activations to the statistics of sparsity.

use crate::activations::mask;
use crate::statistics::SparsityStatistics;
use crate::tensors::to_f32s;
use burn::tensor::{DType, Tensor};
use sae_traits::{Features, SparseRows};

/// Adds the tokens that count to L0, L1, the densities and the strengths.
///
/// `kept` holds one value per token, `row_length` tokens make a sequence.
///
/// # Panics
/// If there are not as many tokens as values in `kept`, or a feature is not below `d_sae`.
pub(crate) fn add(
    features: &Features,
    row_length: usize,
    kept: &[bool],
    statistics: &mut SparsityStatistics,
) {
    match features {
        Features::Sparse(rows) => add_sparse(rows, row_length, kept, statistics),
        Features::Dense(features) => add_dense(features, kept, statistics),
    }
}

fn add_sparse(
    rows: &SparseRows,
    row_length: usize,
    kept: &[bool],
    statistics: &mut SparsityStatistics,
) {
    assert_eq!(
        rows.n_rows(),
        kept.len(),
        "sparse features have one row per token"
    );
    let mut active_tokens = vec![0_u64; statistics.density.d_sae()];
    for (sequence, kept) in kept.chunks(row_length).enumerate() {
        let mut touched = Vec::new();
        for (position, _) in kept.iter().enumerate().filter(|&(_, &kept)| kept) {
            let (mut l0, mut l1) = (0, 0.0);
            for (feature, value) in rows.entries(sequence * row_length + position) {
                l0 += 1;
                l1 += f64::from(value.abs());
                if active_tokens[feature] == 0 {
                    touched.push(feature);
                }
                active_tokens[feature] += 1;
                let magnitude = value.abs();
                statistics
                    .strength
                    .push(feature, f64::from(magnitude), magnitude);
            }
            statistics.l0.push(l0);
            statistics.l1.push(l1);
        }
        let n_kept = kept.iter().filter(|&&kept| kept).count() as u64;
        let active = touched
            .into_iter()
            .map(|feature| (feature, std::mem::take(&mut active_tokens[feature])));
        statistics.density.push_sequence(n_kept, active);
    }
}

fn add_dense(features: &Tensor<3>, kept: &[bool], statistics: &mut SparsityStatistics) {
    let [b, p, d_sae] = features.dims();
    assert_eq!(b * p, kept.len(), "dense features have one row per token");
    assert_eq!(
        d_sae,
        statistics.density.d_sae(),
        "dense features are d_sae wide"
    );
    let features = features.clone().cast(DType::F32);
    let active = features
        .clone()
        .not_equal_scalar(0.0)
        .float()
        .cast(DType::F32);
    // Counts stay far below 2²⁴, so f32 holds them exactly.
    let l0 = to_f32s(active.clone().sum_dim(2));
    let magnitudes = features.abs();
    let l1 = to_f32s(magnitudes.clone().sum_dim(2));
    for token in (0..b * p).filter(|&token| kept[token]) {
        statistics.l0.push(l0[token] as usize);
        statistics.l1.push(f64::from(l1[token]));
    }
    let left_out = mask(kept, &active).bool_not();
    let active_tokens = to_f32s(active.mask_fill(left_out.clone(), 0.0).sum_dim(1));
    let magnitudes = magnitudes.mask_fill(left_out, 0.0);
    let sums = to_f32s(magnitudes.clone().sum_dim(1));
    let largest = to_f32s(magnitudes.max_dim(1));
    for (entry, (&sum, &max)) in sums.iter().zip(&largest).enumerate() {
        statistics.strength.push(entry % d_sae, f64::from(sum), max);
    }
    for (counts, kept) in active_tokens.chunks_exact(d_sae).zip(kept.chunks_exact(p)) {
        let n_kept = kept.iter().filter(|&&kept| kept).count() as u64;
        let active = counts
            .iter()
            .enumerate()
            .map(|(feature, &count)| (feature, count as u64));
        statistics.density.push_sequence(n_kept, active);
    }
}
