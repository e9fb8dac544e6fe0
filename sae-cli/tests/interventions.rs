//! `sae lens`, `sae patch` and `sae attribute` on the demo.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use serde_json::Value;
use support::{Outcome, Scratch, assert_close, finish, number, reference};

const PAIR: &str = "patch --answer Aaron --against Israel";

fn call(scratch: &Scratch, line: &str, texts: &[&str]) -> Outcome {
    finish(scratch.command(line).args(texts))
}

fn pair<'a>() -> [&'a str; 4] {
    [
        "--clean",
        "And the LORD spake unto Moses and unto",
        "--corrupted",
        "And the LORD spake unto Joshua and unto",
    ]
}

fn json(scratch: &Scratch, line: &str, texts: &[&str]) -> Value {
    let outcome = call(scratch, &format!("{line} --json"), texts);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    outcome.json()
}

fn sum(values: &Value) -> f64 {
    values
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap())
        .sum()
}

#[test]
fn the_lens_ends_with_what_the_model_says() {
    let scratch = Scratch::new();
    let prompt = ["And the LORD spake unto"];
    let line = "lens --answer Moses --model $MODEL --page p.html --csv p.csv";
    let result = json(&scratch, line, &prompt);
    let layers = result["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 5);
    assert_eq!(layers[4]["hook"], "blocks.3.hook_resid_post");
    let last = layers[4]["positions"].as_array().unwrap().last().unwrap();
    let expected = &reference()["prompt"]["baseline"];
    assert_close(
        number(&last["answer"], "prob"),
        number(expected, "prob"),
        1e-4,
    );
    assert_eq!(last["answer"]["rank"], expected["rank"]);
    assert_eq!(last["top"][0]["token"], " Moses");
    assert_eq!(last["top"].as_array().unwrap().len(), 5);
    let page = scratch.read("p.html");
    assert!(page.contains("<title>Logit lens") && page.contains("·Moses"));
    assert!(!page.contains("http://") && !page.contains("https://"));
    let csv = scratch.read("p.csv");
    // Five layers of six positions, five tokens and the answer.
    // A token may be a line break.
    let records = csv.lines().filter(|line| line.starts_with("blocks."));
    assert_eq!(records.count(), 5 * 6 * 6);
    let some = json(
        &scratch,
        "lens --model $MODEL --hook blocks.1.hook_mlp_out --top 2",
        &prompt,
    );
    assert_eq!(some["layers"][0]["hook"], "blocks.1.hook_mlp_out");
    assert!(some["layers"][0]["positions"][0]["answer"].is_null());
    let wrong = call(
        &scratch,
        "lens --model $MODEL --hook blocks.9.hook_resid_pre",
        &prompt,
    );
    assert_eq!(wrong.code, 1);
    assert!(
        wrong.stderr.contains("blocks.9.hook_resid_pre"),
        "{}",
        wrong.stderr
    );
    let wide = call(
        &scratch,
        "lens --model $MODEL --hook blocks.0.attn.hook_q",
        &prompt,
    );
    assert!(
        wide.stderr.contains("the unembedding cannot read it"),
        "{}",
        wide.stderr
    );
}

#[test]
fn patching_finds_the_token_and_its_way_to_the_end() {
    let scratch = Scratch::new();
    let line = format!("{PAIR} --model $MODEL --page p.html --csv p.csv");
    let result = json(&scratch, &line, &pair());
    let restored = result["restored"].as_array().unwrap();
    assert_eq!(restored.len(), 4);
    // At the bottom everything that differs is the one token.
    let bottom = restored[0].as_array().unwrap();
    assert_close(bottom[6].as_f64().unwrap(), 1.0, 1e-5);
    for (position, share) in bottom
        .iter()
        .enumerate()
        .filter(|(position, _)| *position != 6)
    {
        assert!(share.as_f64().unwrap().abs() < 1e-6, "{position}");
    }
    assert_eq!(scratch.read("p.csv").lines().count(), 1 + 4 * 9);
    assert!(scratch.read("p.html").contains("·Joshua"));
    let shown = call(&scratch, &format!("{PAIR} --model $MODEL"), &pair());
    assert!(shown.stdout.contains("\nL0"), "{}", shown.stdout);
    for site in ["attn", "mlp", "head"] {
        let result = json(
            &scratch,
            &format!("{PAIR} --model $MODEL --site {site}"),
            &pair(),
        );
        let width = if site == "head" { 4 } else { 9 };
        assert_eq!(result["metric"][3].as_array().unwrap().len(), width);
    }
    let kl = json(
        &scratch,
        &format!("{PAIR} --model $MODEL --metric kl"),
        &pair(),
    );
    assert!(number(&kl, "clean").abs() < 1e-6 && number(&kl, "corrupted") > 1e-3);
}

#[test]
fn features_are_patched_and_attributed_to_the_same_numbers() {
    let scratch = Scratch::new();
    let place = "--sae $RUN --model $MODEL";
    let patched = json(
        &scratch,
        &format!("{PAIR} {place} --site feature --top 3"),
        &pair(),
    );
    assert_eq!(patched["features"].as_array().unwrap().len(), 3);
    assert!(patched["n_differing"].as_u64().unwrap() > 3);
    let texts = [pair()[1], "--corrupted", pair()[3]];
    let found_in = |method: &str, texts: &[&str]| {
        let line = format!(
            "attribute --answer Aaron --against Israel {place} --top 500 --method {method}"
        );
        json(&scratch, &line, texts)
    };
    let found = |method: &str| found_in(method, &texts);
    let gradient = found("gradient");
    let totals = gradient["saes"][0]["totals"].as_array().unwrap();
    for feature in patched["features"].as_array().unwrap() {
        let total = totals
            .iter()
            .find(|t| t["feature"] == feature["feature"])
            .unwrap();
        assert_close(number(feature, "expected"), number(total, "effect"), 1e-4);
    }
    assert_close(
        number(&gradient, "corrupted"),
        number(&patched, "corrupted"),
        1e-6,
    );
    let integrated = found("integrated:64");
    let sae = &integrated["saes"][0];
    let complete = &sae["completeness"];
    assert_close(number(complete, "sum"), number(complete, "measured"), 1e-3);
    let parts = sum(&sae["by_position"]) + sum(&sae["error"]) + sum(&sae["bias"]);
    assert_close(parts, number(complete, "sum"), 1e-9);
    let direct = found_in("direct", &texts[..1]);
    let complete = &direct["components_completeness"];
    assert_close(number(complete, "sum"), number(&direct, "value"), 1e-4);
    let ablate = found("ablate");
    assert!(ablate["saes"][0]["error"].as_array().unwrap().is_empty());
}

#[test]
fn an_attribution_has_a_page_a_table_and_a_text() {
    let scratch = Scratch::new();
    let texts = ["And the LORD spake unto"];
    let line =
        "attribute --answer Moses --sae $RUN --model $MODEL --top 3 --page p.html --csv p.csv";
    let outcome = call(&scratch, line, &texts);
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (0, ""),
        "{outcome:#?}"
    );
    assert!(outcome.stdout.contains("log_prob: ") && outcome.stdout.contains("Heads and MLPs"));
    let page = scratch.read("p.html");
    assert!(page.contains("by the effects of features at blocks.2.hook_resid_pre"));
    // Three features, an error and a bias at each of six positions, sixteen heads and four MLPs.
    assert_eq!(scratch.read("p.csv").lines().count(), 1 + 3 + 12 + 20);
    let alone = json(&scratch, "attribute --answer Moses --model $MODEL", &texts);
    assert!(alone["saes"].as_array().unwrap().is_empty());
    assert_eq!(alone["components"].as_array().unwrap().len(), 20);
    let zero = call(
        &scratch,
        "attribute --answer Moses --sae $RUN --model $MODEL --method integrated:2 --json",
        &texts,
    );
    let warnings = zero.json()["warnings"].to_string();
    assert!(
        warnings.contains("the straight line needs more points"),
        "{warnings}"
    );
}

