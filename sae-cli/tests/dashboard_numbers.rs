//! Every number on the pages of `sae dashboard`, from its definition: what `sae encode` makes of the same tokens, and the weights.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

#[allow(dead_code, reason = "shared with the crate that writes the pages")]
#[path = "../../dashboard/tests/reading/mod.rs"]
mod reading;
mod support;

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use llama_hooked::{Llama, ModelSource};
use reading::{expanded, packed_shards, unpack};
use sae_core::Sae;
use sae_dashboard::{Example, Feature, GroupKind, LensConvention, ValueHistogram};
use support::tensors::{Numbers, read};
use support::{Scratch, demo};

const CONTEXT: usize = 32;

/// The demo's text, what its features are on it, and the weights.
struct Truth {
    tokens: Numbers,
    /// `[contexts, 32, d_sae]`
    acts: Numbers,
    kept: Vec<bool>,
    model: Llama,
    sae: Sae,
}

impl Truth {
    /// Runs the commands that make activations and features, and leaves the tokens in `t.st`.
    fn new(scratch: &Scratch, excluded: &[u32]) -> Self {
        scratch.ok("tokenize --tokenizer $MODEL --dataset $TEXT --context-size 32 --sequences 90 --out t.st");
        scratch.ok(
            "activations --model $MODEL --tokens t.st --hook blocks.2.hook_resid_pre --out a.st",
        );
        scratch.ok("encode --sae $RUN --input a.st --key blocks.2.hook_resid_pre --out f.st");
        let tokens = read(&scratch.path("t.st")).remove("tokens").unwrap();
        let device = Device::flex();
        let files = ModelSource::Dir(demo("model")).resolve().unwrap();
        let options = llama_hooked::LlamaLoadOptions::new(&device, FloatDType::F32);
        let kept = |&id: &f64| !excluded.contains(&(id as u32));
        Self {
            kept: tokens.values.iter().map(kept).collect(),
            acts: read(&scratch.path("f.st")).remove("feature_acts").unwrap(),
            model: Llama::load(&files, &options).unwrap(),
            sae: Sae::load(demo("run"), &sae_core::SaeLoadOptions::new(&device)).unwrap(),
            tokens,
        }
    }

    /// A feature's activation on a token, 0 where the token does not count.
    fn act(&self, feature: u32, token: usize) -> f64 {
        let d_sae = self.sae.cfg().d_sae;
        let act = self.acts.values[token * d_sae + feature as usize];
        if self.kept[token] { act } else { 0.0 }
    }

    fn fired(&self, feature: u32) -> Vec<f64> {
        let acts = (0..self.kept.len()).map(|token| self.act(feature, token));
        acts.filter(|&x| x > 0.0).collect()
    }
}

fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    let off = (found - expected).abs();
    assert!(
        off <= tolerance * expected.abs().max(1e-6),
        "{what}: {found} and not {expected}"
    );
}

fn histogram(found: &ValueHistogram, values: &[f64], what: &str) {
    let (low, high) = (f64::from(found.min), f64::from(found.max));
    close(
        low,
        values.iter().copied().fold(f64::INFINITY, f64::min),
        1e-5,
        what,
    );
    close(
        high,
        values.iter().copied().fold(f64::MIN, f64::max),
        1e-5,
        what,
    );
    assert_eq!(
        found.counts.iter().sum::<u64>(),
        values.len() as u64,
        "{what}"
    );
    // A value on an edge may be in either bin, so edges are compared by what lies clearly on their sides.
    let width = (high - low) / found.counts.len() as f64;
    let mut below = 0;
    for (bin, count) in found.counts.iter().enumerate() {
        below += count;
        let edge = low + width * (bin + 1) as f64;
        let slack = 1e-4 * width + 1e-6 * edge.abs();
        let at_least = values.iter().filter(|&&x| x < edge - slack).count() as u64;
        let at_most = values.iter().filter(|&&x| x <= edge + slack).count() as u64;
        assert!((at_least..=at_most).contains(&below), "{what}: bin {bin}");
    }
}

