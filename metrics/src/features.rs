//! From feature activations to the statistics of sparsity.

use crate::statistics::SparsityStatistics;
use crate::tensors::{Numbers, Part, Readout};
use burn::tensor::{Tensor, TensorData};
use fused_ops::feature_sums;
use sae_traits::{Features, SparseRows};

/// Dense features' sums, asked for and not yet there.
#[derive(Debug)]
pub(crate) struct DenseSums {
    tokens: Part,
    features: Part,
}

/// Adds the tokens that count to L0, L1, the densities and the strengths: at once where features are sparse; where they are dense, what is to be
/// [added](DenseSums::add) once it has been read is asked for.
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
    readout: &mut Readout,
) -> Option<DenseSums> {
    match features {
        Features::Sparse(rows) => {
            add_sparse(rows, row_length, kept, statistics);
            None
        }
        Features::Dense(features) => Some(ask(features, kept, statistics, readout)),
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

fn ask(
    features: &Tensor<3>,
    kept: &[bool],
    statistics: &SparsityStatistics,
    readout: &mut Readout,
) -> DenseSums {
    let [b, p, d_sae] = features.dims();
    assert_eq!(b * p, kept.len(), "dense features have one row per token");
    assert_eq!(
        d_sae,
        statistics.density.d_sae(),
        "dense features are d_sae wide"
    );
    let kept: Vec<i32> = kept.iter().map(|&kept| i32::from(kept)).collect();
    let kept = Tensor::from_data(TensorData::new(kept, [b * p]), &features.device());
    let sums = feature_sums(features.clone(), kept);
    DenseSums {
        tokens: readout.ask(sums.tokens),
        features: readout.ask(sums.features),
    }
}

impl DenseSums {
    /// Adds what has been read; `kept` and `row_length` as before.
    pub(crate) fn add(
        &self,
        numbers: &Numbers,
        row_length: usize,
        kept: &[bool],
        statistics: &mut SparsityStatistics,
    ) {
        let d_sae = statistics.density.d_sae();
        let tokens = &numbers[self.tokens];
        for (token, _) in kept.iter().enumerate().filter(|&(_, &kept)| kept) {
            // Counts stay far below 2²⁴, so f32 holds them exactly.
            statistics.l0.push(tokens[2 * token] as usize);
            statistics.l1.push(f64::from(tokens[2 * token + 1]));
        }
        let n_sequences = kept.len() / row_length;
        let (counts, magnitudes) = numbers[self.features].split_at(n_sequences * d_sae);
        let (sums, largest) = magnitudes.split_at(n_sequences * d_sae);
        for (entry, (&sum, &max)) in sums.iter().zip(largest).enumerate() {
            statistics.strength.push(entry % d_sae, f64::from(sum), max);
        }
        for (counts, kept) in counts
            .chunks_exact(d_sae)
            .zip(kept.chunks_exact(row_length))
        {
            let n_kept = kept.iter().filter(|&&kept| kept).count() as u64;
            let active = counts
                .iter()
                .enumerate()
                .map(|(feature, &count)| (feature, count as u64));
            statistics.density.push_sequence(n_kept, active);
        }
    }
}
