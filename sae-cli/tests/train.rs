//! `sae train`: what a run leaves behind, and that everything else reads it.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use support::training::{CALL, assert_same, contents, log, with_tokens};
use support::{Scratch, read_json};

/// Trained on text, so that the configuration names it.
const ON_TEXT: &str = "train --model $MODEL --dataset $TEXT --context-size 32 --d-sae 64 --train-batch-size-tokens 64 \
    --training-tokens 640 --wandb-log-frequency 2 --eval-sequences 2 --store-batch-size-prompts 8";

const AT: &str = "--hook blocks.1.hook_resid_pre";
const TO: &str = "--hook blocks.1.ln2.hook_normalized --hook-out blocks.1.hook_mlp_out";

fn files(run: &Path) -> Vec<String> {
    let names = contents(run).into_keys();
    names
        .map(|path| path.to_str().unwrap().replace('\\', "/"))
        .collect()
}

/// Trains, and reads the result with everything that reads runs.
fn every_command_reads(architecture: &str, more: &str, trained_as: &str) {
    let scratch = Scratch::new();
    let line = format!("{ON_TEXT} --architecture {architecture} {more} --out run");
    let result = scratch.json(&line);
    assert_eq!(
        files(&scratch.path("run")),
        [
            "checkpoints/640/buffer.safetensors",
            "checkpoints/640/sae/activation_scaler.json",
            "checkpoints/640/sae/cfg.json",
            "checkpoints/640/sae/sae_weights.safetensors",
            "checkpoints/640/sae/sparsity.safetensors",
            "checkpoints/640/sae/trainer_state.safetensors",
            "checkpoints/640/session.json",
            "final_sae/cfg.json",
            "final_sae/sae_weights.safetensors",
            "metrics.jsonl",
            "runner_cfg.json",
            "sparsity.safetensors",
            "tokens.safetensors",
            "training.html",
        ]
    );
    let run = &result["runs"][0];
    assert_eq!((&run["steps"], &run["tokens"]), (&json!(10), &json!(640)));
    assert!(run["last"]["losses/overall_loss"].as_f64().unwrap() > 0.0);
    let score = &run["evaluation"]["model_performance_preservation/ce_loss_score"];
    let warnings = result["warnings"].to_string();
    assert_eq!(
        score.as_f64().unwrap() < 0.0,
        warnings.contains("the SAE is worse than none"),
        "{score}: {warnings}"
    );
    let cfg = read_json(&scratch.path("run/final_sae/cfg.json"));
    assert_eq!(cfg["metadata"]["training_architecture"], trained_as);
    let runner = read_json(&scratch.path("run/runner_cfg.json"));
    assert_eq!(runner["sae"]["architecture"], trained_as);

    let info = scratch.json("info run");
    assert_eq!(info["architecture"], cfg["architecture"]);
    assert_eq!(info["d_sae"], 64);
    assert!(info["mean_log_sparsity"].is_number());
    let eval = scratch.json("eval --sae run --tokens run/tokens.safetensors --sequences 4");
    let explained = &eval["metrics"]["reconstruction_quality"]["explained_variance"];
    assert!(explained.is_number(), "{eval}");
    scratch.json("analyze run --sequences 2 --out report");
    assert!(scratch.path("report").is_dir());
}

macro_rules! architectures {
    ($($test:ident: $word:literal, $more:expr, $name:literal;)*) => {
        $(
            #[test]
            fn $test() {
                every_command_reads($word, &$more, $name);
            }
        )*
    };
}

architectures!(
    standard: "standard", AT, "standard";
    gated: "gated", AT, "gated";
    topk: "topk", format!("{AT} --k 4"), "topk";
    abstopk: "abstopk", format!("{AT} --k 4"), "abstopk";
    batchtopk: "batchtopk", format!("{AT} --k 4"), "batchtopk";
    matryoshka: "matryoshka-batchtopk", format!("{AT} --k 4 --matryoshka-widths 16,32"), "matryoshka_batchtopk";
    jumprelu: "jumprelu", AT, "jumprelu";
    matching_pursuit: "matching-pursuit", format!("{AT} --max-iterations 4"), "matching_pursuit";
    transcoder: "transcoder", TO, "transcoder";
    skip_transcoder: "skip-transcoder", TO, "skip_transcoder";
    jumprelu_transcoder: "jumprelu-transcoder", TO, "jumprelu_transcoder";
    jumprelu_skip_transcoder: "jumprelu-skip-transcoder", TO, "jumprelu_skip_transcoder";
);

#[test]
fn the_log_has_the_peers_names() {
    let scratch = with_tokens();
    let call = format!("{CALL} --training-tokens 1280 --eval-every 10 --out run");
    scratch.trains(&call);
    let lines = log(&scratch.path("run"));
    let tokens: Vec<u64> = lines
        .iter()
        .map(|line| line["details/n_training_samples"].as_u64().unwrap())
        .collect();
    let expected = [
        128, 256, 384, 512, 640, 640, 768, 896, 1024, 1152, 1280, 1280,
    ];
    assert_eq!(tokens, expected, "a line every other step, two evaluations");
    let names = |line: usize| -> Vec<&str> { lines[line].keys().map(String::as_str).collect() };
    assert_eq!(
        names(0),
        [
            "step",
            "details/n_training_samples",
            "losses/overall_loss",
            "losses/mse_loss",
            "losses/l1_loss",
            "metrics/explained_variance",
            "metrics/l0",
            "sparsity/mean_passes_since_fired",
            "sparsity/dead_features",
            "details/current_learning_rate",
            "details/l1_coefficient",
            "details/gradient_norm",
        ]
    );
    for name in [
        "model_performance_preservation/ce_loss_score",
        "model_behavior_preservation/kl_div_score",
        "reconstruction_quality/explained_variance",
        "shrinkage/l2_ratio",
        "sparsity/l0",
    ] {
        assert!(names(5).contains(&name), "{name}");
    }
    assert_eq!(lines[0]["step"], 1);
    assert_eq!(lines[0]["details/current_learning_rate"], 3e-4);
}

