//! Generation against transformers (`goldens/generate.py`): the likeliest ids exactly, processed logits to 1e-5 of the largest.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

use burn::tensor::{Device, FloatDType};
use llama_hooked::generate::{DrawOptions, GenerateOptions, Sampling};
use llama_hooked::{Llama, LlamaLoadOptions, ModelSource, NoHooks, Unobserved};
use serde_json::Value;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn golden(name: &str) -> Vec<Value> {
    let path = folder().join("goldens/data/generate").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn the_likeliest_ids_are_those_of_transformers() {
    let mut compared = 0;
    for golden in golden("greedy.json") {
        let name = golden["model"].as_str().unwrap();
        let dir = match name {
            "demo" => folder().join("../demo/model"),
            name => folder().join("goldens/data/llama").join(name),
        };
        let files = ModelSource::Dir(dir).resolve().unwrap();
        let model = Llama::load(
            &files,
            &LlamaLoadOptions::new(&Device::flex(), FloatDType::F32),
        )
        .unwrap();
        for case in golden["cases"].as_array().unwrap() {
            let prompts: Vec<Vec<u32>> = case["prompts"]
                .as_array()
                .unwrap()
                .iter()
                .map(ids)
                .collect();
            let expected: Vec<Vec<u32>> = case["new"].as_array().unwrap().iter().map(ids).collect();
            let mut options = GenerateOptions::new(expected.iter().map(Vec::len).max().unwrap());
            options.repetition_penalty = case["repetition_penalty"].as_f64().unwrap() as f32;
            let found = model
                .generate(&prompts, &options, &mut NoHooks, &mut Unobserved)
                .unwrap();
            for (row, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert_eq!(
                    found.tokens[..expected.len()],
                    expected[..],
                    "{name}, row {row}"
                );
                compared += expected.len();
            }
        }
    }
    assert!(
        compared > 2000,
        "only {compared} ids were far enough from a tie"
    );
}

#[test]
fn processed_logits_are_those_of_transformers() {
    for case in golden("processed.json") {
        let number = |key: &str| case["settings"][key].as_f64().map(|x| x as f32);
        let mut draw = DrawOptions::default();
        draw.temperature = number("temperature").unwrap_or(1.0);
        draw.top_k = number("top_k").map_or(0, |k| k as usize);
        draw.top_p = number("top_p").unwrap_or(1.0);
        draw.min_p = number("min_p").unwrap_or(0.0);
        let mut options = GenerateOptions::new(1);
        options.sampling = Sampling::Draw(draw);
        options.repetition_penalty = number("repetition_penalty").unwrap_or(1.0);
        let logits: Vec<f32> = serde_json::from_value(case["logits"].clone()).unwrap();
        let expected: Vec<Option<f32>> = serde_json::from_value(case["processed"].clone()).unwrap();
        let mut found = vec![None; logits.len()];
        for (id, logit) in options.candidates(&logits, &ids(&case["seen"])) {
            found[id as usize] = Some(logit);
        }
        let largest = expected
            .iter()
            .flatten()
            .fold(0.0_f32, |most, x| most.max(x.abs()));
        for (id, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let close = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-5 * largest,
                (None, None) => true,
                _ => false,
            };
            assert!(
                close,
                "{} at {id}: {found:?}, not {expected:?}",
                case["settings"]
            );
        }
    }
}
