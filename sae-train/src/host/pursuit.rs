//! Matching pursuit: decoder directions taken from the residual one by one, and the gradient through all of it.

use super::HostStep;
use crate::step::{StepInput, StepOutput};
use crate::weights::{Shape, Weights};
use fused_ops::slices::{Matrix, add_scaled, dot, matmul, vectorised};
use rayon::prelude::*;

/// Tokens whose residuals are multiplied with the decoder at once.
const AT_ONCE: usize = 512;

/// What flows into a token's first residual, and for each step its feature, its value and the gradient by that.
type Back = (Vec<f32>, Vec<(u32, [f32; 2])>);

/// What has been taken from a token: features and values in order, those of 0 too.
#[derive(Debug, Clone, Default)]
struct Path {
    taken: Vec<(u32, f32)>,
    done: bool,
}

impl HostStep {
    /// A step of matching pursuit.
    pub(super) fn pursuit(
        &mut self,
        weights: &Weights,
        gradient: &mut Weights,
        input: &StepInput<'_>,
    ) -> StepOutput {
        let Shape { d_in, d_sae, .. } = self.shape;
        let centred = self.options.apply_b_dec_to_input;
        let (tokens, scale) = (input.rows as f64, 2.0 / input.rows as f32);
        let mut squared = 0.0;
        let mut fired = vec![0_u32; d_sae];
        let mut l0 = (usize::MAX, 0);
        let (mut norms, mut converged) = (0.0, 0);
        for start in (0..input.rows).step_by(AT_ONCE) {
            let rows = AT_ONCE.min(input.rows - start);
            let x = &input.x[start * d_in..][..rows * d_in];
            let (paths, residual) = self.paths(weights, x, rows);
            let backs: Vec<Back> = paths
                .par_iter()
                .enumerate()
                .with_min_len(4)
                .map(|(row, path)| {
                    let left = &residual[row * d_in..][..d_in];
                    vectorised(|| back(path, left, weights, scale, d_in))
                })
                .collect();
            // The gradient of a direction is a sum over steps of multiples of the error, of what flows back and of the residual,
            // which differ from step to step: they are made again on the way, token after token.
            for (row, path) in paths.iter().enumerate() {
                let left = &residual[row * d_in..][..d_in];
                let norm = dot(left, left).sqrt();
                squared += f64::from(norm) * f64::from(norm);
                norms += f64::from(norm);
                converged += usize::from(f64::from(norm) < self.options.residual_threshold);
                let mut active: Vec<u32> = path
                    .taken
                    .iter()
                    .filter(|t| t.1 != 0.0)
                    .map(|t| t.0)
                    .collect();
                active.sort_unstable();
                active.dedup();
                for &j in &active {
                    fired[j as usize] += 1;
                }
                l0 = (l0.0.min(active.len()), l0.1.max(active.len()));
                let (into_x, steps) = &backs[row];
                add_path(gradient, path, left, steps, scale, d_in, weights);
                if centred {
                    // x̂ − x does not depend on the bias directly: b_dec is taken away and given back.
                    let error = left.iter().map(|r| -scale * r);
                    for ((b, e), dx) in gradient.b_dec.iter_mut().zip(error).zip(into_x) {
                        *b += e - dx;
                    }
                }
            }
        }
        let losses = vec![("mse_loss".to_owned(), squared / tokens)];
        let mut output = StepOutput::new(losses, fired);
        output.metrics = vec![
            ("max_l0".to_owned(), l0.1 as f64),
            ("min_l0".to_owned(), l0.0 as f64),
            ("residual_norm".to_owned(), norms / tokens),
            (
                "residual_threshold_converged_portion".to_owned(),
                converged as f64 / tokens,
            ),
        ];
        output
    }

    /// What is taken from each token, and what is left of it.
    fn paths(&mut self, weights: &Weights, x: &[f32], rows: usize) -> (Vec<Path>, Vec<f32>) {
        let (options, Shape { d_in, d_sae, .. }) = (&self.options, self.shape);
        let mut residual = x.to_vec();
        if options.apply_b_dec_to_input {
            for row in residual.chunks_exact_mut(d_in) {
                row.iter_mut()
                    .zip(&weights.b_dec)
                    .for_each(|(x, b)| *x -= b);
            }
        }
        let mut paths = vec![Path::default(); rows];
        let threshold = options.residual_threshold as f32;
        let stops = options.stop_on_duplicate_support;
        for _ in 0..options.max_iterations.unwrap_or(d_in) {
            self.h.resize(rows * d_sae, 0.0);
            let w_dec = Matrix::new(&weights.w_dec, d_sae, d_in);
            matmul(
                &mut self.h,
                Matrix::new(&residual, rows, d_in),
                w_dec.transpose(),
                false,
            );
            paths
                .par_iter_mut()
                .zip(residual.par_chunks_exact_mut(d_in))
                .zip(self.h.par_chunks_exact(d_sae))
                .with_min_len(4)
                .filter(|((path, _), _)| !path.done)
                .for_each(|((path, residual), h)| {
                    vectorised(|| {
                        let (mut best, mut most) = (0, 0.0);
                        for (j, &h) in h.iter().enumerate() {
                            if h > most {
                                (best, most) = (j, h);
                            }
                        }
                        let direction = &weights.w_dec[best * d_in..][..d_in];
                        let value = dot(residual, direction).max(0.0);
                        let known = path
                            .taken
                            .iter()
                            .any(|&(j, v)| j as usize == best && v != 0.0);
                        path.taken.push((best as u32, value));
                        add_scaled(residual, -value, direction);
                        let is_short =
                            threshold > 0.0 && dot(residual, residual).sqrt() < threshold;
                        path.done = is_short || stops && (known || value == 0.0);
                    });
                });
            if paths.iter().all(|path| path.done) {
                break;
            }
        }
        (paths, residual)
    }
}

/// Backwards along a path.
fn back(path: &Path, left: &[f32], weights: &Weights, scale: f32, d: usize) -> Back {
    // The loss sees x̂ = Σ v·w, whose error is −left where the bias is given back.
    let error: Vec<f32> = left.iter().map(|r| -scale * r).collect();
    let mut flowing = vec![0.0; d];
    let mut steps = Vec::with_capacity(path.taken.len());
    for &(j, value) in path.taken.iter().rev() {
        let direction = &weights.w_dec[j as usize * d..][..d];
        let dv = dot(&error, direction) - dot(&flowing, direction);
        let through = if value > 0.0 { dv } else { 0.0 };
        steps.push((j, [value, through]));
        add_scaled(&mut flowing, through, direction);
    }
    steps.reverse();
    (flowing, steps)
}

/// Adds what each step of a path gives to the gradient of its direction: v·(error − flowing) + dv·residual.
fn add_path(
    gradient: &mut Weights,
    path: &Path,
    left: &[f32],
    steps: &[(u32, [f32; 2])],
    scale: f32,
    d: usize,
    weights: &Weights,
) {
    vectorised(|| {
        let mut flowing = vec![0.0; d];
        let mut residual = left.to_vec();
        for (&(j, value), &(_, [_, through])) in path.taken.iter().zip(steps).rev() {
            let direction = &weights.w_dec[j as usize * d..][..d];
            // Before this step there was more.
            add_scaled(&mut residual, value, direction);
            let to = &mut gradient.w_dec[j as usize * d..][..d];
            for i in 0..d {
                to[i] += value * (-scale * left[i] - flowing[i]) + through * residual[i];
            }
            add_scaled(&mut flowing, through, direction);
        }
    });
}
