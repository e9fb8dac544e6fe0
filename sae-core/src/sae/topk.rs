//! Keeping the largest pre-activations of each token.
//!
//! Two ways, chosen by [`sae_backend::is_host`]. The CPU backend's top-k sorts whole rows (323 ms for 64 of 16,384 on 512 tokens, where a
//! selection takes a few), so there the rows are read where they lie and selected in linear time. Elsewhere the backend's own.

use super::linear::Selection;
use burn::tensor::{DType, IndexingUpdateOp, Int, Tensor, TensorData, activation::relu};
use rayon::prelude::*;
use sae_traits::SparseRows;

/// `[n, d_sae]` pre-activations with all but the selected ones zero.
pub(super) fn keep_top(h: Tensor<2>, selection: &Selection) -> Tensor<2> {
    let device = h.device();
    if sae_backend::is_host(&device) {
        let (dtype, [n, d_sae]) = (h.dtype(), h.dims());
        let dense = select_rows(h, selection).to_dense();
        Tensor::<2>::from_data(TensorData::new(dense, [n, d_sae]), (&device, DType::F32))
            .cast(dtype)
    } else {
        keep_top_on_device(h, selection)
    }
}

pub(crate) fn to_f32<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    // Converted here: on a device that would be a second copy, and twice as much to bring over.
    let data = x.into_data().convert_dtype(DType::F32);
    data.try_into_vec().expect("was converted to f32")
}

fn keep_top_on_device(h: Tensor<2>, selection: &Selection) -> Tensor<2> {
    if selection.grouped {
        return keep_winners_on_device(h, selection.k);
    }
    fused_ops::keep_largest(h, selection.k, selection.by_magnitude)
}

/// The largest of each of `k` groups of neighbours.
fn keep_winners_on_device(h: Tensor<2>, k: usize) -> Tensor<2> {
    let [n, d_sae] = h.dims();
    let zeros = h.zeros_like();
    let groups = h.reshape([n, k, d_sae / k]);
    let (values, indices) = groups.max_dim_with_indices(2);
    let starts = Tensor::<1, Int>::arange(0..k as i64, &zeros.device()) * (d_sae / k) as i64;
    let indices = indices.reshape([n, k]) + starts.reshape([1, k]);
    zeros.scatter(
        1,
        indices,
        relu(values.reshape([n, k])),
        IndexingUpdateOp::Add,
    )
}

fn select_rows(h: Tensor<2>, selection: &Selection) -> SparseRows {
    let [_, d_sae] = h.dims();
    let values = to_f32(h);
    let rows: Vec<Vec<(u32, f32)>> = values
        .par_chunks_exact(d_sae)
        .map(|row| select_row(row, selection))
        .collect();
    SparseRows::from_rows(rows, d_sae)
}

/// The selected entries of one row by feature.
fn select_row(row: &[f32], selection: &Selection) -> Vec<(u32, f32)> {
    let mut top = TopRow::new(selection, row.len());
    for (feature, &value) in row.iter().enumerate() {
        top.push(feature as u32, value);
    }
    top.finish()
}

/// The largest entries of one row that arrives feature by feature, in ascending order; where values are equal, lower features go
/// first.
///
/// A buffer of a few times `k` candidates that is cut back to the best `k` whenever it is full: later values have to beat the
/// least of these, which few do.
#[derive(Debug)]
pub(super) struct TopRow {
    k: usize,
    by_magnitude: bool,
    /// Features in a group, where each group has one winner.
    group: Option<u32>,
    /// The value that a candidate has to exceed.
    bar: f32,
    candidates: Vec<(u32, f32)>,
}

impl TopRow {
    pub(super) fn new(selection: &Selection, d_sae: usize) -> Self {
        Self {
            group: selection.grouped.then(|| (d_sae / selection.k) as u32),
            k: selection.k,
            by_magnitude: selection.by_magnitude,
            // The ReLU comes after the selection, and zeros are not kept: nothing that is not positive can matter.
            bar: 0.0,
            candidates: Vec::new(),
        }
    }

    fn key(&self, value: f32) -> f32 {
        if self.by_magnitude {
            value.abs()
        } else {
            value
        }
    }

