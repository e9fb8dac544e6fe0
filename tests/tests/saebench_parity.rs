//! The crate sae-bench against SAEBench's own functions (`goldens/saebench_probes.py`), with torch's draws repeated: accuracies and figures made of them
//! exactly, up to 1e-6; weights to 1e-3.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

use sae_bench::{
    Chance, Class, Decoder, LinearProbe, Perturbation, ScrData, SparseProbing, Texts, scr,
    scr_probes, sparse_probing, tpp, tpp_probes,
};
use serde_json::Value;
use std::collections::VecDeque;
use std::path::Path;

fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/data/saebench/probes.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn floats(value: &Value) -> Vec<f32> {
    serde_json::from_value(value.clone()).unwrap()
}

fn numbers(value: &Value) -> Vec<usize> {
    serde_json::from_value(value.clone()).unwrap()
}

/// torch's draws, one after the other.
struct Recorded {
    draws: VecDeque<Value>,
    bias: Option<Vec<f32>>,
}

impl Recorded {
    fn new(draws: &Value) -> Self {
        Self {
            draws: draws.as_array().unwrap().iter().cloned().collect(),
            bias: None,
        }
    }
}

impl Chance for Recorded {
    fn permutation(&mut self, n: usize) -> Vec<usize> {
        // What torch does not draw because it changes nothing but an order is not drawn here either.
        let Some(drawn) = self.draws.pop_front() else {
            return (0..n).collect();
        };
        assert_eq!(drawn[0], "p", "a permutation of {n} is not next");
        let drawn = numbers(&drawn[1]);
        assert_eq!(drawn.len(), n);
        drawn
    }

    fn uniform(&mut self, n: usize, bound: f32) -> Vec<f32> {
        if let Some(bias) = self.bias.take() {
            assert_eq!(n, 1);
            return bias;
        }
        let drawn = self.draws.pop_front().unwrap();
        assert_eq!(drawn[0], "u");
        self.bias = Some(floats(&drawn[2]));
        let weights = floats(&drawn[1]);
        assert_eq!(weights.len(), n);
        assert!(weights.iter().all(|w| w.abs() <= bound));
        weights
    }
}

fn texts(golden: &Value, group: &str, split: &str, name: &str) -> Texts {
    let width = |key: &str| golden[key].as_u64().unwrap() as usize;
    let mut texts = Texts::new(width("d_model"), width("d_sae"));
    let of = &golden[group][split][name];
    let rows = of["activations"].as_array().unwrap().iter();
    let left_out = floats(&of["left_out"]);
    for (at, row) in rows.enumerate() {
        let features: Vec<(u32, f32)> = serde_json::from_value(of["features"][at].clone()).unwrap();
        texts.push(&floats(row), features, left_out[at]).unwrap();
    }
    texts
}

fn class(golden: &Value, group: &str, name: &str) -> Class {
    let of = |split| texts(golden, group, split, name);
    Class::new(name, of("train"), of("test"))
}

fn decoder(golden: &Value, probes: &[LinearProbe]) -> Decoder {
    let w_dec: Vec<Vec<f32>> = serde_json::from_value(golden["w_dec"].clone()).unwrap();
    let product = |row: &Vec<f32>, w: &[f32]| row.iter().zip(w).map(|(a, b)| a * b).sum();
    let products = probes.iter().map(|probe| {
        w_dec
            .iter()
            .map(|row| product(row, &probe.weights))
            .collect()
    });
    Decoder::new(products.collect(), floats(&golden["at_zero"])).unwrap()
}

fn options(golden: &Value) -> Perturbation {
    let mut options = Perturbation::default();
    options.ns = numbers(&golden["ns"]);
    options.training.lr = golden["lr"].as_f64().unwrap() as f32;
    options
}

#[track_caller]
fn close(what: &str, found: f64, expected: &Value, tolerance: f64) {
    let expected = expected.as_f64().unwrap();
    assert!(
        (found - expected).abs() <= tolerance,
        "{what}: {found} is not {expected}"
    );
}

