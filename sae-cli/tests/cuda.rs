//! The CUDA build on a double of the driver, which computes nothing: that every kernel compiles and every launch is legal, how much memory a
//! run takes beside its plan, and how often the host waits for the device. Run by `.ci/cuda`.
#![cfg(feature = "cuda")]

mod support;

use serde_json::{Value, json};
use support::Scratch;
use support::cuda::{Seen, on_double, on_double_with};
use support::shape::{LLAMA_3_8B, SMOLLM2_135M, Shape};

const GB: u64 = 1_000_000_000;

/// `sae eval` of an SAE for the shape on so many rows of 256 tokens, 32 a batch.
fn eval(
    shape: &Shape,
    architecture: &str,
    d_sae: usize,
    more: &Value,
    rows: usize,
) -> (Value, Seen) {
    let scratch = Scratch::new();
    shape.write_model(&scratch);
    shape.write_sae(&scratch, architecture, d_sae, more);
    shape.write_tokens(&scratch, rows, 256);
    let line = "eval --sae run --model model --tokens tokens.safetensors --keep-all-tokens --batch-size 32 --device cuda --json";
    let (outcome, seen) = on_double(&scratch, line);
    (outcome.json(), seen)
}

#[test]
fn devices_are_listed() {
    let scratch = Scratch::new();
    let (outcome, _) = on_double(&scratch, "devices --json");
    let devices = outcome.json();
    let found = devices["devices"].as_array().unwrap();
    let gpu = found
        .iter()
        .find(|device| device["kind"] == "cuda")
        .unwrap();
    assert_eq!(gpu["name"], "NVIDIA H100 80GB HBM3 (a test double)");
    assert_eq!(gpu["memory_bytes"], 85_520_809_984_u64);
}

#[test]
fn eight_billion_weights() {
    let (report, seen) = eval(&LLAMA_3_8B, "standard", 16_384, &json!({}), 64);
    println!("{} {}", seen.0, report["plan"]);
    let peak = seen.number("peak_bytes");
    assert!(peak <= LLAMA_3_8B.bytes() + 2 * GB, "{peak}");
}

#[test]
fn smollm2() {
    let (report, seen) = eval(&SMOLLM2_135M, "standard", 4_608, &json!({}), 64);
    println!("{} {}", seen.0, report["plan"]);
}

#[test]
fn memory_that_is_not_there_is_refused_before_anything_is_loaded() {
    let scratch = Scratch::new();
    LLAMA_3_8B.write_model(&scratch);
    LLAMA_3_8B.write_sae(&scratch, "standard", 16_384, &json!({}));
    LLAMA_3_8B.write_tokens(&scratch, 4, 256);
    let line =
        "eval --sae run --model model --tokens tokens.safetensors --batch-size 32 --device cuda";
    let (outcome, seen) = on_double_with(&scratch, line, &[("CUDA_DOUBLE_MEMORY", "3000000000")]);
    assert_ne!(outcome.code, 0);
    println!("{outcome:?} {seen:?}");
}
