//! Gradients, patching, attribution and the logit lens against TransformerLens, SAELens and torch's autograd in f64 (`goldens/interventions.py`),
//! and against their own sums.
//!
//! Of the largest number: metrics of patched runs, direct effects and probabilities agree to 1e-5, gradients and what follows from them to 1e-4.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod interventions;

use burn::tensor::{Int, Tensor, TensorData};
use interventions::{Golden, numbers, of_scale};
use llama_hooked::{Activation, HookPoint, Llama, NoHooks};
use sae_interventions::{
    AttributeOptions, Attribution, LensOptions, Method, Metric, PlacedSae, Prompts, SaeAttribution,
    Site, Trunk, attribute, gradients, lens, patch, patch_features,
};
use sae_progress::Unobserved;

const D_SAE: usize = 48;

fn close(name: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    let error = of_scale(found, expected);
    assert!(error < tolerance, "{name} is off by {error:e}");
}

fn narrow(numbers: impl IntoIterator<Item = f64>) -> Vec<f32> {
    numbers.into_iter().map(|x| x as f32).collect()
}

fn values(x: &Activation) -> Vec<f32> {
    match x {
        Activation::R3(x) => numbers(x.clone()),
        Activation::R4(x) => numbers(x.clone()),
    }
}

struct Setting {
    golden: Golden,
    model: Llama,
    placed: PlacedSae,
    metric: Metric,
}

impl Setting {
    fn new() -> Self {
        Self::with("standard")
    }

    fn with(sae: &str) -> Self {
        let golden = Golden::read();
        let model = Golden::model();
        let placed = PlacedSae::new(model.config(), &Golden::sae(sae)).unwrap();
        let (answer, against) = (golden.id("answer"), golden.id("against"));
        Self {
            metric: Metric::LogitDiff { answer, against },
            golden,
            model,
            placed,
        }
    }

    fn expected(&self, name: &str) -> &[f32] {
        self.golden.tensor(name)
    }

    fn attribute(&self, method: &str, corrupted: bool, most: usize) -> Attribution {
        let golden = &self.golden;
        let corrupted = corrupted.then(|| golden.corrupted());
        let (answer, against) = (golden.id("answer"), golden.id("against"));
        let prompts = Prompts::from_ids(golden.clean(), corrupted, answer, Some(against)).unwrap();
        let mut options = AttributeOptions::default();
        options.method = method.parse().unwrap();
        options.most = most;
        // In pieces that do not come out even.
        options.rows_at_once = 3;
        let saes = std::slice::from_ref(&self.placed);
        attribute(&self.model, &prompts, saes, &options, &mut Unobserved).unwrap()
    }
}

/// `[p, d_sae]`.
fn dense(found: &SaeAttribution, p: usize) -> Vec<f32> {
    let mut all = vec![0.0; p * D_SAE];
    for f in &found.features {
        all[f.position * D_SAE + f.feature as usize] = f.effect as f32;
    }
    all
}

#[test]
fn gradients_are_autograds() {
    let s = Setting::new();
    let sites = [
        "hook_resid_pre",
        "hook_attn_out",
        "hook_mlp_out",
        "attn.hook_z",
        "hook_resid_post",
    ];
    let points = (0..3).flat_map(|layer| {
        sites.map(|site| {
            format!("blocks.{layer}.{site}")
                .parse::<HookPoint>()
                .unwrap()
        })
    });
    let points: Vec<HookPoint> = points.collect();
    let ids = s.golden.corrupted();
    let run = |points: Vec<HookPoint>, metric: &Metric| {
        let of = |normed: Tensor<3>| {
            let [b, p, d] = normed.dims();
            metric.of(&s.model, normed.narrow(1, p - 1, 1).reshape([b, d]))
        };
        let numbers: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
        let tokens = TensorData::new(numbers, [1, ids.len()]);
        let tokens = Tensor::<2, Int>::from_data(tokens, &s.model.device());
        gradients(&s.model, tokens, points, &mut NoHooks, of).unwrap()
    };
    let found = run(points.clone(), &s.metric);
    close("metric", &found.metric, &s.expected("metric")[1..], 1e-5);
    let kept = Trunk::run(&s.model, &ids, points.clone()).unwrap();
    for point in points {
        let gradient = values(found.gradients.get(point).unwrap());
        close(
            &point.to_string(),
            &gradient,
            s.expected(&format!("gradient.{point}")),
            1e-4,
        );
        let value = values(found.values.get(point).unwrap());
        close(
            "the activation",
            &value,
            &values(&kept.activation(point)),
            1e-5,
        );
    }
    let at = HookPoint::ResidPre(1);
    let answer = s.golden.id("answer");
    let found = run(vec![at], &Metric::LogProb { answer });
    close(
        "log_prob",
        &values(found.gradients.get(at).unwrap()),
        s.expected("gradient.log_prob"),
        1e-4,
    );
    let clean = Trunk::run(&s.model, &s.golden.clean(), []).unwrap();
    let found = run(vec![at], &Metric::kl_from(&s.model, clean.normed()));
    close(
        "kl",
        &values(found.gradients.get(at).unwrap()),
        s.expected("gradient.kl"),
        1e-4,
    );
}

