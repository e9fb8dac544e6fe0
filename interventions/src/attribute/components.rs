//! Effects of heads and MLPs.

use super::nodes::by_position;
use super::result::{Completeness, ComponentEffect};
use crate::patch::many;
use crate::placed::flat;
use crate::{Gradients, Metric, Trunk};
use burn::tensor::{FloatDType, Tensor};
use llama_hooked::{Activation, HookPoint, Llama};

/// The points at which components are seen.
pub(super) fn points(model: &Llama) -> Vec<HookPoint> {
    let layers = 0..model.config().n_layers;
    layers
        .flat_map(|layer| [HookPoint::Z(layer), HookPoint::MlpOut(layer)])
        .collect()
}

/// By one gradient: what a component writes, less what it writes in the other prompt, times the gradient.
pub(super) fn by_gradient(
    model: &Llama,
    clean: &Trunk,
    corrupted: Option<&Trunk>,
    gradients: &Gradients,
) -> Vec<ComponentEffect> {
    let mut found = Vec::new();
    let change = |point| {
        let here = clean.activation(point);
        let there = corrupted.map(|run| run.activation(point));
        match (here, there) {
            (Activation::R3(x), Some(Activation::R3(y))) => Activation::R3(x - y),
            (Activation::R4(x), Some(Activation::R4(y))) => Activation::R4(x - y),
            (x, _) => x,
        }
    };
    for layer in 0..model.config().n_layers {
        let point = HookPoint::Z(layer);
        let change_of_z = change(point).into_r4().expect("z is of rank 4");
        let products =
            change_of_z.cast(FloatDType::F32) * gradients.gradients.r4(point).cast(FloatDType::F32);
        let [_, p, heads, _] = products.dims();
        let sums: Vec<f32> = products.sum_dim(3).into_data().iter::<f32>().collect();
        for head in 0..heads {
            let at = |position| f64::from(sums[position * heads + head]);
            found.push(component(
                "head",
                layer,
                Some(head),
                (0..p).map(at).collect(),
            ));
        }
        let point = HookPoint::MlpOut(layer);
        let written = change(point).into_r3().expect("mlp_out is of rank 3");
        let gradient = flat(gradients.gradients.r3(point));
        let effects = by_position(flat(written), &gradient);
        found.push(component("mlp", layer, None, effects));
    }
    ranked(found)
}

/// One after another taken away at every position, or patched in, and the layers above run again. None if `stop` says so.
pub(super) fn by_ablation(
    clean: &Trunk,
    corrupted: Option<&Trunk>,
    metric: &Metric,
    stop: &mut dyn FnMut(usize) -> bool,
) -> Option<Vec<ComponentEffect>> {
    let base = corrupted.unwrap_or(clean);
    let start = f64::from(base.metric(metric));
    // Taken away, the effect is what is missed; patched in, what is gained.
    let sign = if corrupted.is_some() { 1.0 } else { -1.0 };
    let n_layers = clean.model().config().n_layers;
    let n_heads = clean.model().config().n_heads;
    let mut found = Vec::new();
    for layer in 0..n_layers {
        let point = HookPoint::Z(layer);
        let here = base.activation(point).into_r4().expect("z is of rank 4");
        let other = match corrupted {
            Some(_) => clean.activation(point).into_r4().expect("z is of rank 4"),
            None => here.zeros_like(),
        };
        let make = |heads: std::ops::Range<usize>| {
            let variants = heads.map(|head| {
                let [b, p, _, d] = here.dims();
                let one = other.clone().narrow(2, head, 1);
                here.clone()
                    .slice_assign([0..b, 0..p, head..head + 1, 0..d], one)
            });
            Tensor::cat(variants.collect::<Vec<_>>(), 0).into()
        };
        let done = layer * (n_heads + 1);
        let values = base.variants(point, n_heads, metric, make, &mut |n| stop(done + n))?;
        for (head, value) in values.into_iter().enumerate() {
            let effect = sign * (f64::from(value) - start);
            found.push(ComponentEffect {
                effect,
                ..component("head", layer, Some(head), Vec::new())
            });
        }
        let point = HookPoint::MlpOut(layer);
        let other = match corrupted {
            Some(_) => clean.activation(point),
            None => base.activation(point).scale(0.0),
        };
        let make = |_| many(&other, 1);
        let value = base.variants(point, 1, metric, make, &mut |_| stop(done + n_heads))?[0];
        let effect = sign * (f64::from(value) - start);
        found.push(ComponentEffect {
            effect,
            ..component("mlp", layer, None, Vec::new())
        });
    }
    Some(ranked(found))
}