#[test]
fn wrong_calls_say_what_is_wrong() {
    let scratch = Scratch::new();
    let cases: [(&str, &[&str], i32, &str); 10] = [
        (
            "attribute --answer Aaron --method direct --model $MODEL",
            &["And", "--corrupted", "In"],
            2,
            "direct effects are those of one prompt",
        ),
        (
            &format!("{PAIR} --model $MODEL"),
            &["--clean", "Moses", "--corrupted", "Moses and"],
            1,
            "3 and 4 tokens",
        ),
        (
            &format!("{PAIR} --model $MODEL"),
            &["--clean", "Moses", "--corrupted", "Moses"],
            1,
            "the same tokens",
        ),
        (
            "patch --answer a --against a --model $MODEL",
            &pair(),
            2,
            "the same token",
        ),
        (
            &format!("{PAIR} --model $MODEL --site feature"),
            &pair(),
            2,
            "Give --sae RUN",
        ),
        (
            &format!("{PAIR} --model $MODEL --sae $RUN"),
            &pair(),
            2,
            "is for --site feature",
        ),
        (
            "patch --answer a --metric logit-diff --model $MODEL",
            &pair(),
            2,
            "needs --against",
        ),
        (
            "attribute --answer a --model $MODEL --no-components",
            &["x"],
            2,
            "give --sae RUN",
        ),
        (
            "attribute --answer a --sae $RUN --sae $RUN --hook blocks.1.hook_resid_pre --model $MODEL",
            &["x"],
            2,
            "several SAEs",
        ),
        (
            "attribute --answer a --sae $RUN --model $MODEL --stream-layers",
            &["x"],
            1,
            "--method direct",
        ),
    ];
    for (line, texts, code, message) in cases {
        let outcome = call(&scratch, &format!("{line} --page p.html"), texts);
        assert_eq!(outcome.code, code, "{line}\n{outcome:#?}");
        assert!(
            outcome.stderr.contains(message),
            "{line}\n{}",
            outcome.stderr
        );
        assert!(outcome.stdout.is_empty());
    }
    let method = call(
        &scratch,
        "attribute --answer a --model $MODEL --method magic",
        &["x"],
    );
    assert_eq!(method.code, 2);
    assert!(
        method.stderr.contains("is not a method"),
        "{}",
        method.stderr
    );
    assert!(
        scratch.listing().is_empty(),
        "a call that fails leaves nothing behind"
    );
}

