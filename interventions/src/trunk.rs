//! A prompt that has been run once, and variants of it that go on from where they differ.

use crate::gradient::Record;
use crate::{Gradients, Metric};
use burn::tensor::{DType, Int, Tensor, TensorData};
use llama_hooked::{
    Activation, ActivationCache, Capture, Edit, ForwardError, ForwardOptions, Hook, HookPoint,
    Llama, NoHooks, OutputKind, PointFilter,
};
use std::collections::BTreeMap;
use std::ops::Range;

/// A prompt that has been run once. Variants, in which the activation at one point is another, go on from that point: the layers below it do
/// not run again, and variants go through the layers above as one batch.
///
/// It holds the residual stream entering each block, `(n_layers + 1) · p · d_model` numbers, and the activations it was asked for.
#[derive(Debug, Clone)]
pub struct Trunk {
    model: Llama,
    n_tokens: usize,
    rows_at_once: usize,
    /// Entering each block, and after the last.
    resids: Vec<Tensor<3>>,
    /// Between attention and MLP, of the blocks whose MLP's output may be another.
    mids: BTreeMap<usize, Tensor<3>>,
    cache: ActivationCache,
}

/// Where variants go on.
enum Start {
    /// The variant is the residual stream entering this block.
    At(usize),
    /// The variant is added to the stream within the block before this one.
    AfterMlp(usize),
    /// The block runs with the variant put in.
    Within(usize),
    /// The final norm runs with the variant put in.
    Final,
}

impl Trunk {
    /// Runs a prompt, keeping the activations at some points.
    ///
    /// # Errors
    /// If a token is not the model's, there are none, or the model lacks a point.
    pub fn run(
        model: &Llama,
        ids: &[u32],
        points: impl IntoIterator<Item = HookPoint>,
    ) -> Result<Self, ForwardError> {
        Self::run_with(model, ids, points, &mut NoHooks)
    }

    /// [`run`](Self::run), and in the same pass the gradient of the metric at some points, as [`gradients`](crate::gradients) finds it.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Panics
    /// If the metric does not depend on the points.
    pub fn run_with_gradients(
        model: &Llama,
        ids: &[u32],
        points: impl IntoIterator<Item = HookPoint>,
        at: impl Into<PointFilter>,
        metric: &Metric,
    ) -> Result<(Self, Gradients), ForwardError> {
        let mut record = Record::new(at);
        let run = Self::run_with(model, ids, points, &mut record)?;
        let found = record.differentiate(|normed| metric.of(model, last(normed)));
        Ok((run, found))
    }

    /// The hooks see what is kept before the points are theirs.
    fn run_with<H: Hook>(
        model: &Llama,
        ids: &[u32],
        points: impl IntoIterator<Item = HookPoint>,
        hooks: &mut H,
    ) -> Result<Self, ForwardError> {
        let n_layers = model.config().n_layers;
        let points: Vec<HookPoint> = points.into_iter().collect();
        let mids = points.iter().filter_map(|point| match point {
            HookPoint::MlpOut(layer) => Some(HookPoint::ResidMid(*layer)),
            _ => None,
        });
        let entering = (0..n_layers).map(HookPoint::ResidPre);
        let last = HookPoint::ResidPost(n_layers.saturating_sub(1));
        let all: Vec<HookPoint> = points
            .iter()
            .copied()
            .chain(mids)
            .chain(entering)
            .chain([last])
            .collect();
        let mut all = (Capture::new(all), hooks);
        let mut options = ForwardOptions::default();
        options.output = OutputKind::Nothing;
        model.forward(tokens(model, ids), &options, &mut all)?;
        let cache = all.0.into_cache().inner();
        let mut resids: Vec<_> = (0..n_layers)
            .map(|layer| cache.r3(HookPoint::ResidPre(layer)))
            .collect();
        resids.push(cache.r3(last));
        let mids = points.iter().filter_map(|point| match point {
            HookPoint::MlpOut(layer) => Some((*layer, cache.r3(HookPoint::ResidMid(*layer)))),
            _ => None,
        });
        Ok(Self {
            model: model.clone(),
            n_tokens: ids.len(),
            rows_at_once: usize::MAX,
            resids,
            mids: mids.collect(),
            cache,
        })
    }

    /// Lets at most so many variants go through the layers at a time.
    #[must_use]
    pub fn rows_at_once(mut self, rows: usize) -> Self {
        self.rows_at_once = rows.max(1);
        self
    }

    /// The model.
    pub fn model(&self) -> &Llama {
        &self.model
    }

    /// Tokens of the prompt.
    pub fn n_tokens(&self) -> usize {
        self.n_tokens
    }

    /// The activation at a point that was asked for, `[1, p, …]`.
    ///
    /// # Panics
    /// If it was not asked for.
    pub fn activation(&self, point: HookPoint) -> Activation {
        let found = self.cache.get(point).cloned();
        found.unwrap_or_else(|| panic!("{point} was not kept"))
    }

    /// The residual stream entering a block, or after the last, `[1, p, d_model]`.
    ///
    /// # Panics
    /// If the model has no such block.
    pub fn resid(&self, layer: usize) -> Tensor<3> {
        self.resids[layer].clone()
    }

    /// The final norm's output at the last position, `[1, d_model]`.
    pub fn normed(&self) -> Tensor<2> {
        self.finish(self.resid(self.resids.len() - 1))
    }

    /// The metric of the prompt as it is.
    pub fn metric(&self, metric: &Metric) -> f32 {
        metric.of(&self.model, self.normed()).into_scalar()
    }

