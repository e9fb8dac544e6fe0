//! Activation patching: a prompt's run with one activation taken from another prompt's.

mod features;

pub(crate) use features::many;
pub use features::{FeaturePatch, FeaturePatches, patch_features};

use crate::{Metric, Trunk};
use burn::tensor::{Bool, Tensor, TensorData};
use llama_hooked::{Activation, ForwardError, HookPoint, Llama};
use sae_progress::{Observer, Stopped};
use serde::Serialize;

/// What is patched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Site {
    /// `hook_resid_pre`, by layer and position.
    Resid,
    /// `hook_attn_out`, by layer and position.
    Attn,
    /// `hook_mlp_out`, by layer and position.
    Mlp,
    /// `attn.hook_z` of each head at every position, by layer and head.
    Head,
}

/// The two runs between which patching moves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Ends {
    /// The metric of the prompt that is patched from.
    pub clean: f64,
    /// The metric of the prompt that is patched into.
    pub corrupted: f64,
}

/// The metric of every patched run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Patched {
    /// Both ends.
    #[serde(flatten)]
    pub ends: Ends,
    /// Of each layer, by position or head.
    pub metric: Vec<Vec<f64>>,
    /// (metric − corrupted) / (clean − corrupted): 0 where the patch does nothing, 1 where it restores all. None where the ends are equal.
    pub restored: Vec<Vec<Option<f64>>>,
}

/// How far patching has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PatchProgress {
    /// Runs that are done.
    pub done: usize,
    /// Runs in all.
    pub total: usize,
}

/// Patching that came to no end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// The model cannot run.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// The observer stopped it.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The prompts have no counterparts.
    #[error(
        "the prompts have {clean} and {corrupted} tokens, and every position needs a counterpart"
    )]
    Unequal {
        /// Tokens of the first.
        clean: usize,
        /// Tokens of the other.
        corrupted: usize,
    },
}

impl Ends {
    /// Of two runs.
    pub fn new(clean: f64, corrupted: f64) -> Self {
        Self { clean, corrupted }
    }

    /// How much of the difference is there.
    pub fn restored(self, metric: f64) -> Option<f64> {
        let share = (metric - self.corrupted) / (self.clean - self.corrupted);
        share.is_finite().then_some(share)
    }
}

impl Site {
    /// The point in a layer.
    pub fn point(self, layer: usize) -> HookPoint {
        match self {
            Self::Resid => HookPoint::ResidPre(layer),
            Self::Attn => HookPoint::AttnOut(layer),
            Self::Mlp => HookPoint::MlpOut(layer),
            Self::Head => HookPoint::Z(layer),
        }
    }
}

/// Runs the corrupted prompt with the clean prompt's activation at one layer and position (or in one head) after another.
///
/// Patches of a layer go through the layers above it as a batch of at most `rows_at_once`; what is below does not run again. Where both
/// prompts have the same activation, as before the first token in which they differ, nothing runs.
///
/// # Errors
/// If a token is not the model's, the prompts have different lengths, or the observer stops the work.
pub fn patch<O: Observer<PatchProgress> + ?Sized>(
    model: &Llama,
    (clean, corrupted): (&[u32], &[u32]),
    site: Site,
    metric: &Metric,
    rows_at_once: usize,
    observer: &mut O,
) -> Result<Patched, PatchError> {
    if clean.len() != corrupted.len() {
        return Err(PatchError::Unequal {
            clean: clean.len(),
            corrupted: corrupted.len(),
        });
    }
    let n_layers = model.config().n_layers;
    let points: Vec<HookPoint> = (0..n_layers).map(|layer| site.point(layer)).collect();
    let from = Trunk::run(model, clean, points.clone())?;
    let into = Trunk::run(model, corrupted, points.clone())?.rows_at_once(rows_at_once);
    let ends = Ends::new(from.metric(metric).into(), into.metric(metric).into());
    let axis = if site == Site::Head { 2 } else { 1 };
    let per_layer = match site {
        Site::Head => model.config().n_heads,
        _ => clean.len(),
    };
    let total = n_layers * per_layer;
    let mut found = Vec::with_capacity(n_layers);
    for (layer, point) in points.into_iter().enumerate() {
        let (source, target) = (from.activation(point), into.activation(point));
        let differ = differing(&source, &target, axis);
        let mut stop = |done: usize| {
            let done = layer * per_layer + done;
            observer.observe(&PatchProgress { done, total }).is_break()
        };
        let make = |range: std::ops::Range<usize>| mixed(&source, &target, axis, &differ[range]);
        let values = into.variants(point, differ.len(), metric, make, &mut stop);
        let values = values.ok_or(Stopped)?;
        let mut row = vec![ends.corrupted; per_layer];
        for (&at, value) in differ.iter().zip(values) {
            row[at] = value.into();
        }
        found.push(row);
    }
    let restored = found
        .iter()
        .map(|row| row.iter().map(|m| ends.restored(*m)).collect());
    Ok(Patched {
        ends,
        restored: restored.collect(),
        metric: found,
    })
}

/// Where along an axis two activations of one row differ.
fn differing(a: &Activation, b: &Activation, axis: usize) -> Vec<usize> {
    let numbers = |x: &Activation| -> Vec<f32> {
        match x {
            Activation::R3(x) => x.clone().into_data().iter::<f32>().collect(),
            Activation::R4(x) => x.clone().into_data().iter::<f32>().collect(),
        }
    };
    let dims = a.dims();
    let inner: usize = dims[axis + 1..].iter().product();
    let (a, b) = (numbers(a), numbers(b));
    let mut differs = vec![false; dims[axis]];
    for (at, (a, b)) in a.iter().zip(&b).enumerate() {
        // Bit by bit, so that what is no number is seen.
        differs[at / inner % dims[axis]] |= a.to_bits() != b.to_bits();
    }
    (0..dims[axis]).filter(|at| differs[*at]).collect()
}

/// One variant for each place along the axis: `target` with `source` there.
fn mixed(source: &Activation, target: &Activation, axis: usize, places: &[usize]) -> Activation {
    let n = places.len();
    let along = target.dims()[axis];
    let here = |v: usize, at: usize| places[v] == at;
    let mask: Vec<bool> = (0..n * along).map(|i| here(i / along, i % along)).collect();
    match (source, target) {
        (Activation::R3(source), Activation::R3(target)) => {
            let [_, p, d] = target.dims();
            let mask = TensorData::new(mask, [n, along, 1]);
            let mask = Tensor::<3, Bool>::from_data(mask, &target.device()).expand([n, p, d]);
            let (source, target) = (source.clone(), target.clone());
            target
                .expand([n, p, d])
                .mask_where(mask, source.expand([n, p, d]))
                .into()
        }
        (Activation::R4(source), Activation::R4(target)) => {
            let [_, p, h, d] = target.dims();
            let mask = TensorData::new(mask, [n, 1, along, 1]);
            let mask = Tensor::<4, Bool>::from_data(mask, &target.device()).expand([n, p, h, d]);
            let (source, target) = (source.clone(), target.clone());
            target
                .expand([n, p, h, d])
                .mask_where(mask, source.expand([n, p, h, d]))
                .into()
        }
        _ => unreachable!("both are of one point"),
    }
}
