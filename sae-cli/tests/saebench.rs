//! `sae eval --saebench` against SAEBench's own figures of the same rows (`tests/goldens/saebench_core.py`), to 1e-3 relative.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

mod support;

use serde_json::Value;
use std::path::Path;
use support::Scratch;

fn golden() -> Value {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/goldens/data/saebench/core.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn rows() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/goldens/data/saebench/tokens.safetensors");
    path.display().to_string()
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

#[track_caller]
fn close(name: &str, found: &Value, expected: &Value) {
    close_to(1e-3, name, found, expected);
}

#[track_caller]
fn close_to(tolerance: f64, name: &str, found: &Value, expected: &Value) {
    let (found, expected) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
    let error = (found - expected).abs();
    assert!(
        error <= tolerance * expected.abs().max(1e-3),
        "{name}: {found} is not {expected}"
    );
}

/// The only file in a folder.
fn only_file(scratch: &Scratch, folder: &str) -> Value {
    let mut files = std::fs::read_dir(scratch.path(folder)).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none(), "one file for each SAE");
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(name.ends_with("_custom_sae_eval_results.json"), "{name}");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn the_file_is_what_saebench_writes() {
    let golden = golden();
    let scratch = Scratch::new();
    let line = format!(
        "eval --sae $RUN --model $MODEL --tokens {} --batch-size 4 --saebench core --json=j.json",
        rows()
    );
    let outcome = scratch.sae(&line);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(
        outcome
            .stderr
            .contains("eval_result_unstructured.explained_variance_centered")
    );
    let found = only_file(&scratch, "core");

    assert_eq!(
        serde_json::to_value(keys(&found)).unwrap(),
        golden["keys"]["top"]
    );
    let config = &found["eval_config"];
    assert_eq!(
        serde_json::to_value(keys(config)).unwrap(),
        golden["keys"]["config"]
    );
    for key in keys(config)
        .into_iter()
        .filter(|key| !["model_name", "dataset"].contains(key))
    {
        assert_eq!(config[key], golden["eval_config"][key], "{key}");
    }
    assert_eq!(found["eval_type_id"], "core");
    for (group, expected) in golden["eval_result_metrics"].as_object().unwrap() {
        let of = &found["eval_result_metrics"][group];
        assert_eq!(
            serde_json::to_value(keys(of)).unwrap(),
            golden["keys"]["metrics"][group]
        );
        for (key, expected) in expected.as_object().unwrap() {
            // SAEBench centres these two in each batch; ours do not depend on the batches.
            let batchwise = ["explained_variance_legacy", "relative_reconstruction_bias"];
            let tolerance = if batchwise.contains(&key.as_str()) {
                3e-3
            } else {
                1e-3
            };
            close_to(tolerance, &format!("{group}.{key}"), &of[key], expected);
        }
    }
    let details = found["eval_result_details"].as_array().unwrap();
    assert_eq!(details.len(), 1024);
    for expected in golden["eval_result_details"].as_array().unwrap() {
        let feature = &details[expected["index"].as_u64().unwrap() as usize];
        assert_eq!(
            serde_json::to_value(keys(feature)).unwrap(),
            golden["keys"]["detail"]
        );
        for (key, expected) in expected.as_object().unwrap() {
            close(key, &feature[key], expected);
        }
    }

    // The figure by its definition is beside SAEBench's, and it is the one of `sae eval`.
    let json: Value =
        serde_json::from_str(&std::fs::read_to_string(scratch.path("j.json")).unwrap()).unwrap();
    let quality = &json["metrics"]["reconstruction_quality"];
    close(
        "explained_variance_centered",
        &found["eval_result_unstructured"]["explained_variance_centered"],
        &quality["explained_variance"],
    );
    close(
        "mse",
        &found["eval_result_unstructured"]["squared_error_per_token"],
        &quality["mse"],
    );
}
