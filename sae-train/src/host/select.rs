//! The topk family: features selected by number, and dead ones that are revived.

use super::entries::Entries;
use super::sparse::{Base, Pass};
use super::unit::Selected;
use super::{HostStep, add_rows, pre_activations};
use crate::architecture::TrainArchitecture;
use crate::options::AuxLoss;
use crate::step::{StepInput, StepOutput};
use crate::weights::{Shape, Weights};
use fused_ops::slices::{Key, TopK};
use rayon::prelude::*;

/// What is compared, the token, the feature, its pre-activation.
type Candidate = (f32, u32, u32, f32);

/// Buffers of the selection.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// The best of a batch so far.
    candidates: Vec<Candidate>,
    /// For each group of features, the dead ones that are to reconstruct what is left of a token.
    revived: Vec<Group>,
    residual: Vec<f32>,
}

/// Dead features of a group, and which of them are used.
#[derive(Debug, Default)]
struct Group {
    dead: Vec<u32>,
    k: usize,
    scale: f64,
    entries: Entries,
}

/// What a thread selects with.
#[derive(Default)]
struct Scratch {
    top: TopK,
    values: Vec<f32>,
    scales: Vec<f32>,
    picked: Vec<u32>,
}

impl HostStep {
    /// A step of the topk family.
    pub(super) fn topk(
        &mut self,
        weights: &Weights,
        gradient: &mut Weights,
        input: &StepInput<'_>,
        x: &[f32],
    ) -> StepOutput {
        self.find_dead(input);
        let least = self.select(weights, input, x);
        let (tokens, scale) = (input.rows as f64, 2.0 / input.rows as f32);
        let widths = std::mem::take(&mut self.widths);
        let pass = Pass {
            rows: input.rows,
            shape: self.shape,
            widths: &widths,
        };
        let unit = Selected { counts: true };
        self.sparse.forward(
            &unit,
            weights,
            Base::Bias(&weights.b_dec),
            input.target(),
            pass,
        );
        let squared = self.sparse.squared.clone();
        let aux = self.revive(weights, gradient, x, pass);
        self.sparse.add_later_errors();
        add_rows(&mut gradient.b_dec, &self.sparse.errors[0], scale);
        self.sparse
            .backward(&unit, weights, gradient, &mut self.sums, x, scale, pass);
        let (inner, outer) = squared.split_at(squared.len() - 1);
        let mut losses = vec![
            ("mse_loss".to_owned(), outer[0] / tokens),
            ("auxiliary_reconstruction_loss".to_owned(), aux),
        ];
        for (width, squared) in widths.iter().zip(inner) {
            losses.push((format!("inner_mse_loss_{width}"), squared / tokens));
        }
        self.widths = widths;
        let mut output = StepOutput::new(losses, self.sums.iter().map(|sum| sum.fired).collect());
        output.least_active = least;
        output
    }

    /// Which features are dead, by groups that are revived on their own.
    pub(super) fn find_dead(&mut self, input: &StepInput<'_>) {
        let own = self.options.use_matryoshka_aux_loss
            && self.options.architecture == TrainArchitecture::MatryoshkaBatchTopK;
        let ends = if own {
            self.widths.as_slice()
        } else {
            &[self.shape.d_sae]
        };
        let groups = &mut self.selection.revived;
        groups.resize_with(ends.len(), Group::default);
        let most = self.shape.d_in / 2;
        let mut start = 0;
        for (group, &end) in groups.iter_mut().zip(ends) {
            group.dead.clear();
            group
                .dead
                .extend((start..end).filter(|&j| input.dead[j]).map(|j| j as u32));
            group.k = most.min(group.dead.len());
            group.scale = match self.options.aux_loss_form {
                AuxLoss::SaeLens => (group.dead.len() as f64 / most as f64).min(1.0),
                AuxLoss::OpenAi => 1.0,
            };
            group.entries.clear();
            start = end;
        }
    }