/// What each head, each MLP and the embedding add to the logits at the last position, with the final norm's divisor of this run. They add up to the
/// metric.
pub(super) fn direct(
    model: &Llama,
    run: &Trunk,
    metric: &Metric,
    value: f64,
) -> (Vec<ComponentEffect>, Completeness) {
    let mut found = vec![ComponentEffect {
        kind: "embed",
        layer: None,
        head: None,
        effect: direct_effects(model, run, at_last(run.resid(0)), metric)[0],
        by_position: Vec::new(),
    }];
    for layer in 0..model.config().n_layers {
        let z = run.activation(HookPoint::Z(layer));
        let z = z.into_r4().expect("z is of rank 4");
        let [_, p, heads, d] = z.dims();
        let z = z.narrow(1, p - 1, 1).reshape([heads, d]);
        let width = heads * d;
        // Each head beside zeros in the places of the others.
        let rows = (0..heads).map(|head| {
            let zeros = Tensor::<2>::zeros([1, width], (&z.device(), z.dtype()));
            let own = z.clone().narrow(0, head, 1);
            zeros.slice_assign([0..1, head * d..(head + 1) * d], own)
        });
        let rows = Tensor::cat(rows.collect::<Vec<_>>(), 0);
        let written = model.directions(HookPoint::Z(layer), rows);
        let written = written.expect("z is mapped into the stream");
        for (head, effect) in direct_effects(model, run, written, metric)
            .into_iter()
            .enumerate()
        {
            found.push(ComponentEffect {
                effect,
                ..component("head", layer, Some(head), Vec::new())
            });
        }
        let written = run.activation(HookPoint::MlpOut(layer));
        let written = at_last(written.into_r3().expect("mlp_out is of rank 3"));
        let effect = direct_effects(model, run, written, metric)[0];
        found.push(ComponentEffect {
            effect,
            ..component("mlp", layer, None, Vec::new())
        });
    }
    let completeness = Completeness {
        sum: found.iter().map(|c| c.effect).sum(),
        measured: value,
        between: "the metric itself",
    };
    (ranked(found), completeness)
}

/// What vectors in the residual stream at the last position add to the metric, which is linear in the final norm's output:
/// metric((v / s) ⊙ w), s the divisor of the run.
///
/// # Shapes
/// `written`: `[n, d_model]` → `[n]`.
pub(super) fn direct_effects(
    model: &Llama,
    run: &Trunk,
    written: Tensor<2>,
    metric: &Metric,
) -> Vec<f64> {
    let last = at_last(run.resid(model.config().n_layers)).cast(FloatDType::F32);
    let eps = model.config().rms_norm_eps;
    let divisor = last.square().mean_dim(1).add_scalar(eps).sqrt();
    let normed = written.cast(FloatDType::F32) / divisor;
    let weight = model.ln_final_weight().cast(FloatDType::F32);
    let effects = metric.of(model, normed * weight.unsqueeze());
    effects.into_data().iter::<f32>().map(f64::from).collect()
}

/// The last position of `[1, p, d]`.
fn at_last(x: Tensor<3>) -> Tensor<2> {
    let [_, p, d] = x.dims();
    x.narrow(1, p - 1, 1).reshape([1, d])
}

fn component(
    kind: &'static str,
    layer: usize,
    head: Option<usize>,
    by_position: Vec<f64>,
) -> ComponentEffect {
    ComponentEffect {
        kind,
        layer: Some(layer),
        head,
        effect: by_position.iter().sum(),
        by_position,
    }
}

fn ranked(mut found: Vec<ComponentEffect>) -> Vec<ComponentEffect> {
    found.sort_by(|a, b| b.effect.abs().total_cmp(&a.effect.abs()));
    found
}
