//! Few rows of a matrix, weighted and added up.

use burn::tensor::{DType, Int, Tensor, TensorData};

#[cfg(feature = "cpu")]
use crate::host::{Format, HostTensor, Number, filled_rows, format, tensor, vectorised};
#[cfg(feature = "cpu")]
use burn::tensor::bf16;

/// A sparse matrix in compressed rows, borrowed.
#[derive(Debug, Clone, Copy)]
struct Rows<'a> {
    indptr: &'a [usize],
    indices: &'a [u32],
    values: &'a [f32],
}

/// How many values the composed form gathers at a time: 16 Mi of them are 64 MiB of f32.
const GATHER: usize = 16 << 20;

/// Columns that are summed up at a time on the host.
#[cfg(feature = "cpu")]
const COLUMNS: usize = 1024;

/// The product of a sparse and a dense matrix: `Σ value · w[column]` for each sparse row. Only the rows of `w` that have entries are
/// read.
///
/// The sparse matrix is in compressed rows: `indptr` says where each row begins in `indices` (columns, which count rows of `w`) and
/// `values`, and where the last one ends.
///
/// # Shapes
/// `indptr`: `[n + 1]`, `w`: `[m, d]` → `[n, d]`, in the dtype of `w`.
///
/// # Panics
/// If an index is not below `m`, or the offsets do not ascend to the number of entries.
pub fn sparse_matmul(indptr: &[usize], indices: &[u32], values: &[f32], w: Tensor<2>) -> Tensor<2> {
    let rows = Rows {
        indptr,
        indices,
        values,
    };
    let n = rows.indptr.len().saturating_sub(1);
    let [_, d] = w.dims();
    #[cfg(feature = "cpu")]
    match format(&w) {
        Some(Format::F32) => return host::<f32>(rows, w),
        Some(Format::Bf16) => return host::<bf16>(rows, w),
        None => {}
    }
    let mut parts = Vec::new();
    let mut start = 0;
    while start < n {
        let (end, width) = take_rows(rows.indptr, start, GATHER / d.max(1));
        parts.push(gather(rows, start, end, width, &w));
        start = end;
    }
    if parts.is_empty() {
        return Tensor::zeros([0, d], (&w.device(), w.dtype()));
    }
    Tensor::cat(parts, 0)
}

/// Rows `start..end`, each padded to `width` entries.
fn gather(rows: Rows<'_>, start: usize, end: usize, width: usize, w: &Tensor<2>) -> Tensor<2> {
    let (n, [_, d], device) = (end - start, w.dims(), w.device());
    let mut indices = vec![0_i32; n * width];
    let mut values = vec![0.0_f32; n * width];
    for row in 0..n {
        let entries = rows.indptr[start + row]..rows.indptr[start + row + 1];
        for (slot, entry) in entries.enumerate() {
            indices[row * width + slot] = rows.indices[entry].cast_signed();
            values[row * width + slot] = rows.values[entry];
        }
    }
    let indices = TensorData::new(indices, [n * width]);
    let indices = Tensor::<1, Int>::from_data(indices, (&device, DType::I32));
    let values = TensorData::new(values, [n, 1, width]);
    let values = Tensor::<3>::from_data(values, (&device, DType::F32)).cast(w.dtype());
    let gathered = w.clone().select(0, indices).reshape([n, width, d]);
    crate::matmul(values, gathered).reshape([n, d])
}

/// The end of a run of rows from `start` whose padded entries are at most `entries` (one row at least), and its widest row.
fn take_rows(indptr: &[usize], start: usize, entries: usize) -> (usize, usize) {
    let (mut end, mut width) = (start, 1);
    while end + 1 < indptr.len() {
        let wider = width.max(indptr[end + 1] - indptr[end]);
        if end > start && wider * (end + 1 - start) > entries {
            break;
        }
        (end, width) = (end + 1, wider);
    }
    (end, width)
}

#[cfg(feature = "cpu")]
fn host<E: Number>(rows: Rows<'_>, w: Tensor<2>) -> Tensor<2> {
    let w = HostTensor::<2, E>::new(w).into_contiguous();
    let ([_, d], weights) = (w.dims(), w.as_slice());
    let n = rows.indptr.len().saturating_sub(1);
    let out = filled_rows(n, d, |row, out| {
        let entries = rows.indptr[row]..rows.indptr[row + 1];
        let (indices, values) = (&rows.indices[entries.clone()], &rows.values[entries]);
        // Sums of some columns at a time, so that they stay at hand in f32.
        for (at, out) in out.chunks_mut(COLUMNS).enumerate() {
            let mut sums = [0.0_f32; COLUMNS];
            let sums = &mut sums[..out.len()];
            vectorised(|| {
                for (&index, &value) in indices.iter().zip(values) {
                    let start = index as usize * d + at * COLUMNS;
                    for (sum, w) in sums.iter_mut().zip(&weights[start..][..out.len()]) {
                        *sum += value * w.wide();
                    }
                }
                for (out, &sum) in out.iter_mut().zip(&*sums) {
                    out.write(E::narrow(sum));
                }
            });
        }
    });
    tensor(out, [n, d])
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::{Rows, gather, sparse_matmul, take_rows};
    use burn::tensor::{Device, Distribution, Tensor, TensorData};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_the_dense_product(
            rows in prop::collection::vec(prop::collection::btree_map(0_u32..20, -3.0_f32..3.0, 0..9), 1..12),
        ) {
            let device = Device::flex();
            let w = Tensor::<2>::random([20, 33], Distribution::Default, &device);
            let mut indptr = vec![0];
            let (mut indices, mut values) = (Vec::new(), Vec::new());
            let mut dense = vec![0.0; rows.len() * 20];
            for (row, entries) in rows.iter().enumerate() {
                for (&column, &value) in entries {
                    indices.push(column);
                    values.push(value);
                    dense[row * 20 + column as usize] = value;
                }
                indptr.push(indices.len());
            }
            let n = rows.len();
            let sparse = Rows { indptr: &indptr, indices: &indices, values: &values };
            let dense = Tensor::<2>::from_data(TensorData::new(dense, [n, 20]), &device).matmul(w.clone());
            for found in [sparse_matmul(&indptr, &indices, &values, w.clone()), gather(sparse, 0, n, 9, &w)] {
                let error: f32 = (found - dense.clone()).abs().max().into_scalar();
                prop_assert!(error < 1e-5, "{error}");
            }
        }
    }

    #[test]
    fn runs_of_rows_are_bounded_but_never_empty() {
        let indptr = [0, 2, 5, 5, 9];
        assert_eq!(take_rows(&indptr, 0, 6), (2, 3));
        assert_eq!(take_rows(&indptr, 2, 0), (3, 1));
        assert_eq!(take_rows(&indptr, 3, 100), (4, 4));
    }

    #[test]
    fn no_rows_give_none() {
        let w = Tensor::zeros([3, 4], &Device::flex());
        assert_eq!(sparse_matmul(&[0], &[], &[], w).dims(), [0, 4]);
    }
}
