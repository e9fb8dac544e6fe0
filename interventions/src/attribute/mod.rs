//! What made the model answer as it does: features, what SAEs leave out, heads and MLPs.

mod components;
mod features;
mod line;
mod method;
mod nodes;
mod of_sae;
mod result;

pub use method::{Method, ParseMethodError};
pub(crate) use nodes::Nodes;
pub use result::{
    Attribution, Completeness, ComponentEffect, FeatureEffect, FeatureTotal, SaeAttribution,
};

use crate::{Gradients, Metric, PlacedSae, Prompts, Trunk};
use llama_hooked::{ForwardError, HookPoint, Llama};
use of_sae::OfSae;
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
    /// Of the corrupted run, or of the only one.
    gradients: Gradients,
}

impl Runs {
    /// `points` are kept, and gradients found at those of `at`.
    fn new(
        model: &Llama,
        prompts: &Prompts,
        points: &[HookPoint],
        at: Vec<HookPoint>,
        metric: &Metric,
        rows_at_once: usize,
    ) -> Result<Self, ForwardError> {
        let run = |ids: &[u32]| Trunk::run(model, ids, points.iter().copied());
        let differentiated = |ids: &[u32]| {
            if at.is_empty() {
                return Ok((run(ids)?, Gradients::default()));
            }
            Trunk::run_with_gradients(model, ids, points.iter().copied(), at, metric)
        };
        let (clean, corrupted, gradients) = if let Some(corrupted) = &prompts.corrupted {
            let clean = run(&prompts.clean)?;
            let (corrupted, gradients) = differentiated(corrupted)?;
            (clean, Some(corrupted), gradients)
        } else {
            let (clean, gradients) = differentiated(&prompts.clean)?;
            (clean, None, gradients)
        };
        Ok(Self {
            clean: clean.rows_at_once(rows_at_once),
            corrupted: corrupted.map(|run| run.rows_at_once(rows_at_once)),
            gradients,
        })
    }
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
    let mut at: Vec<HookPoint> = match options.method {
        // Effects along a line have gradients of their own.
        Method::Direct | Method::Integrated(_) => Vec::new(),
        _ => saes.iter().map(PlacedSae::write).collect(),
    };
    if options.components && !direct {
        at.extend(components::points(model));
    }
    at.sort_unstable();
    at.dedup();
    let runs = Runs::new(model, prompts, &points, at, &metric, options.rows_at_once)?;
    let value = f64::from(runs.clean.metric(&metric));
    let corrupted = runs
        .corrupted
        .as_ref()
        .map(|run| run.metric(&metric).into());
    let mut of_saes = Vec::with_capacity(saes.len());
    for (done, placed) in saes.iter().enumerate() {
        let mut stop = |runs| {
            let progress = AttributeProgress { done, runs };
            observer.observe(&progress).is_break()
        };
        let one = OfSae {
            placed,
            runs: &runs,
            metric: &metric,
            options,
        };
        of_saes.push(if direct {
            one.direct()
                .ok_or(AttributeError::NotDirect(placed.write()))?
        } else {
            one.effects(&mut stop).ok_or(Stopped)?
        });
    }
    let other = runs.corrupted.as_ref();
    let (of_components, completeness) = match options.method {
        _ if !options.components => (Vec::new(), None),
        Method::Direct => {
            let (found, complete) = components::direct(model, &runs.clean, &metric, value);
            (found, Some(complete))
        }
        Method::Ablate => {
            let mut stop = |runs| {
                let done = saes.len();
                observer
                    .observe(&AttributeProgress { done, runs })
                    .is_break()
            };
            let found = components::by_ablation(&runs.clean, other, &metric, &mut stop);
            (found.ok_or(Stopped)?, None)
        }
        Method::Gradient | Method::Integrated(_) => {
            let found = components::by_gradient(model, &runs.clean, other, &runs.gradients);
            (found, None)
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
