//! What made the model answer as it does: features, what SAEs leave out, heads and MLPs.

mod components;
mod features;
mod method;
mod nodes;
mod result;

pub use method::{Method, ParseMethodError};
pub(crate) use nodes::Nodes;
pub use result::{
    Attribution, Completeness, ComponentEffect, FeatureEffect, FeatureTotal, SaeAttribution,
};

use crate::patch::many;
use crate::placed::flat;
use crate::trunk::tokens;
use crate::{Gradients, Metric, PlacedSae, Prompts, Trunk, gradients};
use burn::tensor::Tensor;
use features::{by_gradient, strongest};
use llama_hooked::{Activation, ForwardError, HookPoint, Llama, NoHooks};
use sae_core::Active;
use sae_progress::{Observer, Stopped};

/// How to look.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AttributeOptions {
    /// How effects are found.
    pub method: Method,
    /// Whether heads and MLPs are looked at too.
    pub components: bool,
    /// Features that are listed of each SAE, and, by ablation, measured: those of which the gradient promises the most.
    pub most: usize,
    /// Prompts that go through the layers at a time.
    pub rows_at_once: usize,
}

impl Default for AttributeOptions {
    /// By one gradient, with components, 20 features of each SAE.
    fn default() -> Self {
        Self {
            method: Method::Gradient,
            components: true,
            most: 20,
            rows_at_once: usize::MAX,
        }
    }
}

/// How far the work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttributeProgress {
    /// SAEs that are done.
    pub done: usize,
    /// Runs of the one at work.
    pub runs: usize,
}

/// An attribution that came to no end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttributeError {
    /// The model cannot run.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// The observer stopped it.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The SAE does not write into the residual stream, so that it has no direct effect.
    #[error(
        "the SAE writes at {0}, which does not lead into the residual stream linearly: it has no direct effect; use another method"
    )]
    NotDirect(HookPoint),
}

/// The runs that everything is compared in.
struct Runs {
    clean: Trunk,
    corrupted: Option<Trunk>,
}

/// Finds the effect of each feature of some SAEs, and of heads and MLPs, on the metric of [`Prompts::metric`], or, of direct effects, on that of
/// [`Prompts::linear_metric`].
///
/// Each SAE is looked at by itself: effects of SAEs at different hooks are not to be added to each other.
///
/// # Errors
/// If a token is not the model's, an SAE has no direct effect and is asked for one, or the observer stops the work.
///
/// # Panics
/// If the two prompts have different lengths.
pub fn attribute<O: Observer<AttributeProgress> + ?Sized>(
    model: &Llama,
    prompts: &Prompts,
    saes: &[PlacedSae],
    options: &AttributeOptions,
    observer: &mut O,
) -> Result<Attribution, AttributeError> {
    let direct = options.method == Method::Direct;
    let metric = if direct {
        prompts.linear_metric()
    } else {
        prompts.metric()
    };
    let mut points: Vec<HookPoint> = saes.iter().flat_map(|s| [s.read(), s.write()]).collect();
    if options.components {
        points.extend(components::points(model));
    }
    points.sort_unstable();
    points.dedup();
    let run = |ids: &Vec<u32>| {
        let run = Trunk::run(model, ids, points.iter().copied());
        run.map(|run| run.rows_at_once(options.rows_at_once))
    };
    let runs = Runs {
        clean: run(&prompts.clean)?,
        corrupted: prompts.corrupted.as_ref().map(run).transpose()?,
    };
    let value = f64::from(runs.clean.metric(&metric));
    let corrupted = runs
        .corrupted
        .as_ref()
        .map(|run| run.metric(&metric).into());
    let found = if direct {
        None
    } else {
        let mut at: Vec<HookPoint> = saes.iter().map(PlacedSae::write).collect();
        if options.components {
            at.extend(components::points(model));
        }
        at.sort_unstable();
        at.dedup();
        (!at.is_empty())
            .then(|| gradient_at(model, prompts, at, &metric))
            .transpose()?
    };
    let mut of_saes = Vec::with_capacity(saes.len());
    for (done, placed) in saes.iter().enumerate() {
        let mut stop = |runs| {
            let progress = AttributeProgress { done, runs };
            observer.observe(&progress).is_break()
        };
        let one = One {
            placed,
            runs: &runs,
            metric: &metric,
            options,
        };
        of_saes.push(match &found {
            Some(found) => one.effects(found, &mut stop).ok_or(Stopped)?,
            None => one
                .direct()
                .ok_or(AttributeError::NotDirect(placed.write()))?,
        });
    }
    let (of_components, completeness) = match (&found, options.components) {
        (_, false) => (Vec::new(), None),
        (None, true) => {
            let (found, complete) = components::direct(model, &runs.clean, &metric, value);
            (found, Some(complete))
        }
        (Some(_), true) if options.method == Method::Ablate => {
            let mut stop = |runs| {
                let done = saes.len();
                observer
                    .observe(&AttributeProgress { done, runs })
                    .is_break()
            };
            let other = runs.corrupted.as_ref();
            let found = components::by_ablation(&runs.clean, other, &metric, &mut stop);
            (found.ok_or(Stopped)?, None)
        }
        (Some(found), true) => {
            let other = runs.corrupted.as_ref();
            (
                components::by_gradient(model, &runs.clean, other, found),
                None,
            )
        }
    };
    Ok(Attribution {
        method: options.method.to_string(),
        metric: metric.name(),
        value,
        corrupted,
        saes: of_saes,
        components: of_components,
        components_completeness: completeness,
    })
}

