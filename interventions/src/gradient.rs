//! Gradients of a metric at hook points.

use burn::tensor::Tensor;
use llama_hooked::{
    Activation, ActivationCache, ForwardError, ForwardOptions, Hook, HookError, HookPoint, Input,
    Llama, OutputKind, PointFilter, Run,
};

/// Activations of a run, and the gradient of a metric with respect to each.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Gradients {
    /// The metric, one number for each row of the batch.
    pub metric: Vec<f32>,
    /// The activations, in firing order.
    pub values: ActivationCache,
    /// ∂(Σ metric)/∂(activation), of the shape of each.
    pub gradients: ActivationCache,
}

/// Runs the model and differentiates a metric of its output with respect to the activations at some points.
///
/// Only the layers above the first of these points are recorded; the weights are constants, and no gradient of theirs is computed. Rows of a
/// batch do not meet, so that each row's gradient is that of its own metric. `hooks` see each activation before it is taken, and may edit it.
///
/// What is kept until the gradient is there: the activations within the blocks above the first point, about
/// [`recorded_per_token`](crate::recorded_per_token) bytes for each token and block. Streamed weights are all held at once.
///
/// # Shapes
/// `metric` gets the final norm's output, `[b, p, d_model]`, and returns `[b]`.
///
/// # Errors
/// As [`Llama::forward`].
///
/// # Panics
/// If the metric does not depend on the points.
pub fn gradients<H: Hook + ?Sized>(
    model: &Llama,
    input: impl Into<Input>,
    points: impl Into<PointFilter>,
    hooks: &mut H,
    metric: impl FnOnce(Tensor<3>) -> Tensor<1>,
) -> Result<Gradients, ForwardError> {
    let mut options = ForwardOptions::default();
    options.output = OutputKind::Nothing;
    let mut all = (hooks, Record::new(points));
    model.forward(input, &options, &mut all)?;
    Ok(all.1.differentiate(metric))
}

/// Records a run from the first of some points on.
pub(crate) struct Record(Probes, Normed);

impl Record {
    pub(crate) fn new(points: impl Into<PointFilter>) -> Self {
        Self(Probes::new(points.into()), Normed(None))
    }

    /// The metric and its gradients, when the run has come to its end.
    ///
    /// # Panics
    /// If it has not, or the metric does not depend on the points.
    pub(crate) fn differentiate(self, metric: impl FnOnce(Tensor<3>) -> Tensor<1>) -> Gradients {
        let Self(probes, normed) = self;
        let normed = normed.0.expect("the run went through the final norm");
        let metric = metric(normed);
        let recorded = metric.clone().sum().backward();
        let numbers = metric.inner().into_data().iter::<f32>().collect();
        let mut found = Gradients {
            metric: numbers,
            values: ActivationCache::default(),
            gradients: ActivationCache::default(),
        };
        for (point, leaf, value) in probes.taken {
            let gradient = match &leaf {
                Activation::R3(x) => x.grad(&recorded).map(Activation::R3),
                Activation::R4(x) => x.grad(&recorded).map(Activation::R4),
            };
            // A point whose value goes nowhere, such as the keys of the last position for an earlier query, still has a gradient: zero.
            let zero = || match &value {
                Activation::R3(x) => x.zeros_like().into(),
                Activation::R4(x) => x.zeros_like().into(),
            };
            found.gradients.insert(point, gradient.unwrap_or_else(zero));
            found.values.insert(point, value);
        }
        found
    }
}

impl Hook for Record {
    fn wants(&self, point: HookPoint) -> bool {
        self.0.wants(point) || self.1.wants(point)
    }

    fn at(&mut self, point: HookPoint, x: Activation) -> Activation {
        let x = if self.0.wants(point) {
            self.0.at(point, x)
        } else {
            x
        };
        if self.1.wants(point) {
            self.1.at(point, x)
        } else {
            x
        }
    }

    fn check(&self, run: &Run) -> Result<(), HookError> {
        self.0.check(run)
    }
}

/// Makes a leaf of the record at each point.
struct Probes {
    filter: PointFilter,
    /// The point, the leaf, and the value that went on.
    taken: Vec<(HookPoint, Activation, Activation)>,
}

impl Probes {
    fn new(filter: PointFilter) -> Self {
        Self {
            filter,
            taken: Vec::new(),
        }
    }
}

/// What went on, the leaf, and the value.
fn probe<const D: usize>(x: Tensor<D>) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
    let value = x.clone().inner();
    if x.is_autodiff() && x.is_tracked() {
        // Something before it is a leaf already: a zero beside it has the same gradient.
        let leaf = value.zeros_like().autodiff().require_grad();
        (x + leaf.clone(), leaf, value)
    } else {
        let leaf = value.clone().autodiff().require_grad();
        (leaf.clone(), leaf, value)
    }
}

impl Hook for Probes {
    fn wants(&self, point: HookPoint) -> bool {
        self.filter.contains(point)
    }

    fn at(&mut self, point: HookPoint, x: Activation) -> Activation {
        let (on, leaf, value) = match x {
            Activation::R3(x) => {
                let (on, leaf, value) = probe(x);
                (on.into(), leaf.into(), value.into())
            }
            Activation::R4(x) => {
                let (on, leaf, value) = probe(x);
                (on.into(), leaf.into(), value.into())
            }
        };
        self.taken.push((point, leaf, value));
        on
    }

    fn check(&self, run: &Run) -> Result<(), HookError> {
        self.filter.check(run)
    }
}

/// Takes the final norm's output.
struct Normed(Option<Tensor<3>>);

impl Hook for Normed {
    fn wants(&self, point: HookPoint) -> bool {
        point == HookPoint::UnembedIn
    }

    fn at(&mut self, _: HookPoint, x: Activation) -> Activation {
        self.0 = x.clone().into_r3();
        x
    }
}
