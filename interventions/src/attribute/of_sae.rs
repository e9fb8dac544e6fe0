//! The effects of one SAE's features, and of what it leaves out.

use super::features::{Effects, by_gradient, strongest};
use super::line::{add, line, sum_of_rows};
use super::{
    AttributeOptions, Completeness, FeatureEffect, Method, Nodes, Runs, SaeAttribution, components,
};
use crate::patch::many;
use crate::placed::flat;
use crate::{Metric, PlacedSae, Trunk};
use burn::tensor::Tensor;
use llama_hooked::Activation;
use sae_core::Active;

/// The work on one SAE.
pub(super) struct OfSae<'a> {
    pub(super) placed: &'a PlacedSae,
    pub(super) runs: &'a Runs,
    pub(super) metric: &'a Metric,
    pub(super) options: &'a AttributeOptions,
}

impl OfSae<'_> {
    fn nodes(&self) -> (Nodes, Option<Nodes>) {
        let of = |run| Nodes::of(self.placed, run);
        (of(&self.runs.clean), self.runs.corrupted.as_ref().map(of))
    }

    /// By gradients or ablation; nothing when `stop` says so.
    pub(super) fn effects(&self, stop: &mut dyn FnMut(usize) -> bool) -> Option<SaeAttribution> {
        if stop(0) {
            return None;
        }
        let (placed, most) = (self.placed, self.options.most);
        let (clean, corrupted) = self.nodes();
        let point = placed.write();
        let local = || {
            let gradient = self.runs.gradients.gradients.get(point);
            flat(placed.place.take(gradient.expect("was asked for").clone()))
        };
        match self.options.method {
            Method::Integrated(steps) => {
                let gradient = flat(placed.place.take(self.mean_gradient(steps)));
                let effects = by_gradient(placed, &clean, corrupted.as_ref(), &gradient);
                let completeness = self.ends(effects.sum());
                Some(effects.report(placed, most, completeness))
            }
            Method::Ablate => {
                let mut effects = by_gradient(placed, &clean, corrupted.as_ref(), &local());
                strongest(&mut effects.features, most);
                let completeness =
                    self.ablate(&clean, corrupted.as_ref(), &mut effects.features, stop)?;
                let mut report = effects.report(placed, most, completeness);
                // What was not measured is not told.
                report.error.clear();
                report.bias.clear();
                report.n_active = clean.active.len();
                Some(report)
            }
            _ => {
                let effects = by_gradient(placed, &clean, corrupted.as_ref(), &local());
                let completeness = self.ends(effects.sum());
                Some(effects.report(placed, most, completeness))
            }
        }
    }

    /// The sum of effects, beside the difference that the whole activation makes.
    fn ends(&self, sum: f64) -> Completeness {
        let point = self.placed.write();
        let clean = &self.runs.clean;
        let integrated = matches!(self.options.method, Method::Integrated(_));
        let metric = |run: &Trunk, there: Activation| {
            let value = run.variants(point, 1, self.metric, |_| there.clone(), &mut |_| false);
            f64::from(value.expect("nothing stops it")[0])
        };
        let (measured, between) = match &self.runs.corrupted {
            // The gradient is that of the corrupted run, the line's that of the clean one.
            Some(corrupted) if !integrated => (
                metric(corrupted, self.moved(clean, corrupted))
                    - f64::from(corrupted.metric(self.metric)),
                "the corrupted prompt with the clean activation at the hook, and the corrupted prompt",
            ),
            Some(corrupted) => (
                f64::from(clean.metric(self.metric)) - metric(clean, self.moved(corrupted, clean)),
                "the clean prompt, and the clean prompt with the corrupted activation at the hook",
            ),
            None => (
                f64::from(clean.metric(self.metric)) - metric(clean, self.without()),
                "the prompt, and the prompt with zeros at the hook",
            ),
        };
        Completeness {
            sum,
            measured,
            between,
        }
    }

    /// The activation of one run in the other's, where the SAE writes: other heads stay as they are.
    fn moved(&self, from: &Trunk, into: &Trunk) -> Activation {
        let (place, point) = (&self.placed.place, self.placed.write());
        place.put(into.activation(point), place.take(from.activation(point)))
    }

    /// The clean activation with zeros where the SAE writes.
    fn without(&self) -> Activation {
        let here = self.runs.clean.activation(self.placed.write());
        let zeros = self.placed.place.take(here.clone()).zeros_like();
        self.placed.place.put(here, zeros)
    }

    /// The mean gradient along the line to the clean activation.
    fn mean_gradient(&self, steps: usize) -> Activation {
        let point = self.placed.write();
        let here = self.runs.clean.activation(point);
        let start = match &self.runs.corrupted {
            Some(corrupted) => self.moved(corrupted, &self.runs.clean),
            None => self.without(),
        };
        let at_once = self.options.rows_at_once.clamp(1, steps);
        let mut sum: Option<Activation> = None;
        for first in (0..steps).step_by(at_once) {
            let some = first..steps.min(first + at_once);
            let alphas = some.map(|k| ((k as f64 + 0.5) / steps as f64) as f32);
            let variants = line(&start, &here, &alphas.collect::<Vec<f32>>());
            let (_, gradient) = self.runs.clean.gradients(point, &variants, self.metric);
            let gradient = sum_of_rows(gradient);
            sum = Some(match sum {
                Some(sum) => add(sum, gradient),
                None => gradient,
            });
        }
        let sum = sum.expect("there is at least one step");
        sum.scale(1.0 / steps as f32)
    }

    /// Takes features away one by one, or patches them in, and all of them at once.
    fn ablate(
        &self,
        clean: &Nodes,
        corrupted: Option<&Nodes>,
        features: &mut [FeatureEffect],
        stop: &mut dyn FnMut(usize) -> bool,
    ) -> Option<Completeness> {
        let (placed, point) = (self.placed, self.placed.write());
        let base = self.runs.corrupted.as_ref().unwrap_or(&self.runs.clean);
        let sign: f32 = if corrupted.is_some() { 1.0 } else { -1.0 };
        let start = f64::from(base.metric(self.metric));
        let active = |value: &dyn Fn(&FeatureEffect) -> f32| -> Vec<Active> {
            let of = |f: &FeatureEffect| Active {
                row: f.position,
                feature: f.feature,
                value: value(f),
            };
            features.iter().map(of).collect()
        };
        // [n, d_out], what each of them writes, less what it writes in the other prompt.
        let mut written = clean.contributions(placed, &active(&|f| f.activation));
        if let Some(nodes) = corrupted {
            written = written - nodes.contributions(placed, &active(&|f| f.corrupted));
        }
        let whole = base.activation(point);
        let here = placed.place.take(whole.clone());
        let [_, p, d] = here.dims();
        let changed = |which: &[usize]| {
            let mut x = here.clone();
            for &i in which {
                let row = features[i].position;
                let change = written.clone().narrow(0, i, 1).reshape([1, 1, d]);
                let change = change.cast(here.dtype()).mul_scalar(sign);
                let changed = x.clone().narrow(1, row, 1) + change;
                x = x.slice_assign([0..1, row..row + 1, 0..d], changed);
            }
            debug_assert_eq!(x.dims(), [1, p, d]);
            x
        };
        let n = features.len();
        // The last variant has all of them.
        let make = |range: std::ops::Range<usize>| {
            let variants = range.map(|i| {
                if i < n {
                    changed(&[i])
                } else {
                    changed(&(0..n).collect::<Vec<_>>())
                }
            });
            let variants = Tensor::cat(variants.collect::<Vec<_>>(), 0);
            placed.place.put(many(&whole, variants.dims()[0]), variants)
        };
        let values = base.variants(point, n + 1, self.metric, make, stop)?;
        let effect = |value: f32| f64::from(sign) * (f64::from(value) - start);
        let together = effect(values[n]);
        for (feature, value) in features.iter_mut().zip(values) {
            feature.effect = effect(value);
        }
        Some(Completeness {
            sum: features.iter().map(|f| f.effect).sum(),
            measured: together,
            between: "all listed features changed at once, and none",
        })
    }

    /// Direct effects at the last position; none if the SAE has none.
    pub(super) fn direct(&self) -> Option<SaeAttribution> {
        let placed = self.placed;
        let model = self.runs.clean.model();
        let (clean, _) = self.nodes();
        let [p, d_out] = clean.target.dims();
        let effects_of = |vectors: Tensor<2>| {
            let written = placed.place.directions(model, vectors)?;
            let run = &self.runs.clean;
            Some(components::direct_effects(model, run, written, self.metric))
        };
        let last: Vec<Active> = clean
            .active
            .iter()
            .filter(|a| a.row + 1 == p)
            .copied()
            .collect();
        let own = clean.target.clone().narrow(0, p - 1, 1);
        let whole = effects_of(own)?[0];
        let effects = if last.is_empty() {
            Vec::new()
        } else {
            effects_of(clean.contributions(placed, &last))?
        };
        let decoded = effects_of(clean.decoded_at(p - 1).reshape([1, d_out]))?[0];
        let features = last
            .iter()
            .zip(&effects)
            .map(|(active, effect)| FeatureEffect {
                activation: active.value,
                effect: *effect,
                ..FeatureEffect::new(active.feature, active.row)
            });
        let sum: f64 = effects.iter().sum();
        let at_last = |value: f64| {
            let mut all = vec![0.0; p];
            all[p - 1] = value;
            all
        };
        let found = Effects::new(
            features.collect(),
            at_last(whole - decoded),
            at_last(decoded - sum),
        );
        let completeness = Completeness {
            sum: found.sum(),
            measured: whole,
            between: "the direct effect of the whole activation at the hook",
        };
        Some(found.report(placed, self.options.most, completeness))
    }
}
