//! The activations of some features, gathered from the log.

use crate::ActivationLog;

/// Bytes of a gathered activation: its place and its value.
const BYTES: u64 = 12;

/// Activations feature by feature, each feature's in the order of the text.
pub(crate) struct Activations {
    /// Where each feature's begin; one more than there are features.
    starts: Vec<usize>,
    places: Vec<u64>,
    values: Vec<f32>,
}

/// One feature's activations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fired<'a> {
    /// Context's place in the log × context size + position, ascending.
    pub(crate) places: &'a [u64],
    pub(crate) values: &'a [f32],
}

impl Activations {
    /// How many of the features fit in this many bytes; at least one.
    pub(crate) fn fit(features: &[u32], counts: &[u64], bytes: u64) -> usize {
        let mut taken = 0_u64;
        let fit = features.iter().take_while(|&&feature| {
            taken = taken.saturating_add(counts[feature as usize].saturating_mul(BYTES));
            taken <= bytes
        });
        fit.count().max(1)
    }

    pub(crate) fn gather(log: &ActivationLog, features: &[u32], counts: &[u64]) -> Self {
        const NONE: u32 = u32::MAX;
        let mut slots = vec![NONE; log.info().d_sae as usize];
        let mut starts = Vec::with_capacity(features.len() + 1);
        starts.push(0);
        for (slot, &feature) in features.iter().enumerate() {
            slots[feature as usize] = slot as u32;
            starts.push(starts[slot] + counts[feature as usize] as usize);
        }
        let n = starts[features.len()];
        let (mut places, mut values) = (vec![0; n], vec![0.0; n]);
        let mut next = starts.clone();
        let context_size = u64::from(log.info().context_size);
        for context in 0..log.n_contexts() {
            for (position, entries) in log.tokens(context).enumerate() {
                for &[feature, bits] in entries.unwrap_or_default() {
                    let slot = slots[feature as usize];
                    if slot != NONE {
                        let at = &mut next[slot as usize];
                        places[*at] = context as u64 * context_size + position as u64;
                        values[*at] = f32::from_bits(bits);
                        *at += 1;
                    }
                }
            }
        }
        Self {
            starts,
            places,
            values,
        }
    }

    /// Those of a feature, by its place among those that were gathered.
    pub(crate) fn of(&self, slot: usize) -> Fired<'_> {
        let range = self.starts[slot]..self.starts[slot + 1];
        Fired {
            places: &self.places[range.clone()],
            values: &self.values[range],
        }
    }
}
