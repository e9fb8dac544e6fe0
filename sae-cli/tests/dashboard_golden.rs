//! `sae dashboard --format neuronpedia` beside what SAEDashboard makes of the same model, SAE and rows (tests/goldens/dashboards.py).
//!
//! Where definitions differ, docs/formats.md says how, and so does this.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use serde_json::Value;
use support::tensors::{Numbers, write};
use support::{Scratch, demo, keys, read_json};

const TOLERANCE: f64 = 1e-3;
/// Values are rounded to three decimals, either way.
const ROUNDED: f64 = TOLERANCE + 1e-9;
/// Shares are rounded to five.
const SHARE: f64 = 1.1e-5;

fn golden(name: &str) -> Value {
    read_json(&demo("../tests/goldens/data/dashboards").join(name))
}

/// The golden and ours.
fn both() -> (Value, Value) {
    let scratch = Scratch::new();
    let rows: Vec<Vec<f64>> = serde_json::from_value(golden("rows.json")).unwrap();
    let shape = [rows.len(), rows[0].len()];
    let ids = Numbers {
        shape: shape.to_vec(),
        values: rows.concat(),
        ..Numbers::zeros(&[])
    };
    let ids = ids.of(safetensors::Dtype::U32);
    write(&scratch.path("rows.safetensors"), [("tokens", ids)]);
    let expected = golden("batch-0.json");
    let features = expected["features"].as_array().unwrap().iter();
    let features: Vec<String> = features.map(|f| f["feature_index"].to_string()).collect();
    let line = "dashboard --sae $RUN --model $MODEL --tokens rows.safetensors --before 48 --after 48 --format neuronpedia";
    scratch.ok(&format!(
        "{line} --features {} --neuronpedia-id demo/2-demo --out out",
        features.join(",")
    ));
    (expected, read_json(&scratch.path("out/batch-0.json")))
}

fn features<'a>(expected: &'a Value, found: &'a Value) -> Vec<(&'a Value, &'a Value)> {
    let list = |batch: &'a Value| batch["features"].as_array().unwrap();
    assert_eq!(list(expected).len(), 7);
    assert_eq!(list(found).len(), 7);
    list(expected).iter().zip(list(found)).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

#[track_caller]
fn close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let off = (found - expected).abs();
        assert!(off <= tolerance, "{what}: {found} and not {expected}");
    }
}

#[test]
fn every_field_is_there_in_its_order_and_of_its_type() {
    let (expected, found) = both();
    assert_eq!(keys(&found), keys(&expected));
    for key in ["model_id", "layer", "sae_set", "sae_id_suffix"] {
        assert_eq!(found[key], expected[key], "{key}");
    }
    let same_kind = |found: &Value, expected: &Value, key: &str| {
        let kind = std::mem::discriminant;
        assert_eq!(kind(found), kind(expected), "{key}");
        if let (Some(found), Some(expected)) = (found.as_array(), expected.as_array()) {
            for (found, expected) in found.iter().zip(expected) {
                assert_eq!(kind(found), kind(expected), "{key}");
                assert_eq!(found.is_u64(), expected.is_u64(), "{key}");
            }
        }
    };
    for (expected, found) in features(&expected, &found) {
        assert_eq!(keys(found), keys(expected));
        for (key, expected) in expected.as_object().unwrap() {
            same_kind(&found[key], expected, key);
        }
        let (expected, found) = (&expected["activations"][0], &found["activations"][0]);
        assert_eq!(keys(found), keys(expected));
        for (key, expected) in expected.as_object().unwrap() {
            same_kind(&found[key], expected, key);
        }
    }
}

#[test]
fn figures_and_logits_agree() {
    let (expected, found) = both();
    for (expected, found) in features(&expected, &found) {
        for key in [
            "feature_index",
            "n_prompts_total",
            "n_tokens_in_prompt",
            "neuron_alignment_indices",
        ] {
            assert_eq!(found[key], expected[key], "{key}");
        }
        for key in [
            "neuron_alignment_values",
            "neuron_alignment_l1",
            "pos_values",
            "neg_values",
            "freq_hist_data_bar_values",
            "logits_hist_data_bar_values",
        ] {
            close(
                &numbers(&found[key]),
                &numbers(&expected[key]),
                ROUNDED,
                key,
            );
        }
        let share = |of: &Value| [of["frac_nonzero"].as_f64().unwrap()];
        close(&share(found), &share(expected), SHARE, "frac_nonzero");
        // A value that lies on an edge may be in either bin.
        for key in ["freq_hist_data_bar_heights", "logits_hist_data_bar_heights"] {
            let cumulated = |of: &Value| {
                let sums = numbers(&of[key]).into_iter().scan(0.0, |sum, n| {
                    *sum += n;
                    Some(*sum)
                });
                sums.collect::<Vec<_>>()
            };
            let (found, expected) = (cumulated(found), cumulated(expected));
            assert_eq!(found.last(), expected.last(), "{key}");
            close(&found, &expected, 1.0, key);
        }
        // SAEDashboard spells bytes that are no text of their own as the vocabulary's file does.
        for key in ["pos_str", "neg_str"] {
            let texts = |of: &Value| of[key].as_array().unwrap().clone();
            for (found, expected) in texts(found).iter().zip(texts(expected)) {
                let spelt = expected.as_str().unwrap();
                let is_plain = spelt.trim_start().bytes().all(|b| b.is_ascii_graphic());
                assert!(
                    found == spelt || !is_plain,
                    "{key}: {found} and not {spelt}"
                );
            }
        }
    }
}