    /// Fills the entries of the batch. Returns the least activation in it, in the units that features are selected in.
    pub(super) fn select(
        &mut self,
        weights: &Weights,
        input: &StepInput<'_>,
        x: &[f32],
    ) -> Option<f32> {
        let (options, Shape { d_in, d_sae, .. }) = (&self.options, self.shape);
        let scales = options
            .rescale_acts_by_decoder_norm
            .then_some(self.norms.as_slice());
        let by_magnitude = options.architecture == TrainArchitecture::AbsTopK;
        let key = if by_magnitude {
            Key::Magnitude
        } else {
            Key::Value
        };
        let relu_aux = options.aux_loss_form == AuxLoss::OpenAi;
        let batch = options.architecture.is_batch_topk();
        let wanted = (options.k * input.rows as f64) as usize;
        let entries = &mut self.sparse.entries;
        let Selection {
            candidates,
            revived,
            ..
        } = &mut self.selection;
        entries.clear();
        candidates.clear();
        let mut bar = 0.0;
        let at_once = Self::piece_tokens(d_sae);
        let mut piece = Entries::default();
        for start in (0..input.rows).step_by(at_once) {
            let rows = at_once.min(input.rows - start);
            let h = &mut self.h;
            pre_activations(
                h,
                &x[start * d_in..][..rows * d_in],
                weights,
                self.shape,
                rows,
            );
            for group in revived.iter_mut().filter(|group| group.k > 0) {
                let (dead, k) = (&group.dead, group.k);
                group
                    .entries
                    .push_rows::<Scratch>(h, d_sae, |_, row, scratch, out| {
                        let from = out.len();
                        scratch.revive(row, scales, key, dead, k, out);
                        if relu_aux {
                            // Before these are those of other tokens.
                            scratch.picked.clear();
                            let picked = out.drain(from..).filter(|&j| row[j as usize] > 0.0);
                            scratch.picked.extend(picked);
                            out.extend_from_slice(&scratch.picked);
                        }
                    });
            }
            if !batch {
                let k = options.k as usize;
                entries.push_rows::<Scratch>(h, d_sae, |_, row, scratch, out| {
                    let from = out.len();
                    scratch.top.select(row, scales, key, k, out);
                    if !by_magnitude {
                        // Only what is positive survives the ReLU, and nothing flows back through the rest.
                        scratch.picked.clear();
                        scratch.picked.extend(
                            out.drain(from..)
                                .filter(|&j| is_above(row[j as usize], 0.0)),
                        );
                        out.extend_from_slice(&scratch.picked);
                    }
                });
                continue;
            }
            piece.clear();
            piece.push_rows::<()>(h, d_sae, |_, row, (), out| {
                let keyed = row
                    .iter()
                    .enumerate()
                    .map(|(j, &h)| (j, scales.map_or(h, |s| s[j] * h)));
                out.extend(
                    keyed
                        .filter(|&(_, key)| is_above(key, bar))
                        .map(|(j, _)| j as u32),
                );
            });
            for row in 0..rows {
                for entry in piece.row(row) {
                    let (j, h) = (piece.features[entry], piece.h[entry]);
                    let key = scales.map_or(h, |s| s[j as usize] * h);
                    candidates.push((key, (start + row) as u32, j, h));
                }
            }
            if candidates.len() > wanted && wanted > 0 {
                candidates.select_nth_unstable_by(wanted - 1, |a, b| {
                    b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2)))
                });
                candidates.truncate(wanted);
                bar = candidates[wanted - 1].0;
            }
        }
        if !batch {
            return None;
        }
        if wanted == 0 {
            candidates.clear();
        }
        in_order(candidates, input.rows, entries);
        candidates.iter().map(|c| c.0).reduce(f32::min)
    }

    /// The loss by which dead features learn what the others leave, and its gradient.
    fn revive(
        &mut self,
        weights: &Weights,
        gradient: &mut Weights,
        x: &[f32],
        pass: Pass<'_>,
    ) -> f64 {
        let tokens = pass.rows as f64;
        let whole = [pass.shape.d_sae];
        let pass = Pass {
            widths: &whole,
            ..pass
        };
        let unit = Selected { counts: false };
        let mut total = 0.0;
        let mut groups = std::mem::take(&mut self.selection.revived);
        let own_errors = groups.len() > 1;
        for (index, group) in groups
            .iter_mut()
            .enumerate()
            .filter(|(_, group)| group.k > 0)
        {
            let errors = if own_errors {
                &self.sparse.errors[index]
            } else {
                &self.sparse.errors[self.sparse.errors.len() - 1]
            };
            let residual = &mut self.selection.residual;
            residual.clear();
            residual.extend(errors.iter().map(|e| -e));
            let mut weight = self.options.aux_loss_coefficient * group.scale;
            if self.options.aux_loss_form == AuxLoss::OpenAi {
                weight /= variance(residual, pass.shape.d_out).max(1e-12);
            }
            std::mem::swap(&mut self.aux.entries, &mut group.entries);
            self.aux.forward(&unit, weights, Base::Zero, residual, pass);
            total += weight * self.aux.squared[0] / tokens;
            let scale = (2.0 * weight / tokens) as f32;
            self.aux
                .backward(&unit, weights, gradient, &mut self.sums, x, scale, pass);
            std::mem::swap(&mut self.aux.entries, &mut group.entries);
        }
        self.selection.revived = groups;
        total
    }
}

impl Scratch {
    /// The k largest pre-activations among dead features.
    fn revive(
        &mut self,
        row: &[f32],
        scales: Option<&[f32]>,
        key: Key,
        dead: &[u32],
        k: usize,
        out: &mut Vec<u32>,
    ) {
        let Self {
            top,
            values,
            scales: chosen,
            picked,
        } = self;
        values.clear();
        values.extend(dead.iter().map(|&j| row[j as usize]));
        chosen.clear();
        if let Some(scales) = scales {
            chosen.extend(dead.iter().map(|&j| scales[j as usize]));
        }
        picked.clear();
        top.select(values, scales.map(|_| chosen.as_slice()), key, k, picked);
        out.extend(picked.iter().map(|&i| dead[i as usize]));
    }
}

/// What was selected from a batch as entries, token after token.
fn in_order(candidates: &mut [Candidate], rows: usize, entries: &mut Entries) {
    candidates.par_sort_unstable_by_key(|&(_, row, j, _)| (row, j));
    let mut next = 0;
    for row in 0..rows {
        while let Some(&(_, _, j, h)) = candidates.get(next).filter(|c| c.1 as usize == row) {
            entries.features.push(j);
            entries.h.push(h);
            next += 1;
        }
        entries.indptr.push(next);
    }
}

/// A NaN is above any bar, so that it is seen.
fn is_above(x: f32, bar: f32) -> bool {
    x > bar || x.is_nan()
}

/// Mean over rows of the squared distance to the mean row.
fn variance(rows: &[f32], d: usize) -> f64 {
    let n = (rows.len() / d) as f64;
    let mut mean = vec![0.0_f64; d];
    let mut squares = 0.0;
    for row in rows.chunks_exact(d) {
        for (mean, &x) in mean.iter_mut().zip(row) {
            *mean += f64::from(x);
            squares += f64::from(x) * f64::from(x);
        }
    }
    (squares - mean.iter().map(|m| m * m).sum::<f64>() / n) / n
}
