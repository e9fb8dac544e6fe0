//! From a batch to its gradient, and the one transfer back.

use super::DeviceStep;
use super::adam::{squared_norm, without_parallel};
use super::batch::Batch;
use super::gated::Gated;
use super::jumprelu::JumpRelu;
use super::relu::Relu;
use super::revive::Revival;
use super::sums::{Sums, finish};
use super::topk::{NONE_ACTIVE, topk};
use super::unit::pieces;
use super::weights::{Gradient, read, upload};
use crate::architecture::TrainArchitecture;
use crate::step::{StepInput, StepOutput};
use burn::tensor::Tensor;

/// Losses summed over tokens, `[1, 1]` each, by name; `None` is 0.
type Named = Vec<(String, Option<Tensor<2>>)>;

impl DeviceStep {
    /// The gradient of a batch, what came out of it, and the gradient's norm.
    pub(super) fn gradient(&self, input: &StepInput<'_>) -> (Gradient, StepOutput, f64) {
        if input.rows == 0 {
            // A mean over nothing, which the caller takes for divergence.
            let losses = vec![("mse_loss".to_owned(), f64::NAN)];
            let fired = vec![0; self.shape.d_sae];
            return (
                Gradient::default(),
                StepOutput::new(losses, fired),
                f64::NAN,
            );
        }
        let batch = Batch::new(&self.options, &self.on, self.shape, &self.weights, input);
        let (mut gradient, mut sums) = (Gradient::default(), Sums::default());
        let mut least = None;
        let losses = match self.options.architecture {
            TrainArchitecture::Gated => self.gated(&batch, input, &mut gradient, &mut sums),
            a if a.has_threshold() => self.jumprelu(&batch, input, &mut gradient, &mut sums),
            a if a.is_topk() => {
                let found = self.topk(&batch, input, &mut gradient, &mut sums);
                least = found.1;
                found.0
            }
            _ => self.relu(&batch, input, &mut gradient, &mut sums),
        };
        let fired = finish(
            sums,
            &batch.norms,
            &self.weights,
            &mut gradient,
            batch.centred,
        );
        if self.options.unit_decoder {
            let of_rows = gradient.w_dec.take();
            gradient.w_dec = of_rows.map(|g| without_parallel(g, &self.weights.w_dec));
        }
        let norm = squared_norm(&gradient);
        let (output, norm) = self.transfer(losses, norm, least, fired, input.rows as f64);
        (gradient, output, norm)
    }

    fn relu(
        &self,
        batch: &Batch<'_>,
        input: &StepInput<'_>,
        gradient: &mut Gradient,
        sums: &mut Sums,
    ) -> Named {
        let unit = Relu {
            norms: batch.norms.clone(),
            p: self.options.lp_norm,
            coefficient: input.coefficient,
            tokens: input.rows as f64,
        };
        let losses = pieces(&unit, batch, gradient, sums);
        let [squared] = losses.squared;
        named([("mse_loss", squared), ("l1_loss", losses.sparsity)])
    }

    fn gated(
        &self,
        batch: &Batch<'_>,
        input: &StepInput<'_>,
        gradient: &mut Gradient,
        sums: &mut Sums,
    ) -> Named {
        let zeros = || self.weights.b_enc.zeros_like();
        let part = |part: &Option<Tensor<2>>| part.clone().unwrap_or_else(zeros);
        let unit = Gated {
            norms: batch.norms.clone(),
            b_gate: self.weights.b_enc.clone(),
            b_mag: part(&self.weights.b_mag),
            scale: part(&self.weights.r_mag).exp(),
            coefficient: input.coefficient,
            tokens: input.rows as f64,
        };
        let losses = pieces(&unit, batch, gradient, sums);
        let [squared, of_gates] = losses.squared;
        named([
            ("mse_loss", squared),
            ("l1_loss", losses.sparsity),
            ("auxiliary_reconstruction_loss", of_gates),
        ])
    }