    #[inline]
    pub(super) fn push(&mut self, feature: u32, value: f32) {
        if let Some(width) = self.group {
            return self.push_to_group(feature, value, width);
        }
        // Written so that a NaN is kept, and seen.
        if self.key(value) <= self.bar {
            return;
        }
        self.candidates.push((feature, value));
        if self.candidates.len() >= 4 * self.k.max(16) {
            self.cut();
        }
    }

    /// Keeps the value if it beats the one of its group so far; values that are not positive are not kept, as after a ReLU.
    fn push_to_group(&mut self, feature: u32, value: f32, width: u32) {
        if value <= 0.0 {
            return;
        }
        match self.candidates.last_mut() {
            Some(best) if best.0 / width == feature / width => {
                // A NaN wins, and is seen.
                if value > best.1 || value.is_nan() {
                    *best = (feature, value);
                }
            }
            _ => self.candidates.push((feature, value)),
        }
    }

    /// Leaves the best `k`.
    fn cut(&mut self) {
        if self.candidates.len() <= self.k {
            return;
        }
        if self.k == 0 {
            self.candidates.clear();
            return;
        }
        let (by_magnitude, k) = (self.by_magnitude, self.k);
        let key = |v: f32| if by_magnitude { v.abs() } else { v };
        self.candidates.select_nth_unstable_by(k - 1, |a, b| {
            key(b.1).total_cmp(&key(a.1)).then(a.0.cmp(&b.0))
        });
        self.candidates.truncate(k);
        // A later feature of the same value loses to the ones that are here.
        self.bar = self.key(self.candidates[k - 1].1);
    }

    /// By feature.
    pub(super) fn finish(mut self) -> Vec<(u32, f32)> {
        self.cut();
        self.candidates
            .sort_unstable_by_key(|&(feature, _)| feature);
        self.candidates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(k: usize, by_magnitude: bool) -> Selection {
        Selection {
            k,
            by_magnitude,
            norms: None,
            grouped: false,
        }
    }

    #[test]
    fn each_group_has_one_winner_at_most() {
        let groups = |k| Selection {
            grouped: true,
            ..selection(k, false)
        };
        let row = [0.5, 2.0, -1.0, -3.0, 1.0, 1.0];
        assert_eq!(select_row(&row, &groups(3)), [(1, 2.0), (4, 1.0)]);
        assert_eq!(select_row(&row, &groups(2)), [(1, 2.0), (4, 1.0)]);
        assert_eq!(select_row(&row, &groups(1)), [(1, 2.0)]);
        assert_eq!(select_row(&row, &groups(6)).len(), 4);
        let h = Tensor::<2>::from_floats([row, row.map(|x| -x)], &burn::tensor::Device::flex());
        for k in [1, 2, 3, 6] {
            let ours = to_f32(keep_top(h.clone(), &groups(k)));
            let theirs = to_f32(keep_top_on_device(h.clone(), &groups(k)));
            assert_eq!(ours, theirs, "{k} groups");
        }
    }

    #[test]
    fn the_largest_stay_and_negative_ones_are_clipped_afterwards() {
        let row = [0.5, -3.0, 2.0, -0.1, 0.0];
        assert_eq!(select_row(&row, &selection(2, false)), [(0, 0.5), (2, 2.0)]);
        assert_eq!(select_row(&row, &selection(4, false)), [(0, 0.5), (2, 2.0)]);
        assert_eq!(select_row(&row, &selection(2, true)), [(1, -3.0), (2, 2.0)]);
    }

    #[test]
    fn of_equal_values_the_lower_features_stay() {
        assert_eq!(
            select_row(&[1.0; 5], &selection(2, false)),
            [(0, 1.0), (1, 1.0)]
        );
        assert_eq!(
            select_row(&[-1.0, 1.0, -1.0], &selection(2, true)),
            [(0, -1.0), (1, 1.0)]
        );
    }

    #[test]
    fn the_backends_own_way_agrees() {
        let h = Tensor::<2>::from_floats(
            [[0.5, -3.0, 2.0, -0.1, 0.25], [-1.0, -2.0, -0.5, -4.0, -3.0]],
            &burn::tensor::Device::flex(),
        );
        for by_magnitude in [false, true] {
            for k in 1..=5 {
                let selection = selection(k, by_magnitude);
                let ours = to_f32(keep_top(h.clone(), &selection));
                let theirs = to_f32(keep_top_on_device(h.clone(), &selection));
                assert_eq!(ours, theirs, "k {k}, by magnitude: {by_magnitude}");
            }
        }
    }
}