#[test]
fn patched_runs_are_the_peers() {
    let s = Setting::new();
    let (clean, corrupted) = (s.golden.clean(), s.golden.corrupted());
    let ends = s.expected("metric");
    for (site, name) in [
        (Site::Resid, "patch.hook_resid_pre"),
        (Site::Attn, "patch.hook_attn_out"),
        (Site::Mlp, "patch.hook_mlp_out"),
        (Site::Head, "patch.heads"),
    ] {
        let pair = (clean.as_slice(), corrupted.as_slice());
        let mut seen = Vec::new();
        let mut observer = |progress: &sae_interventions::PatchProgress| {
            seen.push(progress.done);
            std::ops::ControlFlow::Continue(())
        };
        let found = patch(&s.model, pair, site, &s.metric, 2, &mut observer).unwrap();
        assert!(seen.is_sorted() && seen.len() > 3, "{seen:?}");
        let grid = narrow(found.metric.concat());
        close(name, &grid, s.expected(name), 1e-5);
        close(
            "ends",
            &narrow([found.ends.clean, found.ends.corrupted]),
            ends,
            1e-5,
        );
        for (row, shares) in found.metric.iter().zip(&found.restored) {
            for (metric, share) in row.iter().zip(shares) {
                let back = found.ends.corrupted
                    + share.unwrap() * (found.ends.clean - found.ends.corrupted);
                assert!((metric - back).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn patching_everything_is_the_clean_run_and_nothing_the_corrupted() {
    let s = Setting::new();
    let (clean, corrupted) = (s.golden.clean(), s.golden.corrupted());
    let ends = s.expected("metric");
    for point in HookPoint::all(3).filter(|point| {
        matches!(
            point,
            HookPoint::Embed
                | HookPoint::ResidPre(_)
                | HookPoint::ResidPost(_)
                | HookPoint::LnFinalNormalized
        )
    }) {
        let from = Trunk::run(&s.model, &clean, [point]).unwrap();
        let into = Trunk::run(&s.model, &corrupted, [point]).unwrap();
        let one = |there: Activation| {
            let found = into.variants(point, 1, &s.metric, |_| there.clone(), &mut |_| false);
            found.unwrap()
        };
        close(
            &point.to_string(),
            &one(from.activation(point)),
            &ends[..1],
            1e-5,
        );
        close(
            &point.to_string(),
            &one(into.activation(point)),
            &ends[1..],
            1e-5,
        );
    }
    let stopped = patch(
        &s.model,
        (&clean, &corrupted),
        Site::Resid,
        &s.metric,
        2,
        &mut |_: &_| std::ops::ControlFlow::Break(()),
    );
    assert!(stopped.is_err());
    let unequal = patch(
        &s.model,
        (&clean[1..], &corrupted),
        Site::Resid,
        &s.metric,
        2,
        &mut Unobserved,
    );
    assert_eq!(
        unequal.unwrap_err().to_string(),
        "the prompts have 6 and 7 tokens, and every position needs a counterpart"
    );
}

#[test]
fn patched_features_are_the_peers() {
    let s = Setting::new();
    let (clean, corrupted) = (s.golden.clean(), s.golden.corrupted());
    let pair = (clean.as_slice(), corrupted.as_slice());
    let found = patch_features(
        &s.model,
        pair,
        &s.placed,
        &s.metric,
        (D_SAE, 5),
        &mut Unobserved,
    )
    .unwrap();
    let corrupted_metric = s.expected("metric")[1];
    let (mut metric, mut expected) = (vec![corrupted_metric; D_SAE], vec![0.0; D_SAE]);
    for f in &found.features {
        metric[f.feature as usize] = f.metric as f32;
        expected[f.feature as usize] = f.expected as f32;
    }
    assert_eq!(found.features.len(), found.n_differing);
    close(
        "patched features",
        &metric,
        s.expected("feature.patched"),
        1e-5,
    );
    let atp = s.expected("feature.atp");
    let sums: Vec<f32> = (0..D_SAE)
        .map(|i| atp.iter().skip(i).step_by(D_SAE).sum())
        .collect();
    close("attribution patching", &expected, &sums, 1e-4);
    let few = patch_features(
        &s.model,
        pair,
        &s.placed,
        &s.metric,
        (3, 5),
        &mut Unobserved,
    )
    .unwrap();
    assert_eq!(
        (few.features.len(), few.n_differing),
        (3, found.n_differing)
    );
}

#[test]
fn attributions_are_the_peers_and_add_up() {
    let s = Setting::new();
    let p = s.golden.clean().len();
    for (method, with, name) in [
        ("gradient", false, "feature.gradient"),
        ("gradient", true, "feature.atp"),
        ("integrated:8", false, "feature.ig8.zero"),
        ("integrated:32", false, "feature.ig32.zero"),
        ("integrated:8", true, "feature.ig8.corrupted"),
        ("integrated:32", true, "feature.ig32.corrupted"),
    ] {
        let found = s.attribute(method, with, p * D_SAE);
        let sae = &found.saes[0];
        close(name, &dense(sae, p), s.expected(name), 1e-4);
        close(
            name,
            &narrow(sae.error.clone()),
            s.expected(&format!("{name}_error")),
            2e-4,
        );
        let features: f64 = sae.features.iter().map(|f| f.effect).sum();
        let sum = features + sae.error.iter().sum::<f64>() + sae.bias.iter().sum::<f64>();
        assert!((sum - sae.completeness.sum).abs() < 1e-9, "{name}");
        let by_position: f64 = sae.by_position.iter().sum();
        assert!((by_position - features).abs() < 1e-9, "{name}");
        if method == "integrated:32" {
            let total: f32 = s.expected(&format!("{name}_total")).iter().sum();
            assert!((sum as f32 - total).abs() < 1e-3 * total.abs(), "{name}");
            // From zero a straight line of 32 points does not do: a norm has no limit there.
            let measured = sae.completeness.measured as f32;
            let from = if with { "corrupted" } else { "zero" };
            let start = s.expected(&format!("feature.ig.{from}_start"))[0];
            let difference = s.expected("metric")[0] - start;
            assert!((measured - difference).abs() < 1e-4, "{name}");
            assert_eq!(sae.gap(&found.method).is_some(), !with, "{name}");
        }
        if with {
            assert!(
                sae.bias.iter().all(|b| b.abs() < 1e-4),
                "the bias is in both prompts"
            );
        }
        for (at, f) in sae.features.iter().enumerate().skip(1) {
            assert!(
                f.effect.abs() <= sae.features[at - 1].effect.abs(),
                "ranked"
            );
        }
    }
}

/// The finer the line, the nearer the sum comes to the difference; of one head, to the difference that this head makes.
#[test]
fn integrated_gradients_converge_to_the_difference() {
    for sae in ["standard", "z", "head"] {
        let s = Setting::with(sae);
        let gap = |method| {
            let complete = s.attribute(method, true, 1).saes[0].completeness.clone();
            ((complete.sum - complete.measured) / complete.measured).abs()
        };
        let (coarse, fine) = (gap("integrated:4"), gap("integrated:256"));
        assert!(
            fine < 1e-4 && fine < coarse / 4.0,
            "{sae}: {coarse} and {fine}"
        );
    }
}

#[test]
fn ablations_are_the_peers() {
    let s = Setting::new();
    let p = s.golden.clean().len();
    let found = s.attribute("ablate", false, p * D_SAE);
    close(
        "ablated",
        &dense(&found.saes[0], p),
        s.expected("feature.ablated"),
        2e-5,
    );
    let patched = s.attribute("ablate", true, 5);
    assert_eq!(patched.saes[0].features.len(), 5);
    // Every head and MLP, patched in by itself: heads are those of patching.
    let heads = s.expected("patch.heads");
    let corrupted = s.expected("metric")[1];
    let mut all = vec![0.0; 12];
    for c in &patched.components {
        if let (Some(layer), Some(head)) = (c.layer, c.head) {
            all[layer * 4 + head] = c.effect as f32 + corrupted;
        }
    }
    close("heads", &all, heads, 1e-5);
    assert_eq!(patched.components.len(), 3 * 5);
}

#[test]
fn direct_effects_are_the_peers_and_add_up_to_the_metric() {
    let s = Setting::new();
    let p = s.golden.clean().len();
    let found = s.attribute("direct", false, D_SAE);
    let complete = found.components_completeness.as_ref().unwrap();
    assert!((complete.sum - complete.measured).abs() < 1e-5 * complete.measured.abs().max(1.0));
    let effect = |layer, kind| {
        let own = found
            .components
            .iter()
            .filter(|c| c.layer == layer && c.kind == kind);
        own.map(|c| c.effect).sum::<f64>()
    };
    let mut parts = vec![effect(None, "embed")];
    for layer in 0..3 {
        parts.extend([effect(Some(layer), "head"), effect(Some(layer), "mlp")]);
    }
    close("dla", &narrow(parts), s.expected("dla"), 1e-5);
    let mut heads = vec![0.0; 12];
    for c in &found.components {
        if let (Some(layer), Some(head)) = (c.layer, c.head) {
            heads[layer * 4 + head] = c.effect as f32;
        }
    }
    close("dla.heads", &heads, s.expected("dla.heads"), 1e-5);
    let sae = &found.saes[0];
    let features = &dense(sae, p)[(p - 1) * D_SAE..];
    close("dla.features", features, s.expected("dla.features"), 1e-5);
    close(
        "dla.error",
        &[sae.error[p - 1] as f32],
        s.expected("dla.error"),
        1e-5,
    );
    close(
        "dla.b_dec",
        &[sae.bias[p - 1] as f32],
        s.expected("dla.b_dec"),
        1e-4,
    );
    assert!((sae.completeness.sum - sae.completeness.measured).abs() < 1e-5);
    let method = Method::Direct;
    assert_eq!(found.method, method.to_string());
}

#[test]
fn what_a_gradient_says_of_components_is_its_dot_product() {
    let s = Setting::new();
    let found = s.attribute("gradient", true, 4);
    assert_eq!(found.components.len(), 3 * 5);
    let p = s.golden.clean().len();
    for layer in 0..3 {
        let point = HookPoint::Z(layer);
        let z = |ids: &[u32]| {
            values(
                &Trunk::run(&s.model, ids, [point])
                    .unwrap()
                    .activation(point),
            )
        };
        let (a, b) = (z(&s.golden.clean()), z(&s.golden.corrupted()));
        let g = s.expected(&format!("gradient.{point}"));
        for c in found.components.iter().filter(|c| c.layer == Some(layer)) {
            let Some(head) = c.head else { continue };
            let expected: f64 = (0..p * 32)
                .filter(|i| i / 8 % 4 == head)
                .map(|i| f64::from(g[i]) * f64::from(a[i] - b[i]))
                .sum();
            assert!(
                (c.effect - expected).abs() < 2e-4,
                "{}: {} and {expected}",
                c.name(),
                c.effect
            );
        }
    }
}

#[test]
fn the_lens_is_the_peers() {
    let s = Setting::new();
    let ids = s.golden.clean();
    let mut options = LensOptions::default();
    (options.top, options.answer) = (101, Some(s.golden.id("answer")));
    let found = lens(&s.model, &ids, &options).unwrap();
    let expected = s.expected("lens");
    let mut all = Vec::new();
    for layer in &found.layers {
        for cell in &layer.positions {
            let mut row = vec![0.0; 101];
            for token in &cell.top {
                row[token.id as usize] = token.prob as f32;
            }
            let answer = cell.answer.as_ref().unwrap();
            assert_eq!(cell.top[answer.rank.unwrap()].id, answer.id);
            assert!(cell.top.is_sorted_by(|a, b| a.prob >= b.prob));
            all.extend(row);
        }
    }
    let expected: Vec<f32> = expected.iter().map(|x| x.exp()).collect();
    close("lens", &all, &expected, 1e-5);
    let names: Vec<&str> = found.layers.iter().map(|l| l.hook.as_str()).collect();
    assert_eq!(names[0], "blocks.0.hook_resid_pre");
    assert_eq!(names[3], "blocks.2.hook_resid_post");
    options.points = Some(vec![HookPoint::Q(0)]);
    let error = lens(&s.model, &ids, &options).unwrap_err().to_string();
    assert!(
        error.starts_with("blocks.0.attn.hook_q is not in the residual stream"),
        "{error}"
    );
}
