//! The largest numbers of a row.

/// The key of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The number itself.
    Value,
    /// Its magnitude.
    Magnitude,
}

/// Finds the k largest numbers of rows, reusing its buffers.
///
/// The k-th largest of the maxima of many blocks is a bar that at least k numbers reach, and few others: one pass over the row finds
/// the maxima, a second collects what reaches the bar, and only that is selected from.
#[derive(Debug, Default)]
pub struct TopK {
    keys: Vec<f32>,
    maxima: Vec<f32>,
    candidates: Vec<(f32, u32)>,
}

/// Blocks of a row for each number that is looked for. More blocks give a sharper bar, and longer lists of maxima.
const BLOCKS_PER_WANTED: usize = 4;
/// Numbers in a block at least.
const LEAST_BLOCK: usize = 16;

impl TopK {
    /// Empty buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the indices of the k largest of `row[i] · scale[i]` (or of their magnitudes), ascending, to `out`; of equal ones the
    /// first. All indices if k is not below the length. NaNs are larger than any number, so that they are not lost in silence.
    ///
    /// # Panics
    /// If there is a scale of another length than the row.
    pub fn select(
        &mut self,
        row: &[f32],
        scale: Option<&[f32]>,
        key: Key,
        k: usize,
        out: &mut Vec<u32>,
    ) {
        if k >= row.len() {
            out.extend(0..row.len() as u32);
            return;
        }
        if k == 0 {
            return;
        }
        self.keys.clear();
        super::vectorised(|| match scale {
            Some(scale) => {
                assert_eq!(scale.len(), row.len());
                self.keys.extend(row.iter().zip(scale).map(|(x, s)| x * s));
            }
            None => self.keys.extend_from_slice(row),
        });
        if key == Key::Magnitude {
            super::vectorised(|| self.keys.iter_mut().for_each(|x| *x = x.abs()));
        }
        let bar = self.bar(k);
        self.candidates.clear();
        for (i, &x) in self.keys.iter().enumerate() {
            // A NaN is not below any bar.
            if x >= bar || x.is_nan() {
                self.candidates.push((x, i as u32));
            }
        }
        if self.candidates.len() > k {
            self.candidates.select_nth_unstable_by(k - 1, |a, b| {
                order(b.0).total_cmp(&order(a.0)).then(a.1.cmp(&b.1))
            });
            self.candidates.truncate(k);
        }
        let start = out.len();
        out.extend(self.candidates.iter().map(|c| c.1));
        out[start..].sort_unstable();
    }

    /// A number that at least k of the keys reach.
    fn bar(&mut self, k: usize) -> f32 {
        let block = (self.keys.len() / (BLOCKS_PER_WANTED * k)).max(LEAST_BLOCK);
        if self.keys.len() / block < k {
            return f32::NEG_INFINITY;
        }
        self.maxima.clear();
        let (keys, maxima) = (&self.keys, &mut self.maxima);
        super::vectorised(|| {
            for block in keys.chunks(block) {
                let mut lanes = [f32::NEG_INFINITY; LEAST_BLOCK];
                let (whole, rest) = block.as_chunks::<LEAST_BLOCK>();
                for chunk in whole {
                    for i in 0..LEAST_BLOCK {
                        // A NaN is skipped here: it reaches every bar.
                        lanes[i] = if chunk[i] > lanes[i] {
                            chunk[i]
                        } else {
                            lanes[i]
                        };
                    }
                }
                let all = lanes.iter().chain(rest);
                maxima.push(all.fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a }));
            }
        });
        let (_, bar, _) = self
            .maxima
            .select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
        *bar
    }
}

/// NaNs of either sign are the largest.
fn order(x: f32) -> f32 {
    if x.is_nan() { f32::NAN } else { x }
}

#[cfg(test)]
mod tests {
    use super::{Key, TopK};
    use proptest::prelude::*;

    fn by_sorting(row: &[f32], key: Key, k: usize) -> Vec<u32> {
        let of = |i: u32| match key {
            Key::Value => row[i as usize],
            Key::Magnitude => row[i as usize].abs(),
        };
        let mut all: Vec<u32> = (0..row.len() as u32).collect();
        all.sort_by(|&a, &b| of(b).total_cmp(&of(a)).then(a.cmp(&b)));
        all.truncate(k);
        all.sort_unstable();
        all
    }

    proptest! {
        #[test]
        fn selects_what_sorting_would(
            row in prop::collection::vec(prop_oneof![-9.0_f32..9.0, (-4..4_i8).prop_map(f32::from)], 0..600),
            k in 0..80_usize,
            magnitude: bool,
        ) {
            let key = if magnitude { Key::Magnitude } else { Key::Value };
            // -0 and 0 are equal for a row, not for a total order.
            let row: Vec<f32> = row.into_iter().map(|x| x + 0.0).collect();
            let mut found = Vec::new();
            TopK::new().select(&row, None, key, k, &mut found);
            prop_assert_eq!(found, by_sorting(&row, key, k));
        }
    }

    #[test]
    fn a_scale_counts_and_a_nan_is_kept() {
        let mut out = Vec::new();
        TopK::new().select(
            &[3.0, 2.0, 1.0],
            Some(&[0.1, 1.0, 1.0]),
            Key::Value,
            2,
            &mut out,
        );
        assert_eq!(out, [1, 2]);
        out.clear();
        let mut row = vec![0.0; 500];
        row[77] = -f32::NAN;
        row[400] = 5.0;
        TopK::new().select(&row, None, Key::Value, 2, &mut out);
        assert_eq!(out, [77, 400]);
    }
}
