//! A checkpoint of training is used like the SAE that it would become.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod served;
mod support;

use serde_json::{Value, json};
use served::server::Server;
use served::server::hub::Repository;
use served::{COMMIT, sha256};
use support::tensors::{read, write};
use support::{Scratch, demo, read_json};

const FACTOR: f64 = 4.0;
const SAE: &str = "run/checkpoints/4096/sae";

/// The demo's SAE as it was in training, with inputs four times as large: a power of 2, so that nothing is rounded.
fn checkpoint(scratch: &Scratch) {
    let mut cfg = read_json(&demo("run/final_sae/cfg.json"));
    cfg["decoder_init_norm"] = json!(0.1);
    cfg["l1_coefficient"] = json!(1.0);
    cfg["normalize_activations"] = json!("expected_average_only_in");
    scratch.write(&format!("{SAE}/cfg.json"), cfg.to_string());
    let mut weights = read(&demo("run/final_sae/sae_weights.safetensors"));
    for (name, factor) in [
        ("W_enc", 1.0 / FACTOR),
        ("W_dec", FACTOR),
        ("b_dec", FACTOR),
    ] {
        let numbers = weights.get_mut(name).unwrap();
        numbers.values.iter_mut().for_each(|x| *x *= factor);
    }
    let path = scratch.path(&format!("{SAE}/sae_weights.safetensors"));
    let weights = weights.iter();
    write(
        &path,
        weights.map(|(name, numbers)| (name.as_str(), numbers.clone())),
    );
    let sparsity = format!("{SAE}/sparsity.safetensors");
    std::fs::copy(demo("run/sparsity.safetensors"), scratch.path(&sparsity)).unwrap();
    let scaler = json!({"scaling_factor": FACTOR, "has_whitening": false});
    scratch.write(&format!("{SAE}/activation_scaler.json"), scaler.to_string());
}

/// A report without what depends on the place, the time and the hand that wrote the file.
fn comparable(mut report: Value) -> Value {
    for key in ["sae_cfg", "eval_cfg", "timings", "path"] {
        if let Some(object) = report.as_object_mut() {
            object.remove(key);
        }
    }
    report
}

#[test]
fn its_figures_are_those_of_the_finished_sae() {
    let scratch = Scratch::new();
    checkpoint(&scratch);
    let info = scratch.json(&format!("info {SAE}"));
    assert_eq!(comparable(info), comparable(scratch.json("info $RUN")));
    let of = |sae: &str| {
        scratch.json(&format!(
            "eval --sae {sae} --model $MODEL --dataset $TEXT --sequences 2"
        ))
    };
    let (ours, finished) = (of(SAE), of("$RUN"));
    let metadata = &ours["sae_cfg"]["metadata"];
    assert_eq!(metadata["activation_scaling_factor"], FACTOR);
    assert_eq!(metadata["training_architecture"], "standard");
    assert_eq!(comparable(ours), comparable(finished));
    for (sae, out) in [(SAE, "a"), ("$RUN", "b")] {
        scratch.ok(&format!(
            "analyze {sae} --model $MODEL --dataset $TEXT --sequences 2 --out {out}"
        ));
    }
    let [ours, finished] =
        ["a", "b"].map(|out| read_json(&scratch.path(&format!("{out}/report.json"))));
    for key in ["l0", "loss", "reconstruction_quality"] {
        assert!(!ours[key].is_null(), "{key}");
        assert_eq!(ours[key], finished[key], "{key}");
    }
}

#[test]
fn a_factor_that_is_not_known_is_warned_of() {
    let scratch = Scratch::new();
    checkpoint(&scratch);
    let scaler = format!("{SAE}/activation_scaler.json");
    std::fs::remove_file(scratch.path(&scaler)).unwrap();
    let line = format!("eval --sae {SAE} --model $MODEL --dataset $TEXT --sequences 1");
    let report = scratch.json(&line);
    let warnings = report["warnings"].to_string();
    assert!(
        warnings.contains("inputs go in without a factor, and figures will be off"),
        "{warnings}"
    );
    scratch.write(
        &scaler,
        r#"{"scaling_factor": null, "has_whitening": true}"#,
    );
    let said = ["has_whitening is true", "save_inference_model"];
    scratch.fails(1, &line, &said);
    scratch.fails(1, &format!("info {SAE}"), &said);
}

#[test]
fn the_factor_comes_from_the_hub_too() {
    let scratch = Scratch::new();
    checkpoint(&scratch);
    let here = scratch.json(&format!("info {SAE}"));
    let names = [
        "activation_scaler.json",
        "cfg.json",
        "sae_weights.safetensors",
        "sparsity.safetensors",
    ];
    let files = names.map(|name| {
        let bytes = std::fs::read(scratch.path(&format!("{SAE}/{name}"))).unwrap();
        (format!("c/{name}"), sha256(&bytes), bytes)
    });
    let server = Server::start(move |request| {
        let repository = Repository::new("org/saes", COMMIT);
        let all = files.iter().fold(repository, |all, (name, tag, bytes)| {
            all.tagged(name, bytes.clone(), tag.clone())
        });
        all.answer(request)
    });
    let there = served::json(&scratch, &server, "info org/saes:c");
    assert_eq!(there["normalize_activations"], "none");
    assert_eq!(comparable(there), comparable(here));
    // Known now, and found without asking.
    let asked = server.requests().len();
    scratch.ok("info org/saes:c");
    assert_eq!(server.requests().len(), asked);
}
