//! Few features of many, as rows of indices and values.

/// The active features of each token, in compressed sparse row form: row `t` holds entries `indptr[t]..indptr[t + 1]`.
///
/// A feature appears in a row at most once; encoders write them in ascending order. A value may be negative (`abstopk`). An entry
/// whose value is zero counts as inactive.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct SparseRows {
    /// Width of the dictionary.
    pub d_sae: usize,
    /// Where each row begins, and the end of the last: one more entry than there are rows.
    pub indptr: Vec<usize>,
    /// Feature of each entry, below `d_sae`.
    pub indices: Vec<u32>,
    /// Activation of each entry.
    pub values: Vec<f32>,
}

impl SparseRows {
    /// Rows from their parts.
    ///
    /// # Panics
    /// If the offsets do not ascend from 0 to the number of entries, entries have no value each, or an index is not below `d_sae`.
    pub fn new(d_sae: usize, indptr: Vec<usize>, indices: Vec<u32>, values: Vec<f32>) -> Self {
        assert_eq!(indices.len(), values.len(), "every entry has a value");
        assert_eq!(indptr.first(), Some(&0), "offsets begin at 0");
        assert_eq!(
            indptr.last(),
            Some(&indices.len()),
            "offsets end at the number of entries"
        );
        assert!(indptr.is_sorted(), "offsets ascend");
        let widest = indices.iter().max().map_or(0, |&i| i as usize + 1);
        assert!(widest <= d_sae, "features are below d_sae = {d_sae}");
        Self {
            d_sae,
            indptr,
            indices,
            values,
        }
    }

    /// Collects what is not zero in rows of `d_sae` values each.
    pub fn from_dense(values: &[f32], d_sae: usize) -> Self {
        let rows = values.chunks_exact(d_sae.max(1)).map(|row| {
            row.iter()
                .enumerate()
                .filter(|&(_, &v)| v != 0.0)
                .map(|(i, &v)| (i as u32, v))
        });
        Self::from_rows(rows, d_sae)
    }

    /// Collects rows of (feature, activation).
    pub fn from_rows<R: IntoIterator<Item = (u32, f32)>>(
        rows: impl IntoIterator<Item = R>,
        d_sae: usize,
    ) -> Self {
        let mut sparse = Self {
            d_sae,
            indptr: vec![0],
            ..Self::default()
        };
        for row in rows {
            for (index, value) in row {
                sparse.indices.push(index);
                sparse.values.push(value);
            }
            sparse.indptr.push(sparse.indices.len());
        }
        sparse
    }

    /// The number of rows (tokens).
    pub fn n_rows(&self) -> usize {
        self.indptr.len().saturating_sub(1)
    }

    /// The number of entries over all rows.
    pub fn n_active(&self) -> usize {
        self.indices.len()
    }

    /// The features of one token and their activations.
    ///
    /// # Panics
    /// If `row` is not below [`n_rows`](Self::n_rows).
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.indptr[row]..self.indptr[row + 1];
        (&self.indices[range.clone()], &self.values[range])
    }

    /// The active entries of one row as (feature, activation), those with value zero left out.
    ///
    /// # Panics
    /// If `row` is not below [`n_rows`](Self::n_rows).
    pub fn entries(&self, row: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        let (indices, values) = self.row(row);
        let entries = indices.iter().zip(values);
        entries
            .map(|(&index, &value)| (index as usize, value))
            .filter(|&(_, value)| value != 0.0)
    }

    /// All values, zeros included, row after row: `n_rows · d_sae` of them.
    pub fn to_dense(&self) -> Vec<f32> {
        let mut dense = vec![0.0; self.n_rows() * self.d_sae];
        for (t, row) in dense.chunks_exact_mut(self.d_sae.max(1)).enumerate() {
            let (indices, values) = self.row(t);
            for (&i, &v) in indices.iter().zip(values) {
                row[i as usize] = v;
            }
        }
        dense
    }
}

#[cfg(test)]
mod tests {
    use super::SparseRows;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn dense_and_back(values in prop::collection::vec(prop_oneof![Just(0.0_f32), -3.0_f32..3.0], 0..60), d_sae in 1_usize..7) {
            let n = values.len() / d_sae * d_sae;
            let rows = SparseRows::from_dense(&values[..n], d_sae);
            prop_assert_eq!(rows.n_rows(), n / d_sae);
            prop_assert_eq!(rows.n_active(), values[..n].iter().filter(|&&v| v != 0.0).count());
            prop_assert_eq!(rows.to_dense(), &values[..n]);
        }
    }

    #[test]
    fn entries_leave_zeros_out() {
        let rows = SparseRows::new(9, vec![0, 3, 3], vec![8, 2, 4], vec![1.0, 0.0, -2.0]);
        assert_eq!(rows.entries(0).collect::<Vec<_>>(), [(8, 1.0), (4, -2.0)]);
        assert_eq!(rows.entries(1).count(), 0);
        assert_eq!(rows.row(0).0, [8, 2, 4]);
    }

    #[test]
    #[should_panic(expected = "features are below d_sae = 4")]
    fn an_index_beyond_the_dictionary_is_refused() {
        let _ = SparseRows::new(4, vec![0, 1], vec![4], vec![1.0]);
    }
}
