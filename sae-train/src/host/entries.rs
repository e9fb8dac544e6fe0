//! Which features of which tokens matter, by token and by feature.

use rayon::prelude::*;

/// Entries of a sparse matrix of tokens by features, token after token.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// Where the entries of each token begin, and where the last ones end.
    pub(super) indptr: Vec<usize>,
    /// The feature of each entry, ascending within a token.
    pub(super) features: Vec<u32>,
    /// Its pre-activation.
    pub(super) h: Vec<f32>,
}

impl Entries {
    pub(super) fn clear(&mut self) {
        self.indptr.clear();
        self.indptr.push(0);
        self.features.clear();
        self.h.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.features.len()
    }

    /// Entries of a token.
    pub(super) fn row(&self, row: usize) -> std::ops::Range<usize> {
        self.indptr[row]..self.indptr[row + 1]
    }

    /// Appends tokens: `select(pre-activations, features)` names those of each.
    pub(super) fn push_rows<S: Default>(
        &mut self,
        h: &[f32],
        width: usize,
        select: impl Fn(usize, &[f32], &mut S, &mut Vec<u32>) + Sync,
    ) {
        let found: Vec<(Vec<u32>, Vec<usize>)> = h
            .par_chunks(width * ROWS_PER_TASK)
            .enumerate()
            .map(|(task, rows)| {
                let (mut state, mut features, mut ends) = (S::default(), Vec::new(), Vec::new());
                for (i, row) in rows.chunks_exact(width).enumerate() {
                    select(task * ROWS_PER_TASK + i, row, &mut state, &mut features);
                    ends.push(features.len());
                }
                (features, ends)
            })
            .collect();
        let mut row = 0;
        for (features, ends) in found {
            let (base, mut start) = (self.len(), 0);
            for end in ends {
                let values = &h[row * width..(row + 1) * width];
                self.h
                    .extend(features[start..end].iter().map(|&j| values[j as usize]));
                self.indptr.push(base + end);
                (start, row) = (end, row + 1);
            }
            self.features.extend(features);
        }
    }
}

/// Tokens that a thread takes at a time.
const ROWS_PER_TASK: usize = 16;

/// The same entries, feature after feature.
#[derive(Debug, Default)]
pub(super) struct ByFeature {
    /// Where the entries of each feature begin, and where the last ones end.
    pub(super) indptr: Vec<usize>,
    /// The token, and the entry's place in [`Entries`].
    pub(super) entries: Vec<(u32, u32)>,
}

impl ByFeature {
    /// Sorts entries by feature; those of a feature stay in the order of tokens.
    pub(super) fn fill(&mut self, from: &Entries, d_sae: usize) {
        self.indptr.clear();
        self.indptr.resize(d_sae + 1, 0);
        for &j in &from.features {
            self.indptr[j as usize + 1] += 1;
        }
        for j in 0..d_sae {
            self.indptr[j + 1] += self.indptr[j];
        }
        self.entries.clear();
        self.entries.resize(from.len(), (0, 0));
        for row in 0..from.indptr.len() - 1 {
            for entry in from.row(row) {
                let next = &mut self.indptr[from.features[entry] as usize];
                self.entries[*next] = (row as u32, entry as u32);
                *next += 1;
            }
        }
        // Each now points to the end of its feature, which is where the next one begins.
        self.indptr.rotate_right(1);
        self.indptr[0] = 0;
    }

    /// Entries of a feature.
    pub(super) fn of(&self, feature: usize) -> &[(u32, u32)] {
        &self.entries[self.indptr[feature]..self.indptr[feature + 1]]
    }
}

/// Cuts a slice where rows begin and end, `width` numbers an entry.
pub(super) fn cut<'a, T>(
    mut values: &'a mut [T],
    indptr: &[usize],
    width: usize,
) -> Vec<&'a mut [T]> {
    let mut rows = Vec::with_capacity(indptr.len() - 1);
    for pair in indptr.windows(2) {
        let (row, rest) = values.split_at_mut((pair[1] - pair[0]) * width);
        rows.push(row);
        values = rest;
    }
    rows
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // numbers that are moved stay as they are
mod tests {
    use super::{ByFeature, Entries};

    #[test]
    fn by_token_and_by_feature_are_the_same_entries() {
        let h: Vec<f32> = (0..40 * 7).map(|i| ((i * 37) % 11) as f32 - 5.0).collect();
        let mut entries = Entries::default();
        entries.clear();
        entries.push_rows::<()>(&h, 7, |_, row, (), out| {
            out.extend((0..7).filter(|&j| row[j as usize] > 0.0));
        });
        assert_eq!(entries.indptr.len(), 41);
        let mut by_feature = ByFeature::default();
        by_feature.fill(&entries, 7);
        let mut seen = 0;
        for j in 0..7 {
            for &(row, entry) in by_feature.of(j) {
                assert!(entries.row(row as usize).contains(&(entry as usize)));
                assert_eq!(entries.features[entry as usize] as usize, j);
                assert_eq!(entries.h[entry as usize], h[row as usize * 7 + j]);
                seen += 1;
            }
        }
        assert_eq!(seen, h.iter().filter(|&&x| x > 0.0).count());
        assert_eq!(seen, entries.len());
    }
}