fn statistics(truth: &Truth, feature: &Feature) {
    let (index, found) = (feature.index, &feature.statistics);
    let fired = truth.fired(index);
    let n = fired.len() as f64;
    assert_eq!(found.n_fired, fired.len() as u64, "feature {index}");
    let counted = truth.kept.iter().filter(|kept| **kept).count() as f64;
    close(found.density, n / counted, 1e-3, "density");
    if fired.is_empty() {
        assert!(feature.groups.is_empty() && feature.activations.counts.is_empty());
        return;
    }
    histogram(&feature.activations, &fired, "activations");
    let mean = fired.iter().sum::<f64>() / n;
    let moment = |k: i32| fired.iter().map(|x| (x - mean).powi(k)).sum::<f64>() / n;
    close(
        found.max.into(),
        fired.iter().copied().fold(0.0, f64::max),
        1e-5,
        "max",
    );
    close(found.mean, mean, 1e-3, "mean");
    close(
        found.mean_square,
        fired.iter().map(|x| x * x).sum::<f64>() / n,
        1e-3,
        "mean square",
    );
    let spread = moment(2);
    if spread > 1e-4 * mean * mean {
        let (skewness, kurtosis) = (moment(3) / spread.powf(1.5), moment(4) / spread.powi(2));
        assert!((found.skewness - skewness).abs() < 1e-3 * skewness.abs().max(1.0));
        close(found.kurtosis, kurtosis, 2e-3, "kurtosis");
    }
    let mut sorted = fired;
    sorted.sort_by(f64::total_cmp);
    assert!(!found.quantiles.is_empty());
    for quantile in &found.quantiles {
        // The smallest value that is not exceeded by the share.
        let place = ((quantile.p * n).ceil() as usize).clamp(1, sorted.len()) - 1;
        close(quantile.value.into(), sorted[place], 1e-5, "quantile");
    }
}

fn example(truth: &Truth, feature: u32, example: &Example) -> f64 {
    let first = example.context as usize * CONTEXT;
    assert!(
        (example.start..example.start + example.tokens.len() as u32).contains(&example.position)
    );
    let shown = example.tokens.iter().zip(&example.values);
    for (place, (&token, &value)) in (first + example.start as usize..).zip(shown) {
        assert_eq!(truth.tokens.values[place] as u32, token);
        // The page has four significant digits.
        close(
            value.into(),
            truth.act(feature, place),
            6e-4,
            "a value of an example",
        );
    }
    truth.act(feature, first + example.position as usize)
}

fn examples(truth: &Truth, feature: &Feature) {
    let fired = truth.fired(feature.index);
    let mut contexts = Vec::new();
    for group in &feature.groups {
        let values: Vec<f64> = group
            .examples
            .iter()
            .map(|e| example(truth, feature.index, e))
            .collect();
        contexts.extend(group.examples.iter().map(|e| e.context));
        match group.kind {
            GroupKind::Top => {
                assert!(values.is_sorted_by(|a, b| a >= b));
                close(
                    values[0],
                    fired.iter().copied().fold(0.0, f64::max),
                    1e-6,
                    "the top",
                );
            }
            GroupKind::Interval { low, high, n_fired } => {
                let (low, high) = (f64::from(low), f64::from(high));
                let slack = 1e-5 * high;
                let inside = |x: f64, slack: f64| x > low - slack && x <= high + slack;
                assert!(values.iter().all(|&x| inside(x, slack)));
                let least = fired.iter().filter(|&&x| inside(x, -slack)).count() as u64;
                let most = fired.iter().filter(|&&x| inside(x, slack)).count() as u64;
                assert!(
                    (least..=most).contains(&n_fired),
                    "{n_fired}: {least} to {most}"
                );
            }
            GroupKind::Random => assert!(values.iter().all(|&x| x > 0.0)),
        }
    }
    let n = contexts.len();
    contexts.sort_unstable();
    contexts.dedup();
    assert_eq!(contexts.len(), n, "a context is shown once");
}