    fn jumprelu(
        &self,
        batch: &Batch<'_>,
        input: &StepInput<'_>,
        gradient: &mut Gradient,
        sums: &mut Sums,
    ) -> Named {
        let options = &self.options;
        let thresholds = self.weights.threshold.clone();
        let weight = options.pre_act_loss_coefficient;
        let pulled = weight.filter(|_| input.dead.contains(&true)).map(|weight| {
            let dead = input.dead.iter().map(|&dead| f32::from(u8::from(dead)));
            let dead = upload(dead.collect(), self.shape.d_sae, &self.on.device);
            (dead, weight)
        });
        let unit = JumpRelu {
            thresholds: thresholds.unwrap_or_else(|| self.weights.b_enc.zeros_like()),
            norms: batch.norms.clone(),
            pulled,
            bandwidth: options.jumprelu_bandwidth,
            to_input: options.jumprelu_ste_to_input,
            mode: options.jumprelu_sparsity_loss_mode,
            tanh_scale: options.jumprelu_tanh_scale,
            target_l0: options.target_l0.unwrap_or(1.0),
            coefficient: input.coefficient,
            tokens: input.rows as f64,
        };
        let losses = pieces(&unit, batch, gradient, sums);
        let [squared] = losses.squared;
        let extra = weight.map(|_| ("pre_act_loss", sums.extra_loss.take()));
        let own = [("mse_loss", squared), ("l0_loss", losses.sparsity)];
        named(own.into_iter().chain(extra))
    }

    fn topk(
        &self,
        batch: &Batch<'_>,
        input: &StepInput<'_>,
        gradient: &mut Gradient,
        sums: &mut Sums,
    ) -> (Named, Option<Tensor<2>>) {
        let (widths, device) = (&self.widths, &self.on.device);
        let mut revival = Revival::new(&self.options, self.shape, widths, input.dead, device);
        let mut found = topk(batch, widths, &mut revival, gradient, sums);
        let revived = revival.finish(batch, gradient, sums);
        let outer = found.squared.pop().flatten();
        let mut losses = named([
            ("mse_loss", outer),
            ("auxiliary_reconstruction_loss", revived),
        ]);
        for (width, squared) in widths.iter().zip(found.squared) {
            losses.push((format!("inner_mse_loss_{width}"), squared));
        }
        (losses, found.least)
    }

    /// Brings everything that the host wants to know over at once.
    fn transfer(
        &self,
        losses: Named,
        norm: Option<Tensor<2>>,
        least: Option<Tensor<2>>,
        fired: Option<Tensor<2>>,
        tokens: f64,
    ) -> (StepOutput, f64) {
        let names: Vec<_> = losses
            .iter()
            .map(|(name, loss)| (name.clone(), loss.is_some()))
            .collect();
        let d_sae = self.shape.d_sae;
        let mut all: Vec<Tensor<2>> = losses.into_iter().filter_map(|(_, loss)| loss).collect();
        all.extend([norm, least.clone(), fired].into_iter().flatten());
        let numbers = read(Tensor::cat(all, 1));
        let (figures, fired) = numbers.split_at(numbers.len().saturating_sub(d_sae));
        let mut figures = figures.iter().copied();
        let losses = names.into_iter().map(|(name, there)| {
            let sum = if there {
                figures.next().unwrap_or(f32::NAN)
            } else {
                0.0
            };
            (name, f64::from(sum) / tokens)
        });
        let losses: Vec<_> = losses.collect();
        let norm = f64::from(figures.next().unwrap_or(f32::NAN)).sqrt();
        let fired = fired.iter().map(|&n| n as u32).collect();
        let mut output = StepOutput::new(losses, fired);
        output.least_active = least
            .and_then(|_| figures.next())
            .filter(|&least| least < NONE_ACTIVE);
        (output, norm)
    }
}

fn named<'a>(losses: impl IntoIterator<Item = (&'a str, Option<Tensor<2>>)>) -> Named {
    let losses = losses.into_iter();
    losses.map(|(name, loss)| (name.to_owned(), loss)).collect()
}
