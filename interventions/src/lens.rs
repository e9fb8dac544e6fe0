//! The logit lens: what the model would say if it stopped at a layer.

use crate::trunk::tokens;
use burn::tensor::{FloatDType, Tensor};
use llama_hooked::{Capture, ForwardError, ForwardOptions, HookPoint, Llama, NoHooks, OutputKind};
use sae_metrics::Prediction;
use serde::Serialize;

/// Bytes of logits at a time.
const LOGITS_BYTES: usize = 24 << 20;

/// What to look at.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LensOptions {
    /// The points; by default the residual stream entering each block and that leaving the last.
    pub points: Option<Vec<HookPoint>>,
    /// How many of the likeliest tokens are listed.
    pub top: usize,
    /// A token whose probability and rank are wanted everywhere.
    pub answer: Option<u32>,
}

impl Default for LensOptions {
    /// Every layer, the five likeliest tokens.
    fn default() -> Self {
        Self {
            points: None,
            top: 5,
            answer: None,
        }
    }
}

/// A lens that cannot be laid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LensError {
    /// A point that is not as wide as the residual stream.
    #[error(
        "{0} is not in the residual stream and does not write to it, so that the unembedding cannot read it; choose hook_embed, hook_resid_pre, hook_resid_mid, hook_resid_post, hook_attn_out or hook_mlp_out"
    )]
    Point(HookPoint),
    /// The model cannot run.
    #[error(transparent)]
    Forward(#[from] ForwardError),
}

/// What the model would say at each point and position.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Lens {
    /// In firing order.
    pub layers: Vec<LensLayer>,
}

/// One point.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LensLayer {
    /// TransformerLens' name.
    pub hook: String,
    /// Of each position.
    pub positions: Vec<LensCell>,
}

/// What comes next, at one point and position.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LensCell {
    /// The likeliest tokens, the likeliest first.
    pub top: Vec<LensToken>,
    /// The answer, if one was asked about.
    pub answer: Option<LensToken>,
}

/// A token, and how likely it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LensToken {
    /// Its id.
    pub id: u32,
    /// Its text, once it has been [named](Lens::named).
    pub token: Option<String>,
    /// Its probability.
    pub prob: f64,
    /// Its logit.
    pub logit: f32,
    /// How many tokens are likelier; none where a logit is no number.
    pub rank: Option<usize>,
}

impl Lens {
    /// With the text of every token.
    #[must_use]
    pub fn named(mut self, text: impl Fn(u32) -> String) -> Self {
        for cell in self
            .layers
            .iter_mut()
            .flat_map(|layer| &mut layer.positions)
        {
            for token in cell.top.iter_mut().chain(&mut cell.answer) {
                token.token = Some(text(token.id));
            }
        }
        self
    }
}

/// RMSNorm(x)·w of the final norm, with each point's own norm, and then the unembedding: at every point and position, for the model as it runs on
/// these tokens.
///
/// Logits exist for some rows at a time, 24 MiB of them.
///
/// # Errors
/// If the tokens are not the model's, or a point cannot be read by the unembedding.
pub fn lens(model: &Llama, ids: &[u32], options: &LensOptions) -> Result<Lens, LensError> {
    let n_layers = model.config().n_layers;
    let last = HookPoint::ResidPost(n_layers.saturating_sub(1));
    let mut points = options.points.clone().unwrap_or_else(|| {
        let entering = (0..n_layers).map(HookPoint::ResidPre);
        entering.chain([last]).collect()
    });
    points.sort_unstable();
    points.dedup();
    if let Some(&point) = points.iter().find(|point| !readable(**point)) {
        return Err(LensError::Point(point));
    }
    let mut capture = Capture::new(points.clone());
    let mut forward = ForwardOptions::default();
    forward.output = OutputKind::Nothing;
    let highest = points.iter().filter_map(|point| point.layer()).max();
    forward.stop_at_layer = Some(highest.map_or(0, |layer| layer + 1).cast_signed());
    model.forward(tokens(model, ids), &forward, &mut capture)?;
    let mut cache = capture.into_cache();
    let rows = (LOGITS_BYTES / 4 / model.config().vocab_size.max(1)).max(1);
    let layers = points.into_iter().map(|point| {
        let normed = model.ln_final(cache.r3(point), &mut NoHooks);
        // What has been read is not kept longer than needed.
        cache.remove(point);
        let [_, p, d] = normed.dims();
        let normed = normed.reshape([p, d]);
        let mut positions = Vec::with_capacity(p);
        for first in (0..p).step_by(rows) {
            let some = normed.clone().narrow(0, first, rows.min(p - first));
            positions.extend(cells(model, some, options));
        }
        LensLayer {
            hook: point.to_string(),
            positions,
        }
    });
    Ok(Lens {
        layers: layers.collect(),
    })
}

fn cells(model: &Llama, normed: Tensor<2>, options: &LensOptions) -> Vec<LensCell> {
    let logits = model.unembed(normed).cast(FloatDType::F32).into_data();
    let logits: Vec<f32> = logits.iter::<f32>().collect();
    let rows = logits.chunks_exact(model.config().vocab_size);
    rows.map(|logits| {
        let prediction = Prediction::new(logits.to_vec());
        let token = |id, rank| LensToken {
            id,
            token: None,
            prob: prediction.prob(id),
            logit: prediction.logit(id),
            rank,
        };
        let top = prediction.top(options.top);
        LensCell {
            answer: options.answer.map(|id| token(id, prediction.rank(id))),
            top: top
                .into_iter()
                .map(|id| token(id, prediction.rank(id)))
                .collect(),
        }
    })
    .collect()
}

fn readable(point: HookPoint) -> bool {
    matches!(
        point,
        HookPoint::Embed
            | HookPoint::ResidPre(_)
            | HookPoint::ResidMid(_)
            | HookPoint::ResidPost(_)
            | HookPoint::AttnOut(_)
            | HookPoint::MlpOut(_)
    )
}