/// The gradient after the corrupted prompt, or after the only one.
fn gradient_at(
    model: &Llama,
    prompts: &Prompts,
    points: Vec<HookPoint>,
    metric: &Metric,
) -> Result<Gradients, ForwardError> {
    let ids = prompts.corrupted.as_ref().unwrap_or(&prompts.clean);
    let p = ids.len();
    let of = |normed: Tensor<3>| {
        let [b, _, d] = normed.dims();
        metric.of(model, normed.narrow(1, p - 1, 1).reshape([b, d]))
    };
    gradients(model, tokens(model, ids), points, &mut NoHooks, of)
}

/// The work on one SAE.
struct One<'a> {
    placed: &'a PlacedSae,
    runs: &'a Runs,
    metric: &'a Metric,
    options: &'a AttributeOptions,
}

impl One<'_> {
    fn nodes(&self) -> (Nodes, Option<Nodes>) {
        let of = |run| Nodes::of(self.placed, run);
        (of(&self.runs.clean), self.runs.corrupted.as_ref().map(of))
    }

    /// By gradients or ablation; nothing when `stop` says so.
    fn effects(
        &self,
        found: &Gradients,
        stop: &mut dyn FnMut(usize) -> bool,
    ) -> Option<SaeAttribution> {
        if stop(0) {
            return None;
        }
        let (placed, most) = (self.placed, self.options.most);
        let (clean, corrupted) = self.nodes();
        let point = placed.write();
        let local = || {
            let gradient = found.gradients.get(point).expect("was asked for").clone();
            flat(placed.place.take(gradient))
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
        let clean = self.runs.clean.activation(point);
        let integrated = matches!(self.options.method, Method::Integrated(_));
        let metric = |run: &Trunk, there: Activation| {
            let value = run.variants(point, 1, self.metric, |_| there.clone(), &mut |_| false);
            f64::from(value.expect("nothing stops it")[0])
        };
        let (measured, between) = match &self.runs.corrupted {
            // The gradient is that of the corrupted run, the line's that of the clean one.
            Some(corrupted) if !integrated => (
                metric(corrupted, clean) - f64::from(corrupted.metric(self.metric)),
                "the corrupted prompt with the clean activation at the hook, and the corrupted prompt",
            ),
            Some(corrupted) => (
                f64::from(self.runs.clean.metric(self.metric))
                    - metric(&self.runs.clean, corrupted.activation(point)),
                "the clean prompt, and the clean prompt with the corrupted activation at the hook",
            ),
            None => (
                f64::from(self.runs.clean.metric(self.metric))
                    - metric(&self.runs.clean, self.without()),
                "the prompt, and the prompt with zeros at the hook",
            ),
        };
        Completeness {
            sum,
            measured,
            between,
        }
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
            Some(corrupted) => {
                // Only what the SAE writes moves; other heads stay as they are.
                let there = self.placed.place.take(corrupted.activation(point));
                self.placed.place.put(here.clone(), there)
            }
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
    fn direct(&self) -> Option<SaeAttribution> {
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
        let found = features::Effects::new(
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

/// `start + α(end − start)` for each α.
fn line(start: &Activation, end: &Activation, alphas: &[f32]) -> Activation {
    let at = |alpha: f32| {
        let from = start.clone().scale(1.0 - alpha);
        add(from, end.clone().scale(alpha))
    };
    let points = alphas.iter().map(|&alpha| at(alpha));
    let (mut threes, mut fours) = (Vec::new(), Vec::new());
    for point in points {
        match point {
            Activation::R3(x) => threes.push(x),
            Activation::R4(x) => fours.push(x),
        }
    }
    if fours.is_empty() {
        Tensor::cat(threes, 0).into()
    } else {
        Tensor::cat(fours, 0).into()
    }
}

fn add(a: Activation, b: Activation) -> Activation {
    match (a, b) {
        (Activation::R3(a), Activation::R3(b)) => (a + b).into(),
        (Activation::R4(a), Activation::R4(b)) => (a + b).into(),
        _ => unreachable!("both are of one point"),
    }
}

fn sum_of_rows(x: Activation) -> Activation {
    match x {
        Activation::R3(x) => x.sum_dim(0).into(),
        Activation::R4(x) => x.sum_dim(0).into(),
    }
}
