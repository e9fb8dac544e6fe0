//! Feature activations as an SAE hands them over.

use crate::activations::mask;
use crate::statistics::SparsityStatistics;
use crate::tensors::to_f32s;
use burn::tensor::{DType, Tensor};

/// Feature activations of a batch of `b` sequences of `p` tokens.
///
/// Sparse is the natural form on the CPU (a few hundred of tens of thousands of features are active); dense spares an
/// accelerator the trip through host memory. Both give the same numbers.
#[derive(Debug, Clone)]
pub enum Features {
    /// One row per token, `b·p` rows, sequence after sequence.
    Sparse(SparseRows),
    /// `[b, p, d_sae]`.
    Dense(Tensor<3>),
}

/// Compressed sparse rows: row `r` holds the features `indices[indptr[r]..indptr[r + 1]]` with the `values` at the same places.
///
/// An entry whose value is zero counts as inactive, a feature may appear once per row at most.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SparseRows {
    /// `rows + 1` ascending offsets, the first 0 and the last `indices.len()`.
    pub indptr: Vec<usize>,
    /// Feature of each entry, below `d_sae`.
    pub indices: Vec<u32>,
    /// Activation of each entry.
    pub values: Vec<f32>,
}

impl SparseRows {
    /// The number of rows (tokens).
    pub fn n_rows(&self) -> usize {
        self.indptr.len().saturating_sub(1)
    }

    /// The active entries of one row, as (feature, activation), those with value zero left out.
    ///
    /// # Panics
    /// If `row` is not below [`n_rows`](Self::n_rows).
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        let entries = self.indptr[row]..self.indptr[row + 1];
        let indices = self.indices[entries.clone()].iter();
        indices
            .zip(&self.values[entries])
            .map(|(&index, &value)| (index as usize, value))
            .filter(|&(_, value)| value != 0.0)
    }
}

impl Features {
    /// Adds the tokens that count to L0, L1, the densities and the strengths.
    ///
    /// `kept` holds one value per token, `row_length` tokens make a sequence.
    ///
    /// # Panics
    /// If there are not as many tokens as values in `kept`, or a feature is not below `d_sae`.
    pub(crate) fn add_to(
        &self,
        row_length: usize,
        kept: &[bool],
        statistics: &mut SparsityStatistics,
    ) {
        match self {
            Self::Sparse(rows) => add_sparse(rows, row_length, kept, statistics),
            Self::Dense(features) => add_dense(features, kept, statistics),
        }
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
            for (feature, value) in rows.row(sequence * row_length + position) {
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
