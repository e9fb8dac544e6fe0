//! Scales of training that go into the weights.
//!
//! `OpenMOSS`' SAEs are trained on activations scaled to a mean norm of √d. With `s_in` and `s_out` the factors of input and output, the SAE in
//! the file is `f' = act(s_in·x·W_enc + b_enc)`, `s_out·y = f'·W_dec + b_dec`. With `f = f'/s_in` that is the SAE
//! `f = act(x·W_enc + b_enc/s_in)`, `y = f·(W_dec·s_in/s_out) + b_dec/s_out`. Then, where the gate is on `h·‖W_dec[i]‖`, these norms `n` go
//! over to the encoder: `W_enc·n`, `b_enc·n`, `W_dec/n`.
//!
//! A threshold θ of the scaled space is compared with `s_in·h`, or with `s_in·h·‖W_dec‖`, which after the fold is `s_out` times the
//! pre-activation: it becomes `θ/s_in` without norms and `θ/s_out` with them.

/// Decoder rows shorter than this are as good as zero.
const MIN_NORM: f64 = 1e-8;

/// What is folded; nothing by default.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fold {
    /// The factor of inputs.
    pub(super) input: f64,
    /// The factor of outputs.
    pub(super) output: f64,
    /// Whether thresholds are those of scaled activations.
    pub(super) scaled_threshold: bool,
    /// Whether norms of decoder rows go into the encoder.
    pub(super) norms: bool,
    /// Whether `b_dec`, which the encoder subtracts, goes into `b_enc`: `b_enc − b_dec·W_enc`.
    pub(super) b_dec: bool,
}

impl Default for Fold {
    fn default() -> Self {
        Self {
            input: 1.0,
            output: 1.0,
            scaled_threshold: false,
            norms: false,
            b_dec: false,
        }
    }
}

/// A fold under way: `W_dec` comes before the others.
#[derive(Debug, Default)]
pub(crate) struct Folding {
    fold: Fold,
    norms: Option<Vec<f64>>,
}

impl Fold {
    /// Whether `b_dec` has to go into `b_enc`, once both and the encoder are loaded.
    pub(crate) fn folds_b_dec(&self) -> bool {
        self.b_dec
    }

    pub(crate) fn begin(&self) -> Folding {
        Folding {
            fold: self.clone(),
            norms: None,
        }
    }
}

impl Folding {
    /// Changes the numbers of one of our tensors, in our layout.
    pub(crate) fn apply(&mut self, name: &str, numbers: &mut [f32], shape: &[usize]) {
        let Fold { input, output, .. } = self.fold;
        match name {
            "W_dec" => {
                scale(numbers, input / output);
                if self.fold.norms && shape.last().is_some_and(|&width| width > 0) {
                    let rows = numbers.chunks_exact_mut(shape[shape.len() - 1]);
                    self.norms = Some(rows.map(to_unit).collect());
                }
            }
            "b_dec" => scale(numbers, 1.0 / output),
            "W_enc" => {
                if let Some(norms) = &self.norms {
                    for row in numbers.chunks_exact_mut(norms.len().max(1)) {
                        scale_each(row, norms);
                    }
                }
            }
            "b_enc" => {
                scale(numbers, 1.0 / input);
                if let Some(norms) = &self.norms {
                    scale_each(numbers, norms);
                }
            }
            "threshold" if self.fold.scaled_threshold => {
                scale(numbers, 1.0 / if self.fold.norms { output } else { input });
            }
            _ => {}
        }
    }
}

fn scale(numbers: &mut [f32], factor: f64) {
    if factor.to_bits() != 1.0_f64.to_bits() {
        for x in numbers {
            *x = (f64::from(*x) * factor) as f32;
        }
    }
}

fn scale_each(numbers: &mut [f32], by: &[f64]) {
    for (x, by) in numbers.iter_mut().zip(by) {
        *x = (f64::from(*x) * by) as f32;
    }
}

/// Makes a row as long as 1, and returns how long it was.
fn to_unit(row: &mut [f32]) -> f64 {
    let squares = row.iter().map(|x| f64::from(*x) * f64::from(*x));
    let norm = squares.sum::<f64>().sqrt().max(MIN_NORM);
    scale(row, 1.0 / norm);
    norm
}

#[cfg(test)]
mod tests {
    use super::Fold;
    use proptest::prelude::*;

    const D: usize = 3;
    const M: usize = 4;

    /// `f` and `y` of an SAE with a threshold that is compared with `h`, or `h·norm`, in f64.
    fn run(
        x: &[f64],
        [w_enc, b_enc, w_dec, b_dec, theta]: [&[f32]; 5],
        include: bool,
    ) -> (Vec<f64>, Vec<f64>) {
        let of = |w: &[f32], at: usize| f64::from(w[at]);
        let features: Vec<f64> = (0..M)
            .map(|i| {
                let h = (0..D).map(|j| x[j] * of(w_enc, j * M + i)).sum::<f64>() + of(b_enc, i);
                let norm = (0..D)
                    .map(|j| of(w_dec, i * D + j).powi(2))
                    .sum::<f64>()
                    .sqrt();
                let score = if include { h * norm } else { h };
                if score > of(theta, i) && h > 0.0 {
                    h
                } else {
                    0.0
                }
            })
            .collect();
        let out = (0..D).map(|j| {
            (0..M)
                .map(|i| features[i] * of(w_dec, i * D + j))
                .sum::<f64>()
                + of(b_dec, j)
        });
        let out = out.collect();
        (features, out)
    }

    proptest! {
        /// An SAE of scaled activations, and the one that it is folded into on the model's own, write the same.
        #[test]
        fn a_folded_sae_writes_what_the_scaled_one_wrote(
            numbers in prop::collection::vec(-1.0_f32..1.0, D * M * 2 + M + D),
            theta in prop::collection::vec(0.01_f32..0.5, M),
            x in prop::collection::vec(-3.0_f64..3.0, D),
            (input, output) in (0.1_f64..10.0, 0.1_f64..10.0),
            norms: bool,
        ) {
            let (w_enc, rest) = numbers.split_at(D * M);
            let (w_dec, rest) = rest.split_at(D * M);
            let (b_enc, b_dec) = rest.split_at(M);
            let scaled: Vec<f64> = x.iter().map(|x| x * input).collect();
            let (active, out) = run(&scaled, [w_enc, b_enc, w_dec, b_dec, &theta], norms);
            let expected: Vec<f64> = out.iter().map(|y| y / output).collect();

            let fold = Fold { input, output, scaled_threshold: true, norms, b_dec: false };
            let mut folding = fold.begin();
            let mut folded = |name, numbers: &[f32], shape: &[usize]| {
                let mut numbers = numbers.to_vec();
                folding.apply(name, &mut numbers, shape);
                numbers
            };
            let w_dec = folded("W_dec", w_dec, &[M, D]);
            let parts = [
                folded("W_enc", w_enc, &[D, M]),
                folded("b_enc", b_enc, &[M]),
                folded("b_dec", b_dec, &[D]),
                folded("threshold", &theta, &[M]),
            ];
            let (features, found) = run(&x, [&parts[0], &parts[1], &w_dec, &parts[2], &parts[3]], false);
            // Where a feature is at its threshold, f32 may decide either way.
            let same = active.iter().zip(&features).all(|(a, b)| (*a > 0.0) == (*b > 0.0));
            prop_assume!(same);
            let scale = expected.iter().fold(1e-3_f64, |m, y| m.max(y.abs()));
            for (a, b) in found.iter().zip(&expected) {
                prop_assert!((a - b).abs() <= 1e-4 * scale, "{a} {b}");
            }
        }
    }
}