/// Tokens, activations and place of an example; ours without BOS, which SAEDashboard cuts off.
fn shown(activation: &Value, skip: usize) -> (Vec<Value>, Vec<f64>, usize) {
    let place = activation["qualifying_token_index"].as_u64().unwrap() as usize;
    (
        activation["tokens"].as_array().unwrap()[skip..].to_vec(),
        numbers(&activation["values"])[skip..].to_vec(),
        place - skip,
    )
}

#[test]
fn the_top_examples_are_the_same() {
    let (expected, found) = both();
    let mut compared = 0;
    for (expected, found) in features(&expected, &found) {
        let top = |of: &Value, skip| {
            let all = of["activations"].as_array().unwrap().iter();
            let top = all.filter(|activation| activation["bin_min"] == -1.0);
            top.map(|activation| shown(activation, skip))
                .collect::<Vec<_>>()
        };
        let (mut expected, mut found) = (top(expected, 0), top(found, 1));
        assert_eq!((found.len(), expected.len()), (20, 20));
        // SAEDashboard shows a context as often as it has one of the largest activations, and so fewer contexts.
        let mut seen: Vec<Vec<Value>> = Vec::new();
        expected.retain(|(tokens, ..)| {
            let is_new = !seen.contains(tokens);
            seen.push(tokens.clone());
            is_new
        });
        assert!(expected.len() >= 15);
        found.truncate(expected.len());
        let value = |of: &(Vec<Value>, Vec<f64>, usize)| of.1[of.2];
        close(
            &found.iter().map(value).collect::<Vec<_>>(),
            &expected.iter().map(value).collect::<Vec<_>>(),
            ROUNDED,
            "activations of the top group",
        );
        for (place, one) in expected.iter().enumerate() {
            // Where activations are equal, which comes first is not defined, nor which of the last ones is in.
            let rivals = expected.iter().enumerate().filter(|(other, rival)| {
                *other != place && (value(rival) - value(one)).abs() < 3.0 * TOLERANCE
            });
            if rivals.count() > 0 || place + 1 == expected.len() {
                continue;
            }
            assert_eq!(found[place].0, one.0, "tokens");
            assert_eq!(found[place].2, one.2);
            close(&found[place].1, &one.1, ROUNDED, "values");
            compared += 1;
        }
    }
    assert!(compared > 70, "{compared} of 124 stand alone");
}

#[test]
fn intervals_agree() {
    let (expected, found) = both();
    let mut compared = 0;
    for (expected, found) in features(&expected, &found) {
        let bins = |of: &Value| {
            let all = of["activations"].as_array().unwrap().iter();
            let bin = |a: &Value| {
                ["bin_min", "bin_max", "bin_contains"].map(|key| a[key].as_f64().unwrap())
            };
            let mut bins: Vec<[f64; 3]> = all.map(bin).filter(|bin| bin[0] >= 0.0).collect();
            bins.dedup();
            bins
        };
        let theirs = bins(expected);
        let fires = expected["frac_nonzero"].as_f64().unwrap();
        let above: f64 = theirs
            .iter()
            .filter(|bin| bin[0] > 0.0)
            .map(|bin| bin[2])
            .sum();
        for bin in bins(found) {
            let near = |other: &&[f64; 3]| (other[0] - bin[0]).abs() < 0.002;
            let other = theirs.iter().find(near).unwrap();
            close(&bin[1..2], &other[1..2], ROUNDED, "bin_max");
            if bin[0] > 0.0 {
                close(&bin[2..], &other[2..], SHARE, "bin_contains");
            } else {
                // SAEDashboard counts the tokens on which the feature does not fire into the lowest interval.
                close(
                    &bin[2..],
                    &[fires - above],
                    6.0 * SHARE,
                    "the lowest bin_contains",
                );
                assert!(other[2] > 0.5);
            }
            compared += 1;
        }
        for activation in found["activations"].as_array().unwrap() {
            let (_, values, place) = shown(activation, 1);
            let bound = |key: &str| activation[key].as_f64().unwrap();
            assert!(values[place] >= bound("bin_min") && values[place] <= bound("bin_max"));
        }
    }
    assert!(compared >= 7, "{compared}");
}
