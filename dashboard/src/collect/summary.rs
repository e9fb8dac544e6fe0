//! A line about every feature, from one reading of the log.

use rayon::prelude::*;

use super::CollectError;
use crate::ActivationLog;

/// Parts of the log that are read side by side. A fixed number, so that sums do not depend on the machine.
const PARTS: usize = 16;

/// How often each feature fires and how strongly; every column has `d_sae` entries.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Tokens that count.
    pub n_tokens: u64,
    /// Tokens on which each feature fires.
    pub n_fired: Vec<u64>,
    /// The mean of its activations above zero; 0 where there are none.
    pub mean: Vec<f64>,
    /// The largest; 0 where there are none.
    pub max: Vec<f32>,
    /// Where that is, the first time: context and position.
    pub argmax: Vec<Option<(u64, u32)>>,
}

impl Summary {
    fn new(d_sae: usize) -> Self {
        Self {
            n_tokens: 0,
            n_fired: vec![0; d_sae],
            mean: vec![0.0; d_sae],
            max: vec![0.0; d_sae],
            argmax: vec![None; d_sae],
        }
    }

    /// Of the whole log.
    ///
    /// # Errors
    /// If the log refers to a feature that the dictionary does not have.
    pub fn of(log: &ActivationLog) -> Result<Self, CollectError> {
        let per_part = log.n_contexts().div_ceil(PARTS);
        let parts: Vec<_> = (0..log.n_contexts()).step_by(per_part).collect();
        let parts: Vec<_> = parts
            .into_par_iter()
            .map(|first| Self::of_part(log, first, per_part))
            .collect();
        let mut whole = Self::new(log.info().d_sae as usize);
        for part in parts {
            whole.append(&part?);
        }
        // Sums until here.
        for (mean, &n) in whole.mean.iter_mut().zip(&whole.n_fired) {
            *mean /= n.max(1) as f64;
        }
        Ok(whole)
    }

    fn of_part(log: &ActivationLog, first: usize, n: usize) -> Result<Self, CollectError> {
        let d_sae = log.info().d_sae;
        let mut part = Self::new(d_sae as usize);
        for place in first..(first + n).min(log.n_contexts()) {
            let context = log.context(place);
            for (position, entries) in log.tokens(place).enumerate() {
                let Some(entries) = entries else { continue };
                part.n_tokens += 1;
                for &[feature, bits] in entries {
                    let (f, x) = (feature as usize, f32::from_bits(bits));
                    let Some(n_fired) = part.n_fired.get_mut(f) else {
                        return Err(CollectError::NoSuchFeature {
                            context,
                            feature,
                            d_sae,
                        });
                    };
                    *n_fired += 1;
                    part.mean[f] += f64::from(x);
                    if x > part.max[f] {
                        part.max[f] = x;
                        part.argmax[f] = Some((context, position as u32));
                    }
                }
            }
        }
        Ok(part)
    }

    /// Adds what comes after this in the text.
    fn append(&mut self, part: &Self) {
        self.n_tokens += part.n_tokens;
        for f in 0..self.n_fired.len() {
            self.n_fired[f] += part.n_fired[f];
            self.mean[f] += part.mean[f];
            if part.max[f] > self.max[f] {
                self.max[f] = part.max[f];
                self.argmax[f] = part.argmax[f];
            }
        }
    }
}
