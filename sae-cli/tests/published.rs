//! SAEs by their names in releases: measured figures beside those that their authors published.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod served;
mod support;

use serde_json::Value;
use served::server::hub::Repository;
use served::server::{Reply, Request, Server};
use served::{COMMIT, run, sha256};
use std::fs;
use support::tensors::{Numbers, write};
use support::{Scratch, demo, number};

const D: usize = 128;
const M: usize = 96;

/// Llama Scope's SAEs of two layers, as wide as the demo's model.
fn llama_scope(request: &Request) -> Reply {
    let mut repository = Repository::new("fnlp/Llama3_1-8B-Base-LXR-8x", COMMIT);
    for layer in [1, 2] {
        let hook = format!("blocks.{layer}.hook_resid_post");
        let cfg = format!(
            r#"{{"d_model": {D}, "d_sae": {M}, "hook_point_in": "{hook}", "hook_point_out": "{hook}", "use_decoder_bias": true,
            "apply_decoder_bias_to_pre_encoder": false, "norm_activation": "dataset-wise", "dataset_average_activation_norm": {{"in": 9.6, "out": 9.6}},
            "act_fn": "jumprelu", "jump_relu_threshold": 0.5, "sparsity_include_decoder_norm": true, "use_glu_encoder": false}}"#
        );
        let noise = |seed: usize| move |i: usize| (((i + seed) * 7919) % 997) as f32 / 997.0 - 0.5;
        let matrix = |shape: &[usize], seed| {
            Numbers::f32(shape, (0..shape.iter().product()).map(noise(seed)))
        };
        let tensors = [
            ("encoder.weight", matrix(&[M, D], layer)),
            ("encoder.bias", matrix(&[M], 2)),
            ("decoder.weight", matrix(&[D, M], 3 * layer)),
            ("decoder.bias", matrix(&[D], 4)),
        ];
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("final.safetensors");
        write(&file, tensors);
        let files = [
            ("hyperparams.json", cfg.into_bytes()),
            (
                "lm_config.json",
                br#"{"model_name": "meta-llama/Llama-3.1-8B"}"#.to_vec(),
            ),
            ("checkpoints/final.safetensors", fs::read(file).unwrap()),
        ];
        for (name, bytes) in files {
            let path = format!("Llama3_1-8B-Base-L{layer}R-8x/{name}");
            let tag = sha256(&bytes);
            repository = repository.tagged(&path, bytes, tag);
        }
    }
    repository.answer(request)
}

/// The JSON of a call that may warn: these SAEs were not trained.
fn json(scratch: &Scratch, server: &Server, line: &str) -> Value {
    let outcome = run(scratch, server, &format!("{line} --json"));
    assert_eq!(outcome.code, 0, "{line}: {}", outcome.stderr);
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[test]
fn measured_beside_published() {
    let (scratch, server) = (Scratch::new(), Server::start(llama_scope));
    let data = format!(
        "--model {} --dataset {} --context-size 64 --sequences 2",
        demo("model").display(),
        demo("text").display()
    );
    let names = ["llama_scope_lxr_8x/l1r_8x", "llama_scope_lxr_8x/l2r_8x"];
    let saes = names.map(|name| format!("--sae {name} ")).concat();
    let line = format!("eval {saes}{data} --csv all.csv --page all.html");
    let all = json(&scratch, &server, &line);
    for (of, name) in all["saes"].as_array().unwrap().iter().zip(names) {
        assert_eq!(of["published"]["release"], "llama_scope_lxr_8x");
        assert_eq!(of["published"]["l0"], 50.0);
        let l0 = number(of, "metrics.sparsity.l0");
        let warned = of["warnings"].to_string().contains("50 was published");
        assert_eq!(warned, !(25.0..=100.0).contains(&l0), "{l0}");
        let alone = json(&scratch, &server, &format!("eval --sae {name} {data}"));
        assert_eq!(alone["published"], of["published"]);
        assert_eq!(alone["metrics"], of["metrics"]);
    }
    let csv = scratch.read("all.csv");
    let row = "llama_scope_lxr_8x/l1r_8x,blocks.1.hook_resid_post,published,l0,50";
    assert!(csv.lines().any(|line| line == row), "{csv}");
    assert!(scratch.read("all.html").contains("published</th>"));
    let shown = run(&scratch, &server, &format!("eval {saes}{data}")).stdout;
    let head = shown.lines().next().unwrap();
    assert!(head.contains("L0  published"), "{shown}");
    // Of explained variance nothing was published, and no column says so.
    assert_eq!(head.matches("published").count(), 1);
    let name = names[0];
    let shown = run(&scratch, &server, &format!("eval --sae {name} {data}")).stdout;
    assert!(
        shown.contains("as published: L0 50, neuronpedia.org/llama3.1-8b/1-llamascope-res-32k"),
        "{shown}"
    );
}
