//! Dictionaries of several layers by the real binary: `sae info` and `sae eval` of a cross-layer transcoder, a crosscoder, and a set of transcoders.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use support::{Scratch, assert_close, keys, number, read_json};

/// Copies of goldens of the demo's model, and their rows of tokens.
fn with(names: &[&str]) -> (Scratch, Value) {
    let scratch = Scratch::new();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/goldens/data/multi_layer");
    for name in names {
        fs::create_dir(scratch.path(name)).unwrap();
        for entry in fs::read_dir(data.join(name)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, scratch.path(name).join(path.file_name().unwrap())).unwrap();
        }
    }
    let golden = read_json(&data.join("figures.json"));
    let rows = golden["tokens"].as_array().unwrap();
    let bytes: Vec<u8> = rows
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .flat_map(|id| (id.as_i64().unwrap() as i32).to_le_bytes())
        .collect();
    let shape = vec![rows.len(), rows[0].as_array().unwrap().len()];
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::I32, shape, &bytes);
    let file = safetensors::serialize([("tokens", view.unwrap())], None).unwrap();
    scratch.write("tokens.safetensors", file);
    (scratch, golden)
}

const DATA: &str = "--model $MODEL --tokens tokens.safetensors";

/// Runs it, whatever warnings it has of random weights.
fn eval(scratch: &Scratch, line: &str) -> Value {
    let outcome = scratch.sae(&format!("eval {line} {DATA} --json -"));
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    outcome.json()
}

fn check(found: &Value, golden: &Value) {
    let losses = |of: &Value, key: &str| {
        let path = format!("metrics.model_performance_preservation.{key}");
        number(of, &path)
    };
    let alone = golden["alone"].as_array().unwrap();
    let saes = found["saes"].as_array().unwrap();
    assert_eq!(saes.len(), alone.len());
    for (of, golden) in saes.iter().zip(alone) {
        assert_close(losses(of, "ce_loss_with_sae"), number(golden, "ce"), 1e-5);
        assert_close(
            losses(of, "ce_loss_with_ablation"),
            number(golden, "zeroed.ce"),
            1e-5,
        );
        assert_close(
            number(of, "metrics.sparsity.l0"),
            number(golden, "l0"),
            1e-5,
        );
        assert_close(
            number(of, "metrics.reconstruction_quality.explained_variance"),
            number(golden, "ev"),
            1e-5,
        );
    }
    let together = &found["together"];
    let losses = |key: &str| {
        let path = format!("model_performance_preservation.{key}");
        number(together, &path)
    };
    assert_close(
        losses("ce_loss_with_sae"),
        number(golden, "together.ce"),
        1e-5,
    );
    assert_close(
        losses("ce_loss_with_ablation"),
        number(golden, "zeroed.ce"),
        1e-5,
    );
}

#[test]
fn eval_of_a_cross_layer_transcoder_gives_torchs_figures() {
    let (scratch, golden) = with(&["demo_clt"]);
    let found = eval(&scratch, "--sae demo_clt --together");
    check(&found, &golden["clt"]);
    let first = &found["saes"][0];
    assert_eq!(first["eval_cfg"]["sae"], "demo_clt#0");
    assert_eq!(first["eval_cfg"]["read_hook"], "blocks.0.mlp.hook_in");
    assert_eq!(first["eval_cfg"]["write_hook"], "blocks.0.hook_mlp_out");
    assert_eq!(
        first["sae_cfg"]["architecture"],
        "jumprelu_cross_layer_transcoder"
    );
    let parts = found["plan"]["parts"].as_array().unwrap();
    assert!(parts.iter().any(|part| part["name"] == "decoder rows"));
    // One row at a time goes through the same blocks to the same figures.
    let by_one = eval(&scratch, "--sae demo_clt --together --batch-size 1");
    check(&by_one, &golden["clt"]);
    let table = scratch.sae(&format!(
        "eval --sae demo_clt {DATA} --csv f.csv --page p.html --together"
    ));
    assert_eq!(table.code, 0, "{table:#?}");
    assert!(table.stdout.contains("demo_clt#3"), "{}", table.stdout);
    assert!(scratch.read("f.csv").contains("demo_clt#2"));
    assert!(scratch.read("p.html").contains("demo_clt#1"));
}