#[test]
fn sparse_probing_agrees() {
    let golden = golden();
    let of = &golden["sparse_probing"];
    let classes = ["a", "b", "c"].map(|name| class(&golden, "classes", name));
    let chance = &mut Recorded::new(&of["draws"]);
    let found = sparse_probing(&classes, &SparseProbing::default(), chance).unwrap();
    assert!(chance.draws.is_empty(), "torch drew more");
    for probes in &found {
        let name = probes.class.as_str();
        let check = |key: &str, found: f64| {
            close(
                &format!("{key} {name}"),
                found,
                &of["results"][key][name],
                1e-6,
            );
        };
        check("llm_test_accuracy", probes.llm_test_accuracy.unwrap());
        check("sae_test_accuracy", probes.sae_test_accuracy.unwrap());
        for (llm, sae) in probes.llm_top.iter().zip(&probes.sae_top) {
            check(&format!("llm_top_{}", llm.k), llm.test_accuracy);
            check(&format!("sae_top_{}", sae.k), sae.test_accuracy);
            assert!(sae.converged && llm.converged);
        }
    }
    // sklearn stops when its gradient is 1e-4; its columns are in the order of the features.
    for probe in &found[0].sae_top {
        let fitted = &of["fitted"][probe.k.to_string()];
        close("intercept", probe.intercept, &fitted["intercept"][0], 1e-2);
        let mut order: Vec<usize> = (0..probe.k).collect();
        order.sort_by_key(|&at| probe.columns[at]);
        for (at, place) in order.into_iter().enumerate() {
            close("weight", probe.weights[place], &fitted["weights"][at], 1e-2);
        }
    }
}

#[test]
fn targeted_probe_perturbation_agrees() {
    let golden = golden();
    let of = &golden["tpp"];
    let classes = ["a", "b", "c"].map(|name| class(&golden, "classes", name));
    let chance = &mut Recorded::new(&of["draws"]);
    let options = options(&golden);
    let probes = tpp_probes(&classes, &options, chance).unwrap();
    for (probe, class) in probes.iter().zip(&classes) {
        let expected = of["probes"][&class.name].as_array().unwrap();
        for (found, expected) in probe.weights.iter().zip(expected) {
            close("weight", f64::from(*found), expected, 1e-3);
        }
    }
    let found = tpp(
        &classes,
        &probes,
        &decoder(&golden, &probes),
        &options,
        chance,
    )
    .unwrap();
    assert!(chance.draws.is_empty(), "torch drew more");
    for (clean, class) in found.clean.iter().zip(&classes) {
        close("clean", *clean, &of["clean"][&class.name], 1e-6);
    }
    let check = |figures: &sae_bench::TppFigures, expected: &Value| {
        for (key, found) in [
            ("total_metric", figures.total_metric),
            ("intended_diff_only", figures.intended_diff_only),
            ("unintended_diff_only", figures.unintended_diff_only),
        ] {
            let key = format!("tpp_threshold_{}_{key}", figures.n);
            close(&key, found, &expected[&key], 1e-6);
        }
    };
    for figures in &found.overall {
        check(figures, &of["overall"]);
    }
    for (name, figures) in &found.classes {
        for figures in figures {
            check(figures, &of["classes"][name]);
        }
    }
}

#[test]
fn spurious_correlation_removal_agrees() {
    let golden = golden();
    let of = &golden["scr"];
    let pair = |a, b| [class(&golden, "paired", a), class(&golden, "paired", b)];
    let data = ScrData::new(
        pair("professor / nurse", "nurse_data_only"),
        pair("male / female", "female_data_only"),
        pair("male_professor / female_nurse", "female_nurse_data_only"),
    );
    let chance = &mut Recorded::new(&of["draws"]);
    let options = options(&golden);
    let probes = scr_probes(&data, &options, chance).unwrap();
    assert!(chance.draws.is_empty(), "torch drew more");
    let found = scr(&data, &probes, &decoder(&golden, &probes), &options, chance).unwrap();
    let names = ["professor / nurse", "male / female"];
    for (side, name) in names.into_iter().enumerate() {
        close("clean", found.clean[side], &of["clean"][name], 1e-6);
        let biased = format!("male_professor / female_nurse probe on {name} data");
        close("biased", found.biased[side], &of["clean"][biased], 1e-6);
    }
    let mut told_apart = 0;
    for figures in &found.figures {
        let n = figures.n;
        let results = &of["results"];
        close(
            "dir1",
            figures.dir1,
            &results[format!("scr_dir1_threshold_{n}")],
            1e-5,
        );
        close(
            "dir2",
            figures.dir2,
            &results[format!("scr_dir2_threshold_{n}")],
            1e-5,
        );
        let metric = &results[format!("scr_metric_threshold_{n}")];
        match figures.metric {
            Some(found) => close("metric", found, metric, 1e-5),
            None => assert!(metric.is_null()),
        }
        told_apart += usize::from(figures.dir1 != 0.0 || figures.dir2 != 0.0);
    }
    assert!(told_apart > 0, "the golden says nothing");
}