#[test]
fn the_page_needs_nothing_else() {
    let scratch = with_tokens();
    scratch.trains(&format!("{CALL} --training-tokens 640 --out run"));
    let page = scratch.read("run/training.html");
    assert!(page.contains("blocks.1.hook_resid_pre"));
    // The namespace of SVG is a name, and nothing is fetched from there.
    let page = page.replace("http://www.w3.org/2000/svg", "");
    for fetched in [
        "http:", "https:", " src=", "<link", "@import", "url(", "fetch(",
    ] {
        assert!(!page.contains(fetched), "{fetched}");
    }
}

#[test]
fn a_run_can_be_repeated_from_its_settings() {
    let scratch = Scratch::new();
    let more = "--architecture batchtopk --k 3.5 --lr 0.0012345 --lr-warm-up-steps 3 --lr-decay-steps 2 --adam-beta1 0.87 \
        --normalize-activations expected_average_only_in --n-batches-for-norm-estimate 4 --ema-decay 0.9 --seed 7";
    scratch.trains(&format!("{ON_TEXT} {AT} {more} --out a").replace(" --eval-sequences 2", ""));
    scratch.trains("train --config a/runner_cfg.json --out b");
    assert_same(&scratch.path("a"), &scratch.path("b"));
    let read = |name: &str| scratch.read(&format!("{name}/runner_cfg.json"));
    assert_eq!(read("a"), read("b"));
    // What is given beside the file counts more.
    scratch.trains("train --config a/runner_cfg.json --k 2 --out c");
    assert_eq!(read_json(&scratch.path("c/runner_cfg.json"))["sae"]["k"], 2);
}

#[test]
fn runs_side_by_side_are_those_that_they_are_alone() {
    let scratch = with_tokens();
    let call = format!("{CALL} --training-tokens 1280").replace(AT, "");
    let hooks = ["blocks.1.hook_resid_pre", "blocks.2.hook_mlp_out"];
    let result = scratch.json(&format!(
        "{call} --hook {} --hook {} --sweep l1_coefficient=1,5 --out all",
        hooks[0], hooks[1]
    ));
    let mut names = Vec::new();
    for hook in hooks {
        for l1 in [1, 5] {
            let name = format!("{hook},l1_coefficient={l1}");
            scratch.trains(&format!(
                "{call} --hook {hook} --l1-coefficient {l1} --out alone-{name}"
            ));
            let [together, alone] = [format!("all/{name}"), format!("alone-{name}")];
            assert_same(&scratch.path(&together), &scratch.path(&alone));
            assert_eq!(
                scratch.read(&format!("{together}/runner_cfg.json")),
                scratch.read(&format!("{alone}/runner_cfg.json"))
            );
            names.push(name);
        }
    }
    let found: Vec<&Value> = result["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| &run["name"])
        .collect();
    assert_eq!(found, names.iter().collect::<Vec<_>>());
    let here: BTreeSet<PathBuf> = std::fs::read_dir(scratch.path("all"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into())
        .collect();
    let others = ["checkpoints", "training.html"];
    let expected = names.iter().map(String::as_str).chain(others);
    assert_eq!(here, expected.map(PathBuf::from).collect());
    let page = scratch.read("all/training.html");
    assert!(names.iter().all(|name| page.contains(name)));
}

#[test]
fn a_plan_is_printed_and_nothing_is_left() {
    let scratch = with_tokens();
    let before = scratch.listing();
    for call in [
        format!("{CALL} --out run"),
        format!("{ON_TEXT} {AT} --out run"),
    ] {
        let plan = scratch.json(&format!("{call} --plan"));
        let parts = plan["parts"].as_array().unwrap().iter();
        let sum: u64 = parts.map(|part| part["bytes"].as_u64().unwrap()).sum();
        assert_eq!(plan["total_bytes"], sum);
        let text = scratch.trains(&format!("{call} --plan")).stdout;
        assert!(text.starts_with("Memory plan, within ") && text.contains("training"));
        assert_eq!(scratch.listing(), before);
        let figures = [
            "does not fit in memory",
            "47.68 MiB (--memory)",
            "buffer",
            "training",
            "evaluation",
            "--eval-sequences 0",
        ];
        scratch.fails(1, &format!("{call} --memory 50MB"), &figures);
    }
}

#[test]
fn weights_do_not_depend_on_the_number_of_threads() {
    let scratch = with_tokens();
    // Large enough for products to be split, in the sparse form and in the dense one.
    for architecture in ["topk --k 8", "standard --l1-coefficient 0.1"] {
        let weights = ["1", "2", "3"].map(|threads| {
            scratch.ok(&format!(
                "train --model $MODEL --tokens t.st --hook blocks.1.hook_resid_pre --d-sae 1024 --train-batch-size-tokens 512 \
                 --training-tokens 1536 --eval-sequences 0 --checkpoint-every 0 --architecture {architecture} --threads {threads} --quiet \
                 --out run"
            ));
            let weights = std::fs::read(scratch.path("run/final_sae/sae_weights.safetensors"));
            std::fs::remove_dir_all(scratch.path("run")).unwrap();
            weights.unwrap()
        });
        assert!(
            weights[0] == weights[1] && weights[1] == weights[2],
            "{architecture}"
        );
    }
}
