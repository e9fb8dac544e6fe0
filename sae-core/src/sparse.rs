//! Few features of many, as rows of indices and values.

/// The active features of each token, in compressed sparse row form: row `t` holds entries `indptr[t]..indptr[t + 1]`.
///
/// Within a row indices ascend and none is there twice; a value may be negative (`abstopk`) but never zero.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SparseFeatures {
    /// Width of the dictionary.
    pub d_sae: usize,
    /// Where each row begins, and the end of the last: one more entry than there are rows.
    pub indptr: Vec<usize>,
    /// Feature of each entry.
    pub indices: Vec<u32>,
    /// Activation of each entry.
    pub values: Vec<f32>,
}

impl SparseFeatures {
    /// The number of tokens.
    pub fn n_rows(&self) -> usize {
        self.indptr.len().saturating_sub(1)
    }

    /// The number of active features over all tokens.
    pub fn n_active(&self) -> usize {
        self.indices.len()
    }

    /// The active features of one token and their activations.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.indptr[row]..self.indptr[row + 1];
        (&self.indices[range.clone()], &self.values[range])
    }

    /// Collects what is not zero in rows of `d_sae` values each.
    pub(crate) fn from_dense(values: &[f32], d_sae: usize) -> Self {
        let rows = values.chunks_exact(d_sae).map(|row| {
            row.iter()
                .enumerate()
                .filter(|&(_, &v)| v != 0.0)
                .map(|(i, &v)| (i as u32, v))
        });
        Self::from_rows(rows, d_sae)
    }

    /// Collects rows of (feature, activation), features ascending.
    pub(crate) fn from_rows<R: IntoIterator<Item = (u32, f32)>>(
        rows: impl Iterator<Item = R>,
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

    /// All values, zeros included, row after row: `n_rows · d_sae` of them.
    pub fn to_dense(&self) -> Vec<f32> {
        let mut dense = vec![0.0; self.n_rows() * self.d_sae];
        for (t, row) in dense.chunks_exact_mut(self.d_sae).enumerate() {
            let (indices, values) = self.row(t);
            for (&i, &v) in indices.iter().zip(values) {
                row[i as usize] = v;
            }
        }
        dense
    }
}
