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
    let found = devices.as_array().unwrap();
    let gpu = found
        .iter()
        .find(|device| device["kind"] == "cuda")
        .unwrap();
    assert_eq!(gpu["name"], "NVIDIA H100 80GB HBM3 (a test double)");
    assert_eq!(gpu["memory_bytes"], 85_520_809_984_u64);
}

/// What a run of so many batches took, and what it was planned to take.
fn peak_beside_plan(report: &Value, seen: &Seen) -> f64 {
    let planned = report["eval_cfg"]["plan"]["total_bytes"].as_u64().unwrap();
    planned as f64 / seen.number("peak_bytes") as f64
}

#[test]
fn an_evaluation_takes_what_is_planned_and_reads_once_a_batch() {
    for (d_sae, besides) in [(16_384, 6 * GB), (131_072, 11 * GB)] {
        let (report, two) = eval(&LLAMA_3_8B, "standard", d_sae, &json!({}), 64);
        let beside = peak_beside_plan(&report, &two);
        assert!(
            (1.0..1.25).contains(&beside),
            "planned {beside} of what was used, {:?}",
            two.0
        );
        let most = LLAMA_3_8B.bytes() + besides;
        assert!(two.number("peak_bytes") <= most, "{:?}", two.0);
        if d_sae == 16_384 {
            let (_, four) = eval(&LLAMA_3_8B, "standard", d_sae, &json!({}), 128);
            let each = |path| (four.number(path) - two.number(path)) / 2;
            assert_eq!(each("to_host.count"), 1);
            assert!(each("launches") < 4000, "{}", each("launches"));
        }
    }
}

#[test]
fn other_architectures_launch_what_the_device_can_do() {
    for (architecture, more) in [("jumprelu", json!({})), ("topk", json!({"k": 32}))] {
        eval(&SMOLLM2_135M, architecture, 4_608, &more, 32);
    }
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
    assert!(outcome.stderr.starts_with("error: "), "{outcome:?}");
    assert!(
        seen.0.is_null() || seen.number("to_device.bytes") < GB,
        "{seen:?}"
    );
}
