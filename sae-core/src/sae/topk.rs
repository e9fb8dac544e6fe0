//! Keeping the largest pre-activations of each token.
//!
//! Two ways, chosen in [`on_host`]. The CPU backend's top-k sorts whole rows (323 ms for 64 of 16,384 on 512 tokens, where a
//! selection takes a few), so there the rows are read where they lie and selected in linear time. Elsewhere the backend's own.

use super::linear::Selection;
use crate::sparse::SparseFeatures;
use burn::tensor::{DType, Device, IndexingUpdateOp, Tensor, TensorData, activation::relu};
use rayon::prelude::*;

/// Whether the device's memory is the host's.
fn on_host(device: &Device) -> bool {
    #[cfg(feature = "cpu")]
    {
        *device == Device::flex()
    }
    #[cfg(not(feature = "cpu"))]
    {
        let _ = device;
        false
    }
}

/// `[n, d_sae]` pre-activations with all but the selected ones zero.
pub(super) fn keep_top(h: Tensor<2>, selection: &Selection) -> Tensor<2> {
    let device = h.device();
    if on_host(&device) {
        let (dtype, [n, d_sae]) = (h.dtype(), h.dims());
        let dense = select_rows(h, selection).to_dense();
        Tensor::<2>::from_data(TensorData::new(dense, [n, d_sae]), (&device, DType::F32))
            .cast(dtype)
    } else {
        keep_top_on_device(h, selection)
    }
}

/// The selected features of `[n, d_sae]` pre-activations, without a dense matrix of them where that can be helped.
pub(super) fn select(h: Tensor<2>, selection: &Selection) -> SparseFeatures {
    if on_host(&h.device()) {
        select_rows(h, selection)
    } else {
        let [_, d_sae] = h.dims();
        SparseFeatures::from_dense(&to_f32(keep_top_on_device(h, selection)), d_sae)
    }
}

pub(super) fn to_f32<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    let data = x.cast(DType::F32).into_data();
    data.try_into_vec().expect("was cast to f32")
}

fn keep_top_on_device(h: Tensor<2>, selection: &Selection) -> Tensor<2> {
    if selection.k >= h.dims()[1] {
        // The backend's selection wants something to leave out.
        return if selection.by_magnitude { h } else { relu(h) };
    }
    let zeros = h.zeros_like();
    let kept = if selection.by_magnitude {
        let indices = h.clone().abs().argtopk(selection.k, 1);
        (h.gather(1, indices.clone()), indices)
    } else {
        let (values, indices) = h.topk_with_indices(selection.k, 1);
        (relu(values), indices)
    };
    zeros.scatter(1, kept.1, kept.0, IndexingUpdateOp::Add)
}

fn select_rows(h: Tensor<2>, selection: &Selection) -> SparseFeatures {
    let [_, d_sae] = h.dims();
    let values = to_f32(h);
    let rows: Vec<Vec<(u32, f32)>> = values
        .par_chunks_exact(d_sae)
        .map(|row| select_row(row, selection))
        .collect();
    SparseFeatures::from_rows(rows.into_iter(), d_sae)
}

/// The selected entries of one row by feature; where values are equal, lower features go first.
fn select_row(row: &[f32], selection: &Selection) -> Vec<(u32, f32)> {
    let key = |v: f32| if selection.by_magnitude { v.abs() } else { v };
    let mut order: Vec<u32> = (0..row.len() as u32).collect();
    if selection.k < order.len() {
        order.select_nth_unstable_by(selection.k, |&a, &b| {
            let (x, y) = (key(row[a as usize]), key(row[b as usize]));
            y.total_cmp(&x).then(a.cmp(&b))
        });
        order.truncate(selection.k);
    }
    order.sort_unstable();
    let entries = order.into_iter().map(|i| (i, row[i as usize]));
    // The ReLU comes after the selection: fewer than k may be left.
    entries
        .filter(|&(_, v)| {
            if selection.by_magnitude {
                v != 0.0
            } else {
                v > 0.0
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(k: usize, by_magnitude: bool) -> Selection {
        Selection {
            k,
            by_magnitude,
            norms: None,
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
            &Device::flex(),
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
