//! Random SAEs and batches.

use super::draws::Draws;
use sae_train::{Shape, TrainArchitecture, TrainOptions, Weights};

/// What a case is drawn from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) rows: usize,
    pub(crate) d_in: usize,
    pub(crate) d_out: usize,
    pub(crate) d_sae: usize,
    pub(crate) seed: u64,
    /// Whether few features are active on the first token.
    pub(crate) sparse: bool,
}

/// The sparse form is taken where at most one feature in this many is touched on the tokens looked at: with few tokens, the first. As
/// `DENSE` in `src/host/mod.rs`.
pub(crate) const DENSE: usize = 12;

impl Case {
    /// Batches, the first token the same in all of them: which form is taken is then known.
    pub(crate) fn batches(&self, n: usize) -> Vec<(Vec<f32>, Vec<f32>)> {
        let mut draws = Draws::new(self.seed ^ 1);
        let first = narrow(draws.normals(self.d_in));
        (0..n)
            .map(|_| {
                let mut x = narrow(draws.normals(self.rows * self.d_in));
                x[..self.d_in].copy_from_slice(&first);
                (x, narrow(draws.normals(self.rows * self.d_out)))
            })
            .collect()
    }

    /// Weights with nothing at rest: encoder and decoder apart, rows of different lengths, biases everywhere.
    pub(crate) fn weights(&self, options: &TrainOptions, shape: Shape, first: &[f32]) -> Weights {
        let mut draws = Draws::new(self.seed);
        let mut weights = Weights::zeros(options.architecture, shape);
        let pursuit = options.architecture == TrainArchitecture::MatchingPursuit;
        fill(
            &mut weights.w_enc,
            1.5 / (self.d_in as f64).sqrt(),
            &mut draws,
        );
        fill(&mut weights.w_dec, 1.0, &mut draws);
        for row in weights.w_dec.chunks_exact_mut(shape.d_out) {
            let norm = row.iter().map(|w| w * w).sum::<f32>().sqrt();
            // Much longer rows would make matching pursuit's residual grow.
            let spread = if pursuit { 0.1 } else { 0.6 };
            let wanted = 1.0 + spread * (2.0 * draws.unit() - 1.0);
            for w in row {
                *w *= wanted as f32 / norm;
            }
        }
        for part in [
            &mut weights.b_enc,
            &mut weights.b_dec,
            &mut weights.b_mag,
            &mut weights.r_mag,
            &mut weights.w_skip,
        ] {
            fill(part, 0.3, &mut draws);
        }
        for theta in &mut weights.threshold {
            *theta = (0.05 + 0.45 * draws.unit()) as f32;
        }
        if !pursuit && !options.architecture.is_topk() {
            self.bias(options, &mut weights, first, &mut draws);
        }
        weights
    }

    /// Biases by which half as many features as the sparse form allows, or two of three, are active on the first token, all of them far
    /// from where anything changes.
    fn bias(
        &self,
        options: &TrainOptions,
        weights: &mut Weights,
        first: &[f32],
        draws: &mut Draws,
    ) {
        let centred = options.apply_b_dec_to_input && !options.architecture.is_transcoder();
        for j in 0..self.d_sae {
            let row = &weights.w_enc[j * self.d_in..][..self.d_in];
            let terms = row.iter().zip(first).enumerate();
            let h: f32 = terms
                .map(|(i, (w, x))| w * (x - if centred { weights.b_dec[i] } else { 0.0 }))
                .sum();
            let is_active = if self.sparse {
                2 * DENSE * (j + 1) <= self.d_sae
            } else {
                j % 3 != 1
            };
            let theta = weights.threshold.get(j).copied().unwrap_or_default();
            let far = (options.jumprelu_bandwidth + 0.5 * draws.unit()) as f32;
            weights.b_enc[j] = theta - h + if is_active { far } else { -far };
        }
    }
}

fn fill(part: &mut [f32], scale: f64, draws: &mut Draws) {
    for w in part {
        *w = (scale * draws.normal()) as f32;
    }
}

fn narrow(values: Vec<f64>) -> Vec<f32> {
    values.into_iter().map(|x| x as f32).collect()
}
