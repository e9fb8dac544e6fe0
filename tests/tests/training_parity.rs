//! `sae-train` against SAELens 6.54.12, step by step (`goldens/training.py`).
//!
//! Losses agree to 1e-5; weights, gradients and Adam's moments after 1, 10 and 100 steps to 1e-4 of the largest number. SAELens with rows
//! in another order, or in f64, differs from itself by 2e-7 in losses and 5e-7 in weights after 100 steps.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

use burn::tensor::Device;
use sae_train::{DeviceOptions, Shape, TrainArchitecture, TrainOptions, Trainer, Weights};
use safetensors::SafeTensors;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const D: usize = 16;
const S: usize = 64;
const B: usize = 64;
const STEPS: usize = 100;
/// Of the loss.
const LOSSES: f64 = 1e-5;
/// Of the largest number of its kind.
const WEIGHTS: f64 = 1e-4;
/// The factor that `goldens/training.py` folds at the end.
const SCALE: f64 = 1.7;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/data/training")
}

/// The batches of `goldens/training.py`, bit for bit.
struct Batches {
    state: u64,
    directions: Vec<f64>,
}

impl Batches {
    fn new(seed: u64) -> Self {
        let mut made = Self {
            state: seed,
            directions: Vec::new(),
        };
        made.directions = made.uniform(80 * D).iter().map(|u| 2.0 * u - 1.0).collect();
        made
    }

    fn uniform(&mut self, n: usize) -> Vec<f64> {
        let next = |state: &mut u64| {
            *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = *state;
            let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24)
        };
        (0..n).map(|_| next(&mut self.state)).collect()
    }

    fn next(&mut self) -> Vec<f32> {
        let which: Vec<usize> = self
            .uniform(B * 3)
            .iter()
            .map(|u| (u * 80.0) as usize)
            .collect();
        let (weight, noise) = (self.uniform(B * 3), self.uniform(B * D));
        let part = |b: usize, t: usize, i: usize| {
            weight[b * 3 + t] * self.directions[which[b * 3 + t] * D + i]
        };
        (0..B * D)
            .map(|at| {
                let (b, i) = (at / D, at % D);
                let sum = (part(b, 0, i) + part(b, 1, i)) + part(b, 2, i);
                (sum + 0.1 * (noise[at] - 0.5)) as f32
            })
            .collect()
    }
}

struct Golden {
    name: String,
    numbers: BTreeMap<String, Vec<f64>>,
    options: TrainOptions,
    final_cfg: Value,
}

fn read(path: &Path) -> BTreeMap<String, Vec<f64>> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let numbers = |view: &safetensors::tensor::TensorView<'_>| -> Vec<f64> {
        let data = view.data();
        match view.dtype() {
            safetensors::Dtype::F32 => data
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f64::from(f32::from_le_bytes(*b)))
                .collect(),
            safetensors::Dtype::F64 => data
                .as_chunks::<8>()
                .0
                .iter()
                .map(|b| f64::from_le_bytes(*b))
                .collect(),
            safetensors::Dtype::I64 => data
                .as_chunks::<8>()
                .0
                .iter()
                .map(|b| i64::from_le_bytes(*b) as f64)
                .collect(),
            other => panic!("{other:?}"),
        }
    };
    file.tensors()
        .iter()
        .map(|(name, view)| (name.clone(), numbers(view)))
        .collect()
}

fn goldens() -> Vec<Golden> {
    let text = std::fs::read_to_string(folder().join("variants.json")).unwrap();
    let variants: Map<String, Value> = serde_json::from_str(&text).unwrap();
    assert!(variants.len() >= 13);
    let known: Map<String, Value> =
        serde_json::from_value(serde_json::to_value(TrainOptions::default()).unwrap()).unwrap();
    variants
        .into_iter()
        .map(|(name, variant)| {
            let mut options = known.clone();
            for part in ["sae", "schedule"] {
                for (key, value) in variant[part].as_object().unwrap() {
                    if known.contains_key(key) && !value.is_null() {
                        options.insert(key.clone(), value.clone());
                    }
                }
            }
            let own = [
                ("training_tokens", STEPS * B),
                ("train_batch_size_tokens", B),
                ("dead_feature_window", 3),
                ("feature_sampling_window", 40),
            ];
            options.extend(own.map(|(key, n)| (key.to_owned(), n.into())));
            options.insert("lr".to_owned(), 3e-3.into());
            Golden {
                numbers: read(&folder().join(format!("{name}.safetensors"))),
                options: serde_json::from_value(options.into()).unwrap(),
                final_cfg: variant["final"].clone(),
                name,
            }
        })
        .collect()
}

