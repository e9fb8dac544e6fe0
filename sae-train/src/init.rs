//! The weights before the first step.

use crate::architecture::TrainArchitecture;
use crate::options::{BiasInit, TrainOptions};
use crate::random::Random;
use crate::weights::{Shape, Weights};

/// Rounds of Weiszfeld's iteration.
const ROUNDS: usize = 50;

impl Weights {
    /// As SAELens draws them, with a seed that counts: `W_dec ~ U(±√(6/d))`, rows scaled to `decoder_init_norm`; the encoder is the
    /// decoder's transpose; biases 0; thresholds as the settings say.
    ///
    /// For transcoders as sparsify has it: the decoder and the skip connection are 0, and the encoder's rows are drawn.
    pub fn random(options: &TrainOptions, shape: Shape) -> Self {
        let architecture = options.architecture;
        let mut weights = Self::zeros(architecture, shape);
        let mut random = Random::new(options.seed, 0);
        let rows = if architecture.is_transcoder() {
            &mut weights.w_enc
        } else {
            &mut weights.w_dec
        };
        let width = if architecture.is_transcoder() {
            shape.d_in
        } else {
            shape.d_out
        };
        let bound = (6.0 / width as f64).sqrt();
        for row in rows.chunks_exact_mut(width) {
            for w in row.iter_mut() {
                *w = (bound * (2.0 * random.unit() - 1.0)) as f32;
            }
            let pursuit = architecture == TrainArchitecture::MatchingPursuit;
            let norm = if pursuit || options.unit_decoder {
                Some(1.0)
            } else {
                options.decoder_init_norm
            };
            let norm = norm.filter(|_| !architecture.is_transcoder());
            if let Some(norm) = norm {
                scale_to(row, norm);
            }
        }
        if !architecture.is_transcoder() && !weights.w_enc.is_empty() {
            weights.w_enc.copy_from_slice(&weights.w_dec);
        }
        weights
            .threshold
            .fill(options.jumprelu_init_threshold as f32);
        weights
    }

    /// Sets the biases that depend on data, from the first batch: `x` is `[n, d_in]`, `y` is `[n, d_out]`.
    pub(crate) fn init_biases(
        &mut self,
        options: &TrainOptions,
        x: &[f32],
        y: &[f32],
        shape: Shape,
    ) {
        let transcoder = options.architecture.is_transcoder();
        match options.b_dec_init {
            BiasInit::Zeros => return,
            BiasInit::Peer if !transcoder => return,
            BiasInit::Peer | BiasInit::Mean => self.b_dec = mean(y, shape.d_out),
            BiasInit::GeometricMedian => self.b_dec = geometric_median(y, shape.d_out),
        }
        if transcoder {
            // What b_dec does for an SAE whose input is centred.
            let centre = mean(x, shape.d_in);
            for (b, row) in self
                .b_enc
                .iter_mut()
                .zip(self.w_enc.chunks_exact(shape.d_in))
            {
                *b = -row.iter().zip(&centre).map(|(w, c)| w * c).sum::<f32>();
            }
        }
    }
}

/// Makes a vector this long; a vector of zeros stays.
pub(crate) fn scale_to(row: &mut [f32], norm: f64) {
    let is = row
        .iter()
        .map(|&w| f64::from(w) * f64::from(w))
        .sum::<f64>()
        .sqrt();
    if is > 0.0 {
        for w in row {
            *w = (f64::from(*w) * (norm / is)) as f32;
        }
    }
}

pub(crate) fn mean(rows: &[f32], d: usize) -> Vec<f32> {
    weighted_mean(rows, d, |_| 1.0)
}

fn weighted_mean(rows: &[f32], d: usize, weight: impl Fn(&[f32]) -> f64) -> Vec<f32> {
    let (mut sums, mut total) = (vec![0.0_f64; d], 0.0);
    for row in rows.chunks_exact(d) {
        let w = weight(row);
        total += w;
        sums.iter_mut()
            .zip(row)
            .for_each(|(sum, &x)| *sum += w * f64::from(x));
    }
    sums.iter()
        .map(|sum| (sum / total.max(f64::MIN_POSITIVE)) as f32)
        .collect()
}

/// The point with the least sum of distances to all rows, by Weiszfeld's iteration from the mean.
fn geometric_median(rows: &[f32], d: usize) -> Vec<f32> {
    let mut at = mean(rows, d);
    for _ in 0..ROUNDS {
        let next = weighted_mean(rows, d, |row| {
            let squared: f64 = row
                .iter()
                .zip(&at)
                .map(|(x, m)| f64::from(x - m).powi(2))
                .sum();
            1.0 / squared.sqrt().max(1e-8)
        });
        let moved: f64 = next
            .iter()
            .zip(&at)
            .map(|(a, b)| f64::from(a - b).powi(2))
            .sum();
        at = next;
        if moved < 1e-20 {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_hardly_moves_the_geometric_median() {
        let mut rows = vec![0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        let before = geometric_median(&rows, 2);
        rows.extend([1000.0, 0.5]);
        let after = geometric_median(&rows, 2);
        assert!((before[0] - 0.5).abs() < 1e-4 && (before[1] - 0.5).abs() < 1e-4);
        assert!((after[0] - 0.5).abs() < 0.5, "{after:?}");
        assert!(mean(&rows, 2)[0] > 100.0);
    }

    #[test]
    fn a_moving_average_begins_with_the_biases_that_the_data_give() {
        let options = TrainOptions {
            d_sae: 4,
            b_dec_init: BiasInit::Mean,
            ema_decay: Some(0.999),
            train_batch_size_tokens: 2,
            ..TrainOptions::default()
        };
        let mut trainer = crate::Trainer::new(&options, 2, 2).unwrap();
        trainer.step(&[10.0, 20.0, 30.0, 40.0], None).unwrap();
        let ema = trainer.ema().unwrap().b_dec.clone();
        assert!(
            (ema[0] - 20.0).abs() < 0.1 && (ema[1] - 30.0).abs() < 0.1,
            "{ema:?}"
        );
    }

    #[test]
    fn rows_have_the_norm_that_was_asked_for_and_the_seed_counts() {
        let mut options = TrainOptions {
            d_sae: 20,
            ..TrainOptions::default()
        };
        let shape = Shape::new(&options, 8, 8);
        let weights = Weights::random(&options, shape);
        for row in weights.w_dec.chunks_exact(8) {
            let norm = row.iter().map(|w| w * w).sum::<f32>().sqrt();
            assert!((norm - 0.1).abs() < 1e-6);
        }
        assert_eq!(weights.w_enc, weights.w_dec);
        assert_eq!(Weights::random(&options, shape), weights);
        options.seed += 1;
        assert_ne!(Weights::random(&options, shape), weights);
    }
}
