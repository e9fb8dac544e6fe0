//! SAEs in other people's files, as the tools they come from run them (`goldens/formats.py`): features and outputs agree to 1e-5 of the
//! largest number.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use sae_core::{Format, RunDir, Sae, SaeLoadOptions};
use safetensors::SafeTensors;
use serde_json::Value;
use std::path::{Path, PathBuf};

const TOLERANCE: f32 = 1e-5;

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("goldens/data/formats")
        .join(path)
}

fn cases() -> Vec<Value> {
    let text = std::fs::read_to_string(data("cases.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() >= 31, "only {}", cases.len());
    cases
}

fn text<'a>(case: &'a Value, key: &str) -> Option<&'a str> {
    case.get(key).and_then(Value::as_str)
}

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.cast(FloatDType::F32).into_data().try_into_vec().unwrap()
}

fn close(what: &str, ours: &[f32], theirs: &[f32]) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
    assert!(scale > 0.0, "{what}: nothing but zeros proves nothing");
    let worst = ours
        .iter()
        .zip(theirs)
        .fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
    assert!(
        worst <= TOLERANCE * scale,
        "{what}: differs by {worst} where the largest is {scale}"
    );
}

struct Expected {
    x: Tensor<3>,
    features: Vec<f32>,
    out: Vec<f32>,
}

fn expected(name: &str) -> Expected {
    let bytes = std::fs::read(data(&format!("expected/{name}.safetensors"))).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let read = |key: &str| {
        let view = file.tensor(key).unwrap();
        let words = view
            .data()
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b));
        (words.collect::<Vec<f32>>(), view.shape().to_vec())
    };
    let (x, shape) = read("x");
    Expected {
        x: Tensor::from_data(TensorData::new(x, shape), &Device::flex()),
        features: read("features").0,
        out: read("out").0,
    }
}

/// Encodes densely and as sparse rows, and passes forward.
fn check(name: &str, sae: &Sae) {
    let Expected { x, features, out } = expected(name);
    close(
        &format!("{name}: out"),
        &numbers(sae.forward(x.clone())),
        &out,
    );
    let sparse = sae.encode_sparse(x.clone()).features.to_dense();
    close(&format!("{name}: sparse features"), &sparse, &features);
    close(
        &format!("{name}: features"),
        &numbers(sae.encode(x).features),
        &features,
    );
}

#[test]
fn every_format_is_told_by_its_files_and_gives_its_tools_numbers() {
    for case in cases() {
        let name = text(&case, "name").unwrap();
        let run = RunDir::open(data(text(&case, "path").unwrap()))
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(Some(run.format().name()), text(&case, "format"), "{name}");
        let cfg = &run.cfg;
        assert_eq!(
            Some(cfg.architecture.name()),
            text(&case, "architecture"),
            "{name}"
        );
        assert_eq!(
            cfg.metadata.hook_name.as_deref(),
            text(&case, "hook"),
            "{name}"
        );
        assert_eq!(
            cfg.metadata.hook_name_out.as_deref(),
            text(&case, "hook_out"),
            "{name}"
        );
        assert_eq!(
            cfg.metadata.model_name.as_deref(),
            text(&case, "model"),
            "{name}"
        );
        assert!(run.n_params().unwrap() >= 2 * 8 * 24, "{name}");
        let sae = Sae::load_weights(
            run.cfg.clone(),
            &run.weights,
            &SaeLoadOptions::new(&Device::flex()),
        );
        check(name, &sae.unwrap_or_else(|e| panic!("{name}: {e}")));
    }
}

#[test]
fn what_is_loaded_is_saved_as_saelens_would_and_loads_again() {
    for case in cases() {
        let name = text(&case, "name").unwrap();
        let path = data(text(&case, "path").unwrap());
        let sae = Sae::load(path, &SaeLoadOptions::new(&Device::flex())).unwrap();
        assert_eq!(sae.cfg().foreign, None, "{name}");
        let dir = tempfile::tempdir().unwrap();
        sae.save(dir.path()).unwrap();
        let run = RunDir::open(dir.path()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(run.format(), Format::SaeLens, "{name}");
        assert_eq!(
            run.cfg
                .metadata
                .extra
                .get("source_format")
                .and_then(Value::as_str),
            text(&case, "format"),
            "{name}"
        );
        let again = Sae::load(dir.path(), &SaeLoadOptions::new(&Device::flex())).unwrap();
        check(name, &again);
    }
}

#[test]
fn what_is_folded_is_said() {
    let folded = |path: &str| {
        RunDir::open(data(path))
            .unwrap()
            .cfg
            .foreign
            .unwrap()
            .folded
    };
    let said = folded("llama_scope/residual").join("\n");
    // √8 / 9.6, in and out.
    assert!(said.contains("0.294628 in and 0.294628 out"), "{said}");
    assert!(said.contains("norms of decoder rows"), "{said}");
    assert!(folded("sparsify/topk/layers.15").is_empty());
    assert!(folded("sparsify/skip_sae/layers.1")[0].starts_with("b_dec"));
}