fn transposed(x: &[f64], rows: usize) -> Vec<f64> {
    let cols = x.len() / rows;
    (0..x.len())
        .map(|i| x[(i % rows) * cols + i / rows])
        .collect()
}

impl Golden {
    /// Ours as the peer lays and names them, where it has them.
    fn named(&self, weights: &Weights) -> Vec<(&'static str, Vec<f64>)> {
        let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let bias = if self.name == "gated" {
            "b_gate"
        } else {
            "b_enc"
        };
        vec![
            ("W_enc", transposed(&wide(&weights.w_enc), S)),
            (bias, wide(&weights.b_enc)),
            ("W_dec", wide(&weights.w_dec)),
            ("b_dec", wide(&weights.b_dec)),
            ("threshold", wide(&weights.threshold)),
            ("b_mag", wide(&weights.b_mag)),
            ("r_mag", wide(&weights.r_mag)),
        ]
    }

    fn init(&self) -> Weights {
        let of = |name: &str| -> Vec<f32> {
            let found = self.numbers.get(&format!("init.{name}"));
            found.map_or_else(Vec::new, |x| x.iter().map(|&x| x as f32).collect())
        };
        let mut weights = Weights::default();
        if let Some(w_enc) = self.numbers.get("init.W_enc") {
            weights.w_enc = transposed(w_enc, D).iter().map(|&x| x as f32).collect();
        }
        weights.b_enc = if self.name == "gated" {
            of("b_gate")
        } else {
            of("b_enc")
        };
        (weights.w_dec, weights.b_dec) = (of("W_dec"), of("b_dec"));
        weights.threshold = of("threshold");
        (weights.b_mag, weights.r_mag) = (of("b_mag"), of("r_mag"));
        weights
    }

    fn assert_close(&self, what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(found.len(), expected.len(), "{} {what}", self.name);
        let largest = expected.iter().fold(1e-12_f64, |a, b| a.max(b.abs()));
        for (i, (a, b)) in found.iter().zip(expected).enumerate() {
            let off = (a - b).abs() / largest;
            assert!(
                off <= tolerance,
                "{} {what}[{i}]: {a} is not {b} (off by {off:.1e} of the largest)",
                self.name
            );
        }
    }
}

#[test]
fn every_step_is_the_peers() {
    for golden in goldens() {
        let shape = Shape::new(&golden.options, D, D);
        let trainer = Trainer::from_weights(&golden.options, shape, golden.init()).unwrap();
        compare_steps(&golden, trainer, STEPS, 1.0);
    }
}

/// The step as tensors, where burn has them on this machine; its sums are in f32.
#[test]
fn every_step_on_a_device_is_the_peers() {
    let on = DeviceOptions::new(&Device::flex());
    for golden in goldens() {
        let (options, shape) = (&golden.options, Shape::new(&golden.options, D, D));
        if options.architecture != TrainArchitecture::MatchingPursuit {
            let trainer =
                Trainer::from_weights_on_device(options, shape, &golden.init(), &on).unwrap();
            compare_steps(&golden, trainer, 10, 10.0);
        }
    }
}