#[test]
fn eval_of_a_crosscoder_gives_torchs_figures() {
    let (scratch, golden) = with(&["demo_crosscoder"]);
    let found = eval(&scratch, "--sae demo_crosscoder --together");
    check(&found, &golden["crosscoder"]);
    assert_eq!(
        found["saes"][2]["eval_cfg"]["write_hook"],
        "blocks.3.hook_resid_post"
    );
    let hooks = "--hook blocks.0.hook_resid_post,blocks.1.hook_resid_post,blocks.3.hook_resid_post";
    let given = eval(
        &scratch,
        &format!("--sae demo_crosscoder --together {hooks}"),
    );
    check(&given, &golden["crosscoder"]);
}

#[test]
fn eval_of_a_set_takes_all_its_layers() {
    let (scratch, golden) = with(&["set"]);
    let found = eval(&scratch, "--sae set --together");
    check(&found, &golden["set"]);
    assert_eq!(found["saes"][0]["eval_cfg"]["reconstruction"], "forward(x)");
    let one = eval(&scratch, "--sae set --layer 2");
    assert_close(
        number(
            &one,
            "metrics.model_performance_preservation.ce_loss_with_sae",
        ),
        number(&golden["set"]["alone"][2], "ce"),
        1e-5,
    );
}

#[test]
fn info_shows_the_layers() {
    let (scratch, _) = with(&["demo_clt", "demo_crosscoder"]);
    let found = scratch.json("info demo_clt");
    assert_eq!(
        keys(&found),
        [
            "architecture",
            "n_layers",
            "d_in",
            "d_sae",
            "d_out",
            "hook_names",
            "hook_names_out",
            "model_name",
            "n_params",
            "path",
            "format",
            "folded",
            "warnings"
        ]
    );
    assert_eq!(found["n_layers"], 4);
    assert_eq!(found["hook_names"][1], "blocks.1.mlp.hook_in");
    let text = scratch.ok("info demo_crosscoder").stdout;
    assert!(
        text.starts_with("jumprelu_crosscoder of 3 layers: d_in=128"),
        "{text}"
    );
    assert!(
        text.contains("folded         the code normalisation"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_is_said() {
    let (scratch, _) = with(&["demo_clt", "demo_crosscoder"]);
    let clt = format!("eval --sae demo_clt {DATA}");
    for (code, line, said) in [
        (
            2,
            format!("{clt} --resume s"),
            "--resume: the layers of a cross_layer_transcoder",
        ),
        (2, format!("{clt} --sae demo_crosscoder"), "give it alone"),
        (
            2,
            format!("{clt} --hook blocks.0.mlp.hook_in"),
            "has 4 layers, and needs a hook for each",
        ),
        (
            1,
            format!("eval --sae demo_crosscoder {DATA} --hook hook_embed,hook_embed,hook_embed"),
            "do not ascend",
        ),
        (
            1,
            "convert demo_clt out".to_owned(),
            "is a cross-layer transcoder",
        ),
        (
            1,
            "dashboard --sae demo_clt --model $MODEL --dataset $TEXT --out f".to_owned(),
            "is a cross-layer transcoder",
        ),
    ] {
        scratch.fails(code, &line, &[said]);
    }
    let mut config = read_json(&scratch.path("demo_crosscoder/config.json"));
    config["trainer"]["layer"] = json!(3);
    scratch.write("demo_crosscoder/config.json", config.to_string());
    let line = format!("eval --sae demo_crosscoder {DATA}");
    scratch.fails(2, &line, &["names no hooks", "--hook"]);
}
