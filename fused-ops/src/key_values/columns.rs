//! Which columns of which row are padding.

use burn::tensor::{Bool, Device, Tensor, TensorData};

/// For each row, whether each column is a position rather than padding.
#[derive(Debug, Clone, Default)]
pub(super) struct Columns {
    rows: Vec<Vec<bool>>,
    /// Whether any is padding.
    padded: bool,
}

impl Columns {
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    /// Whether there is no padding.
    pub(super) fn all_seen(&self) -> bool {
        !self.padded
    }

    pub(super) fn push(&mut self, n: usize, padding: &[usize]) {
        if self.rows.is_empty() {
            self.rows = vec![Vec::new(); padding.len()];
        }
        assert_eq!(self.rows.len(), padding.len(), "as many rows as before");
        for (row, &padding) in self.rows.iter_mut().zip(padding) {
            row.extend((0..n).map(|column| column >= padding));
            self.padded |= padding > 0;
        }
    }

    pub(super) fn select(&mut self, rows: &[usize]) {
        if self.rows.is_empty() {
            return;
        }
        self.rows = rows.iter().map(|&row| self.rows[row].clone()).collect();
        self.padded = self.rows.iter().flatten().any(|seen| !seen);
    }

    pub(super) fn row(&self, row: usize) -> &[bool] {
        &self.rows[row]
    }

    pub(super) fn hidden(&self, n: usize, device: &Device) -> Tensor<4, Bool> {
        let columns = self.len();
        let mut hidden = Vec::with_capacity(self.rows.len() * n * columns);
        for row in &self.rows {
            for query in columns - n..columns {
                hidden.extend(
                    row.iter()
                        .enumerate()
                        .map(|(key, &seen)| key != query && !(seen && key < query)),
                );
            }
        }
        Tensor::from_data(
            TensorData::new(hidden, [self.rows.len(), 1, n, columns]),
            device,
        )
    }
}