#[test]
fn several_saes_and_streamed_direct_effects() {
    let scratch = Scratch::new();
    scratch.copy_demo("run");
    scratch.edit(
        "run/final_sae/cfg.json",
        "blocks.2.hook_resid_pre",
        "blocks.1.hook_resid_pre",
    );
    let line = "attribute --answer Moses --against the --sae $RUN --sae run --model $MODEL --method direct";
    let texts = ["And the LORD spake unto"];
    let resident = json(&scratch, line, &texts);
    let hooks: Vec<_> = resident["saes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["hook_name"].clone())
        .collect();
    assert_eq!(
        hooks,
        ["blocks.2.hook_resid_pre", "blocks.1.hook_resid_pre"]
    );
    let streamed = json(&scratch, &format!("{line} --stream-layers"), &texts);
    for (a, b) in resident["components"]
        .as_array()
        .unwrap()
        .iter()
        .zip(streamed["components"].as_array().unwrap())
    {
        assert_close(number(a, "effect"), number(b, "effect"), 1e-4);
    }
}

/// Gradients are recorded with the weights of all blocks above the hook.
#[test]
fn gradients_of_streamed_weights_are_refused() {
    let scratch = Scratch::new();
    let cases = [
        (
            "attribute unto --answer Moses --sae $RUN --model $MODEL --stream-layers",
            "or use --method direct",
        ),
        (
            "patch --clean unto --corrupted upon --answer Moses --site feature --sae $RUN --model $MODEL --stream-layers",
            "or use another --site",
        ),
    ];
    for (line, instead) in cases {
        scratch.fails(1, line, &["gradients need all", "--memory", instead]);
    }
}

/// Weights that are no numbers give no table that looks like one, unsaid.
#[test]
fn weights_that_are_nan_are_warned_of() {
    let scratch = Scratch::new();
    scratch.copy_demo("model");
    let path = scratch.path("model/model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    // The last number of the last tensor, in bf16.
    let end = bytes.len();
    bytes[end - 2..].copy_from_slice(&[0xc0, 0x7f]);
    std::fs::write(&path, bytes).unwrap();
    let cases: [(&str, &[&str]); 3] = [
        ("lens", &["And"]),
        ("patch --answer Aaron", &pair()),
        ("attribute --answer Aaron", &["And"]),
    ];
    for (line, texts) in cases {
        let found = json(&scratch, &format!("{line} --model model"), texts);
        let warnings = found["warnings"].to_string();
        assert!(
            warnings.contains("not finite numbers"),
            "{line}: {warnings}"
        );
    }
}
