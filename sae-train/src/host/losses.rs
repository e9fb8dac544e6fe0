//! How badly each token of a batch is reconstructed: the forward pass without gradients.

use super::sparse::{Base, Pass};
use super::unit::{Gated, JumpRelu, Relu, Selected, Unit};
use super::{HostStep, base_of, columns, pre_activations};
use crate::architecture::TrainArchitecture;
use crate::step::StepInput;
use crate::weights::Weights;
use fused_ops::slices::{sum_of_squares, vectorised};
use rayon::prelude::*;

impl HostStep {
    /// ‖x̂ − x‖² of each token. `input.dead` is not looked at.
    ///
    /// Not for matching pursuit.
    pub(crate) fn token_losses(&mut self, weights: &Weights, input: &StepInput<'_>) -> Vec<f64> {
        columns::row_norms(&weights.w_dec, self.shape.d_out, &mut self.norms);
        let x = self.centre(weights, input);
        self.start_from(weights, input);
        let architecture = self.options.architecture;
        let losses = if architecture.is_topk() {
            self.losses_of_selected(weights, input, &x)
        } else if architecture == TrainArchitecture::Gated {
            let scale: Vec<f32> = weights.r_mag.iter().map(|r| r.exp()).collect();
            let norms = std::mem::take(&mut self.norms);
            let unit = Gated {
                norms: &norms,
                b_gate: &weights.b_enc,
                b_mag: &weights.b_mag,
                scale: &scale,
                coefficient: 0.0,
                tokens: 1.0,
            };
            let losses = self.losses_by_unit(&unit, weights, input, &x);
            self.norms = norms;
            losses
        } else if architecture.has_threshold() {
            let norms = std::mem::take(&mut self.norms);
            let unit = JumpRelu {
                thresholds: &weights.threshold,
                norms: &norms,
                dead: &[],
                // Only what is above its threshold.
                bandwidth: f32::MIN_POSITIVE,
                to_input: false,
                mode: self.options.jumprelu_sparsity_loss_mode,
                tanh_scale: 0.0,
                target_l0: 1.0,
                coefficient: 0.0,
                pre_act: 0.0,
                tokens: 1.0,
            };
            let losses = self.losses_by_unit(&unit, weights, input, &x);
            self.norms = norms;
            losses
        } else {
            let norms = std::mem::take(&mut self.norms);
            let unit = Relu {
                norms: &norms,
                p: 1.0,
                coefficient: 0.0,
                tokens: 1.0,
            };
            let losses = self.losses_by_unit(&unit, weights, input, &x);
            self.norms = norms;
            losses
        };
        self.centred = x;
        losses
    }

    fn losses_of_selected(
        &mut self,
        weights: &Weights,
        input: &StepInput<'_>,
        x: &[f32],
    ) -> Vec<f64> {
        let none = vec![false; self.shape.d_sae];
        let input = StepInput {
            dead: &none,
            ..*input
        };
        self.find_dead(&input);
        self.select(weights, &input, x);
        let whole = [self.shape.d_sae];
        let pass = Pass {
            rows: input.rows,
            shape: self.shape,
            widths: &whole,
        };
        let (unit, base) = (Selected { counts: false }, Base::Bias(&weights.b_dec));
        self.sparse
            .forward(&unit, weights, base, input.target(), pass);
        squared_rows(&self.sparse.errors[0], self.shape.d_out)
    }

    fn losses_by_unit<U: Unit>(
        &mut self,
        unit: &U,
        weights: &Weights,
        input: &StepInput<'_>,
        x: &[f32],
    ) -> Vec<f64> {
        let (shape, whole) = (self.shape, [self.shape.d_sae]);
        let at_once = Self::piece_tokens(shape.d_sae);
        let mut losses = Vec::with_capacity(input.rows);
        for start in (0..input.rows).step_by(at_once) {
            let rows = at_once.min(input.rows - start);
            let x = &x[start * shape.d_in..][..rows * shape.d_in];
            let target = &input.target()[start * shape.d_out..][..rows * shape.d_out];
            pre_activations(&mut self.h, x, weights, shape, rows);
            let numbers = start * shape.d_out..(start + rows) * shape.d_out;
            let base = base_of(&self.base, weights, numbers);
            let entries = &mut self.sparse.entries;
            entries.clear();
            entries.push_rows::<()>(&self.h, shape.d_sae, |_, row, (), out| {
                let all = row.iter().enumerate();
                let active = all.filter(|&(j, &h)| unit.is_touched(j, h));
                out.extend(active.map(|(j, _)| j as u32));
            });
            let pass = Pass {
                rows,
                shape,
                widths: &whole,
            };
            self.sparse.forward(unit, weights, base, target, pass);
            losses.extend(squared_rows(&self.sparse.errors[0], shape.d_out));
        }
        losses
    }
}

fn squared_rows(rows: &[f32], d: usize) -> Vec<f64> {
    rows.par_chunks_exact(d)
        .with_min_len(64)
        .map(|row| vectorised(|| f64::from(sum_of_squares(row))))
        .collect()
}