/// What the weights say: norms, alignment, neighbours, the logit lens.
fn weights(truth: &Truth, features: &[Feature]) {
    let [d_sae, d] = truth.sae.w_dec().dims();
    let w_dec: Vec<f64> = truth.sae.w_dec().into_data().iter().collect();
    let row = |i: u32| &w_dec[i as usize * d..][..d];
    let norm = |i: u32| row(i).iter().map(|x| x * x).sum::<f64>().sqrt();
    let cosine = |i: u32, j: u32| {
        row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum::<f64>() / (norm(i) * norm(j))
    };
    let gamma = truth.model.ln_final_weight();
    let vocab_size = truth.model.config().vocab_size;
    for feature in features.iter().step_by(17) {
        let index = feature.index;
        close(
            feature.decoder_norm.into(),
            norm(index),
            1e-5,
            "decoder norm",
        );
        let l1: f64 = row(index).iter().map(|x| x.abs()).sum();
        for entry in &feature.alignment {
            let x = row(index)[entry.neuron as usize];
            close(entry.value.into(), x, 1e-6, "alignment");
            close(entry.l1_share.into(), x.abs() / l1, 1e-5, "share of L1");
        }
        let mut cosines: Vec<f64> = (0..d_sae as u32)
            .filter(|&other| other != index)
            .map(|other| cosine(index, other))
            .collect();
        cosines.sort_by(|a, b| b.total_cmp(a));
        assert!(!feature.neighbours.decoder.is_empty());
        for (neighbour, best) in feature.neighbours.decoder.iter().zip(cosines) {
            close(
                neighbour.value.into(),
                cosine(index, neighbour.index),
                1e-4,
                "cosine",
            );
            close(neighbour.value.into(), best, 1e-4, "the next nearest");
        }
        let direction: Vec<f32> = row(index).iter().map(|&x| x as f32).collect();
        let direction = Tensor::<2>::from_data(TensorData::new(direction, [1, d]), &Device::flex());
        let logits = truth.model.unembed(direction * gamma.clone().unsqueeze());
        let logits: Vec<f64> = logits.into_data().iter().collect();
        let mean = logits.iter().sum::<f64>() / vocab_size as f64;
        let logits: Vec<f64> = logits.iter().map(|x| x - mean).collect();
        let lens = feature.lens.as_ref().unwrap();
        assert_eq!(lens.convention, LensConvention::Folded);
        let mut sorted = logits.clone();
        sorted.sort_by(f64::total_cmp);
        let least = lens.bottom.iter().zip(sorted.iter());
        for (found, &expected) in lens.top.iter().zip(sorted.iter().rev()).chain(least) {
            assert!((f64::from(found.logit) - expected).abs() < 1e-4);
            assert!((logits[found.token as usize] - expected).abs() < 1e-4);
        }
        assert_eq!(lens.histogram.counts.iter().sum::<u64>(), vocab_size as u64);
    }
}

/// Shares of tokens on which another feature fires as well.
fn coactivity(truth: &Truth, feature: &Feature) {
    let fires = |i: u32| (0..truth.kept.len()).filter(move |&t| truth.act(i, t) > 0.0);
    let own: Vec<usize> = fires(feature.index).collect();
    assert_eq!(
        feature.neighbours.n_sampled,
        own.len() as u64,
        "so few are not sampled"
    );
    for neighbour in &feature.neighbours.coactive {
        let both = own
            .iter()
            .filter(|&&t| truth.act(neighbour.index, t) > 0.0)
            .count();
        close(
            neighbour.value.into(),
            both as f64 / own.len() as f64,
            1e-4,
            "coactivity",
        );
    }
}

#[test]
fn every_number_follows_from_its_definition() {
    let scratch = Scratch::new();
    // BOS, and the comma.
    let truth = Truth::new(&scratch, &[0, 13]);
    assert!(truth.kept.iter().filter(|kept| !**kept).count() > 90);
    let said = scratch.json(
        "dashboard --sae $RUN --model $MODEL --tokens t.st --exclude-tokens 0,13 --out pages",
    );
    let features: Vec<Feature> = packed_shards(&scratch.path("pages"))
        .iter()
        .flat_map(|shard| expanded(&unpack(shard)))
        .collect();
    let d_sae = truth.sae.cfg().d_sae;
    assert_eq!(features.len(), d_sae);
    let dead = features
        .iter()
        .filter(|f| f.statistics.n_fired == 0)
        .count();
    assert_eq!(said["n_dead"], dead);
    for feature in &features {
        statistics(&truth, feature);
        examples(&truth, feature);
    }
    for feature in features
        .iter()
        .filter(|f| f.statistics.n_fired > 0)
        .step_by(41)
    {
        coactivity(&truth, feature);
    }
    weights(&truth, &features);
    let alive = features.iter().filter(|f| f.groups.len() > 2).count();
    assert!(alive > 100, "features worth the test: {alive}");
}