/// Trains for some steps. `times` as far off as on the host will do.
fn compare_steps(golden: &Golden, mut trainer: Trainer, steps: usize, times: f64) {
    let mut batches = Batches::new(7);
    let series = |name: &str| golden.numbers.get(&format!("series.{name}"));
    for step in 0..steps {
        let before = trainer.moments().0.into_owned();
        let report = trainer.step(&batches.next(), None).unwrap();
        let (loss_tolerance, tolerance) = (times * LOSSES, times * WEIGHTS);
        let close = |name: &str, found: f64| {
            let expected = series(name).unwrap_or_else(|| panic!("{}: {name}", golden.name))[step];
            let off = (found - expected).abs() / expected.abs().max(1e-3);
            assert!(
                off <= loss_tolerance,
                "{} step {step} {name}: {found} is not {expected}",
                golden.name
            );
        };
        close("loss.overall_loss", report.overall_loss);
        for (name, loss) in &report.losses {
            close(&format!("loss.{name}"), *loss);
        }
        let n_losses = golden
            .numbers
            .keys()
            .filter(|k| k.starts_with("series.loss."))
            .count();
        assert_eq!(report.losses.len() + 1, n_losses, "{}", golden.name);
        close("l0", report.l0);
        assert_eq!(
            report.dead_features,
            series("dead").unwrap()[step] as usize,
            "{} step {step}",
            golden.name
        );
        let rate = series("lr").unwrap()[step];
        assert!(
            (report.lr - rate).abs() <= 1e-12,
            "{} step {step}: {} is not {rate}",
            golden.name,
            report.lr
        );
        let coefficient = series("coefficient.l1").or(series("coefficient.l0"));
        assert_eq!(report.coefficient.is_some(), coefficient.is_some());
        if let Some(expected) = coefficient {
            assert!((report.coefficient.unwrap() - expected[step]).abs() < 1e-12);
        }
        if [1, 10, 100].contains(&(step + 1)) {
            let compare = |kind: &str, found: &Weights| {
                compare_weights(golden, found, kind, step, tolerance);
            };
            compare("param", &trainer.weights());
            let (m, v) = trainer.moments();
            compare("m", &m);
            compare("v", &v);
            // The gradient, from two moments.
            let mut gradient = m.into_owned();
            for (now, before) in gradient.parts_mut().into_iter().zip(before.parts()) {
                now.iter_mut()
                    .zip(before)
                    .for_each(|(m, b)| *m = (*m - 0.9 * b) / 0.1);
            }
            compare("grad", &gradient);
            compare_counts(golden, &trainer, step);
            if let Some(expected) = golden.numbers.get(&format!("{}.topk_threshold", step + 1)) {
                golden.assert_close(
                    "τ",
                    &[trainer.counts().topk_threshold],
                    expected,
                    times * 1e-5,
                );
            }
        }
    }
    if steps == STEPS {
        let sparsity: Vec<f64> = trainer
            .log_sparsity()
            .iter()
            .map(|&x| f64::from(x))
            .collect();
        golden.assert_close(
            "log sparsity",
            &sparsity,
            &golden.numbers["log_sparsity"],
            1e-6,
        );
    }
    if steps == STEPS {
        compare_finished(golden, trainer);
    }
}

/// The SAE that is saved, with a factor of its inputs folded in.
fn compare_finished(golden: &Golden, mut trainer: Trainer) {
    let shape = trainer.shape();
    let norm = (D as f64).sqrt() / SCALE;
    trainer.set_scales(shape.scales(norm, norm));
    let finished = trainer.finished(&sae_core::SaeMetadata::default());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("final.safetensors");
    std::fs::write(&path, finished.to_bytes()).unwrap();
    let found = read(&path);
    let expected = golden
        .numbers
        .iter()
        .filter_map(|(name, numbers)| Some((name.strip_prefix("final.")?, numbers)));
    let mut compared = 0;
    for (name, expected) in expected {
        let found = found
            .get(name)
            .unwrap_or_else(|| panic!("{}: no {name} in what is saved", golden.name));
        golden.assert_close(&format!("final {name}"), found, expected, WEIGHTS);
        compared += 1;
    }
    assert_eq!(compared, found.len(), "{}", golden.name);
    let ours: Value = serde_json::from_str(&finished.cfg.to_json()).unwrap();
    for key in [
        "architecture",
        "normalize_activations",
        "apply_b_dec_to_input",
        "k",
        "rescale_acts_by_decoder_norm",
        "residual_threshold",
    ] {
        let number = |value: &Value| value[key].as_f64();
        match number(&golden.final_cfg) {
            Some(expected) => {
                let off = (number(&ours).unwrap() - expected).abs();
                assert!(off < 1e-9, "{} {key}", golden.name);
            }
            None => assert_eq!(ours[key], golden.final_cfg[key], "{} {key}", golden.name),
        }
    }
}

fn compare_weights(golden: &Golden, found: &Weights, kind: &str, step: usize, tolerance: f64) {
    for (name, found) in golden.named(found) {
        match golden.numbers.get(&format!("{}.{kind}.{name}", step + 1)) {
            Some(expected) => {
                let what = format!("{kind} {name} after {}", step + 1);
                golden.assert_close(&what, &found, expected, tolerance);
            }
            None => assert!(found.is_empty(), "{}: {name} is ours only", golden.name),
        }
    }
}

fn compare_counts(golden: &Golden, trainer: &Trainer, step: usize) {
    let counts = trainer.counts();
    let since: Vec<f64> = counts.since_fired.iter().map(|&n| f64::from(n)).collect();
    let fired: Vec<f64> = counts.fired.iter().map(|&n| n as f64).collect();
    for (name, found) in [("since", since), ("freq", fired)] {
        let expected = &golden.numbers[&format!("{}.{name}", step + 1)];
        golden.assert_close(name, &found, expected, 0.0);
    }
}