    /// The metric of variants. `stop` is told how many are done, and ends the work where it says so.
    ///
    /// # Shapes
    /// `make` is given a range of variants and returns what is at the point in them, `[range.len(), p, …]`.
    ///
    /// # Panics
    /// If the point is not one that was asked for, or the shapes do not fit.
    pub fn variants(
        &self,
        point: HookPoint,
        n: usize,
        metric: &Metric,
        mut make: impl FnMut(Range<usize>) -> Activation,
        stop: &mut dyn FnMut(usize) -> bool,
    ) -> Option<Vec<f32>> {
        let mut found = Vec::with_capacity(n);
        for range in pieces(n, self.rows_at_once) {
            if stop(found.len()) {
                return None;
            }
            let normed = self.above(point, make(range));
            let values = metric.of(&self.model, normed).into_data();
            found.extend(values.iter::<f32>());
        }
        Some(found)
    }

    /// The metric of variants, and its gradient with respect to what is at the point in each.
    ///
    /// # Shapes
    /// `variants`: `[n, p, …]` → `[n]`, and of the shape of `variants`.
    ///
    /// # Panics
    /// As [`variants`](Self::variants).
    pub fn gradients(
        &self,
        point: HookPoint,
        variants: &Activation,
        metric: &Metric,
    ) -> (Vec<f32>, Activation) {
        let n = variants.dims()[0];
        let (mut values, mut gradients) = (Vec::new(), Vec::new());
        for range in pieces(n, self.rows_at_once) {
            let (metric, gradient) = match rows_of(variants, &range) {
                Activation::R3(x) => self.differentiate(point, x, metric),
                Activation::R4(x) => self.differentiate(point, x, metric),
            };
            values.extend(metric);
            gradients.push(gradient);
        }
        (values, cat(gradients))
    }

    fn differentiate<const D: usize>(
        &self,
        point: HookPoint,
        x: Tensor<D>,
        metric: &Metric,
    ) -> (Vec<f32>, Activation)
    where
        Activation: From<Tensor<D>>,
    {
        let leaf = x.inner().autodiff().require_grad();
        let normed = self.above(point, leaf.clone().into());
        let metric = metric.of(&self.model, normed);
        let recorded = metric.clone().sum().backward();
        let gradient = leaf.grad(&recorded).unwrap_or_else(|| leaf.zeros_like());
        let values = metric.inner().into_data().iter::<f32>().collect();
        (values, gradient.into())
    }

    /// The rest of the network: the final norm's output at the last position.
    fn above(&self, point: HookPoint, variants: Activation) -> Tensor<2> {
        let n = variants.dims()[0];
        let n_layers = self.model.config().n_layers;
        let start = match point {
            HookPoint::Embed => Start::At(0),
            HookPoint::ResidPre(layer) => Start::At(layer),
            HookPoint::ResidPost(layer) => Start::At(layer + 1),
            HookPoint::MlpOut(layer) => Start::AfterMlp(layer + 1),
            other => other.layer().map_or(Start::Final, Start::Within),
        };
        let many = |x: &Tensor<3>| {
            let [_, p, d] = x.dims();
            x.clone().expand([n, p, d])
        };
        let of_rank_3 = |x: Activation| x.into_r3().expect("the point is of rank 3");
        let resid = match start {
            Start::At(layer) => {
                let resid = of_rank_3(variants);
                self.model.blocks(resid, layer..n_layers, &mut NoHooks)
            }
            Start::AfterMlp(layer) => {
                let mid = self.mids.get(&(layer - 1));
                let mid = mid.unwrap_or_else(|| panic!("{point} was not kept"));
                let dtype = mid.dtype();
                let resid = many(mid) + of_rank_3(variants).cast(dtype);
                self.model.blocks(resid, layer..n_layers, &mut NoHooks)
            }
            Start::Within(layer) => {
                let mut put = Edit::new(point, move |_, _| variants.clone());
                let resid = many(&self.resids[layer]);
                self.model.blocks(resid, layer..n_layers, &mut put)
            }
            Start::Final => {
                let mut put = Edit::new(point, move |_, _| variants.clone());
                let resid = many(&self.resids[n_layers]);
                let normed = self.model.ln_final(resid, &mut put);
                return last(normed);
            }
        };
        self.finish(resid)
    }

    /// The final norm, at the last position.
    fn finish(&self, resid: Tensor<3>) -> Tensor<2> {
        let [_, p, _] = resid.dims();
        last(self.model.ln_final(resid.narrow(1, p - 1, 1), &mut NoHooks))
    }
}

/// The last position of `[n, p, d]`.
fn last(x: Tensor<3>) -> Tensor<2> {
    let [n, p, d] = x.dims();
    x.narrow(1, p - 1, 1).reshape([n, d])
}

/// A prompt as a tensor.
pub(crate) fn tokens(model: &Llama, ids: &[u32]) -> Tensor<2, Int> {
    let numbers: Vec<i32> = ids.iter().map(|id| id.cast_signed()).collect();
    let numbers = TensorData::new(numbers, [1, ids.len()]);
    Tensor::from_data(numbers, (&model.device(), DType::I32))
}

fn pieces(n: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let step = most.min(n.max(1));
    (0..n).step_by(step).map(move |i| i..n.min(i + step))
}

fn rows_of(x: &Activation, range: &Range<usize>) -> Activation {
    match x {
        Activation::R3(x) => x.clone().narrow(0, range.start, range.len()).into(),
        Activation::R4(x) => x.clone().narrow(0, range.start, range.len()).into(),
    }
}

/// One batch of several.
pub(crate) fn cat(pieces: Vec<Activation>) -> Activation {
    let (mut threes, mut fours) = (Vec::new(), Vec::new());
    for piece in pieces {
        match piece {
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
