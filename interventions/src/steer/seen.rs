//! What an SAE that looks back has read of each row.

use super::SteeringError;
use super::window::Columns;
use burn::tensor::Tensor;
use llama_hooked::RowPlace;
use std::collections::HashMap;

/// The activations of every earlier position, row by row: rows have unequal lengths, and end at different times.
///
/// # Shapes
/// Of a row: `[1, n, d_in]`, n the positions before the pass.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// By what a row began as, and its id.
    rows: HashMap<(usize, usize), Tensor<3>>,
}

impl Seen {
    /// Makes sure that every position before the row's pass has been seen.
    pub(super) fn check(&self, row: RowPlace) -> Result<(), SteeringError> {
        match self.before(row) {
            Some(_) => Ok(()),
            None if row.before == 0 => Ok(()),
            None => Err(SteeringError::NotContiguous {
                first: row.before,
                seen: self.get(row).map_or(0, |x| x.dims()[1]),
            }),
        }
    }

    /// Adds what the rows of a pass read, `[b, p, d_in]`, and returns everything that each has read. Rows that are not in the pass have ended.
    pub(super) fn extend(&mut self, columns: &Columns, own: &Tensor<3>) -> Vec<Tensor<3>> {
        let [b, p, _] = own.dims();
        let mut rows = HashMap::with_capacity(b);
        let mut all = Vec::with_capacity(b);
        for at in 0..b {
            let row = columns.row(at);
            let new = own.clone().narrow(0, at, 1);
            let read = if row.padding == p {
                self.before(row).cloned()
            } else {
                let new = new.clone().narrow(1, row.padding, p - row.padding);
                Some(match self.before(row) {
                    Some(before) => Tensor::cat(vec![before.clone(), new], 1),
                    None => new,
                })
            };
            if let Some(read) = &read {
                rows.insert((row.began, row.id), read.clone());
            }
            // A row of padding alone is edited nowhere.
            all.push(read.unwrap_or(new));
        }
        self.rows = rows;
        all
    }

    /// Everything before the row's pass; nothing where it begins.
    fn before(&self, row: RowPlace) -> Option<&Tensor<3>> {
        let all = self.get(row)?;
        (row.before > 0 && all.dims()[1] == row.before).then_some(all)
    }

    fn get(&self, row: RowPlace) -> Option<&Tensor<3>> {
        let own = self.rows.get(&(row.began, row.id));
        // A continuation has the id of its own from its second pass on.
        own.or_else(|| self.rows.get(&(row.began, row.began)))
    }
}
