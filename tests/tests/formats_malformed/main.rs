//! Files that are damaged, hostile or of another kind: each gets a message that says which file and what is wrong, and nothing panics.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers
#![allow(clippy::too_many_lines)] // tables of cases

mod archives;
mod libraries;
mod open_moss;
mod pickles;
mod support;

use burn::tensor::Device;
use sae_core::{RunDir, RunOptions, Sae, SaeLoadOptions};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use support::{golden, rewrite, set, state};

type Make = Box<dyn Fn(&Path) -> PathBuf>;
/// What it is, how it is made, what the message says.
type Case = (&'static str, Make, &'static str);

/// Opens and loads; the message of the first error.
fn message(path: &Path, options: &RunOptions) -> Result<(), String> {
    let run = RunDir::open_as(path, options).map_err(|e| e.to_string())?;
    run.n_params().map_err(|e| e.to_string())?;
    let loaded = Sae::load_weights(run.cfg, &run.weights, &SaeLoadOptions::new(&Device::flex()));
    loaded.map(|_| ()).map_err(|e| e.to_string())
}

fn check(cases: Vec<Case>) {
    for (name, make, said) in cases {
        let dir = tempfile::tempdir().unwrap();
        let path = make(dir.path());
        let message = message(&path, &RunOptions::default()).expect_err(name);
        assert!(
            message.contains(said),
            "{name}: {message:?} does not say {said:?}"
        );
        let place = dir.path().display().to_string();
        assert!(
            message.contains(&place),
            "{name}: {message:?} does not name a file"
        );
        assert!(message.chars().count() < 800, "{name}: {message:?} is long");
    }
}

fn keyed(case: &'static str, file: &'static str, key: &'static str, value: Value) -> Make {
    Box::new(move |dir| {
        let folder = golden(dir, case);
        set(&folder.join(file), key, value.clone());
        folder
    })
}

fn tensors(case: &'static str, file: &'static str, change: fn(&mut Vec<support::Tensor>)) -> Make {
    Box::new(move |dir| {
        let folder = golden(dir, case);
        rewrite(&folder.join(file), change);
        folder
    })
}

fn bytes(name: &'static str, bytes: impl Fn() -> Vec<u8> + 'static) -> Make {
    Box::new(move |dir| {
        let file = dir.join(name);
        fs::write(&file, bytes()).unwrap();
        file
    })
}

#[test]
fn what_is_asked_for_and_is_not_there() {
    let ask = |format: &str| {
        let mut options = RunOptions::default();
        options.format = Some(format.parse().unwrap());
        options
    };
    let dir = tempfile::tempdir().unwrap();
    let folder = golden(dir.path(), "sparsify/topk/layers.15");
    let said = message(&folder, &ask("llama_scope")).unwrap_err();
    assert!(said.ends_with("holds no SAE of the format llama_scope; expected hyperparams.json and checkpoints/final.safetensors"), "{said}");
    let said = message(&folder, &ask("saelens")).unwrap_err();
    assert!(said.contains("cfg.json"), "{said}");
    message(&folder, &ask("sparsify")).unwrap();
    let mut options = RunOptions::default();
    options.activation = Some("topk:2".parse().unwrap());
    let file = dir.path().join("sae_weights.pt");
    fs::write(
        &file,
        state(&[
            ("W_enc", &[2, 3]),
            ("W_dec", &[3, 2]),
            ("b_enc", &[3]),
            ("b_dec", &[2]),
        ]),
    )
    .unwrap();
    message(&file, &options).unwrap();
    options.activation = Some("topk:9".parse().unwrap());
    let said = message(&file, &options).unwrap_err();
    assert!(
        said.contains("asks for more features than the 3 that it has"),
        "{said}"
    );
}

/// Every byte of a small archive is changed in turn, and every prefix is taken: errors are fine, panics and endless reads are not.
#[test]
fn no_change_of_a_byte_panics() {
    let good = state(&[
        ("W_enc", &[2, 3]),
        ("W_dec", &[3, 2]),
        ("b_enc", &[3]),
        ("b_dec", &[2]),
    ]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("w.pt");
    let mut options = RunOptions::default();
    options.activation = Some("relu".parse().unwrap());
    fs::write(&file, &good).unwrap();
    message(&file, &options).unwrap();
    let mut refused = 0;
    for at in 0..good.len() {
        for value in [0xff, good[at].wrapping_add(1)] {
            let mut bytes = good.clone();
            bytes[at] = value;
            fs::write(&file, &bytes).unwrap();
            refused += usize::from(message(&file, &options).is_err());
        }
        if at % 5 == good.len() % 5 || at + 25 > good.len() {
            fs::write(&file, &good[..at]).unwrap();
            message(&file, &options).expect_err("a prefix is not a whole file");
        }
    }
    assert!(refused > good.len() / 2, "only {refused}");
}
