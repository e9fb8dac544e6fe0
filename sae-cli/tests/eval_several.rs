//! `sae eval` of several SAEs: one run of the model, and the figures of each alone.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use serde_json::{Value, json};
use support::{Scratch, assert_close, at, demo, keys, number, read_json};

const DATA: &str = "--model $MODEL --dataset $TEXT --sequences 5 --batch-size 2";

/// Copies of the demo's run under these names, at these hooks; with `true` another SAE, whose encoder does not subtract the decoder's bias.
fn runs(scratch: &Scratch, all: &[(&str, &str, bool)]) {
    for &(name, hook, other) in all {
        scratch.copy_demo("run");
        let cfg = "run/final_sae/cfg.json";
        let mut json = read_json(&scratch.path(cfg));
        json["metadata"]["hook_name"] = json!(hook);
        if other {
            let before = json["apply_b_dec_to_input"].as_bool().unwrap();
            json["apply_b_dec_to_input"] = json!(!before);
        }
        scratch.write(cfg, json.to_string());
        std::fs::rename(scratch.path("run"), scratch.path(name)).unwrap();
    }
}

/// Three hooks, two SAEs at one of them, given out of order.
fn four(scratch: &Scratch) -> [&'static str; 4] {
    runs(
        scratch,
        &[
            ("l2", "blocks.2.hook_resid_pre", false),
            ("l1", "blocks.1.hook_resid_pre", false),
            ("other", "blocks.2.hook_resid_pre", true),
            ("l3", "blocks.3.hook_resid_post", false),
        ],
    );
    ["l2", "l1", "other", "l3"]
}

fn saes(names: &[&str]) -> String {
    let each = names.iter().map(|name| format!("--sae {name} "));
    each.collect()
}

#[test]
fn each_has_the_figures_that_it_has_alone() {
    let scratch = Scratch::new();
    let names = four(&scratch);
    let all = scratch.json(&format!("eval {}{DATA}", saes(&names)));
    assert_eq!(
        keys(&all),
        ["saes", "forward", "plan", "timings", "warnings"]
    );
    assert_eq!(all["plan"]["sae_groups"], json!([4]));
    for (name, of) in names.iter().zip(all["saes"].as_array().unwrap()) {
        let alone = scratch.json(&format!("eval --sae {name} {DATA}"));
        assert_eq!(keys(of), keys(&alone), "the shape of one SAE's JSON");
        for part in ["metrics", "feature_metrics", "sae_cfg", "warnings"] {
            assert_eq!(of[part], alone[part], "{name}: {part}, to the last bit");
        }
        for part in [
            "sae",
            "read_hook",
            "write_hook",
            "n_sequences",
            "convention",
        ] {
            assert_eq!(of["eval_cfg"][part], alone["eval_cfg"][part], "{part}");
        }
    }
    assert_ne!(all["saes"][0]["metrics"], all["saes"][2]["metrics"]);
}

#[test]
fn blocks_run_once_for_all() {
    let scratch = Scratch::new();
    let names = four(&scratch);
    let all = scratch.json(&format!("eval {}{DATA}", saes(&names)));
    let tokens = number(
        &all["saes"][0],
        "metrics.token_stats.total_tokens_eval_reconstruction",
    );
    // Four blocks as they are; above the hooks 2 + 3 + 2 + 0 of them on reconstructions. Zeros are one position.
    let forward = &all["forward"];
    assert_close(number(forward, "block_tokens"), 11.0 * tokens, 0.0);
    assert_close(
        number(forward, "block_tokens_alone"),
        (16.0 + 7.0) * tokens,
        0.0,
    );
    let groups = scratch.json(&format!("eval {}{DATA} --sae-at-once 2", saes(&names)));
    assert_eq!(groups["plan"]["sae_groups"], json!([2, 2]));
    assert_close(number(&groups, "forward.block_tokens"), 15.0 * tokens, 0.0);
    for at in 0..4 {
        assert_eq!(groups["saes"][at]["metrics"], all["saes"][at]["metrics"]);
    }
}

#[test]
fn losses_on_the_first_rows_only() {
    let scratch = Scratch::new();
    let names = four(&scratch);
    let line = format!("eval {}{DATA} --reconstruction-sequences 3", saes(&names));
    let (some, all) = (
        scratch.json(&line),
        scratch.json(&format!("eval {}{DATA}", saes(&names))),
    );
    let first = DATA.replace("--sequences 5", "--sequences 3");
    for (at, name) in names.iter().enumerate() {
        let (of, whole) = (&some["saes"][at], &all["saes"][at]);
        assert_eq!(of["eval_cfg"]["reconstruction_sequences"], 3);
        assert!(whole["eval_cfg"].get("reconstruction_sequences").is_none());
        for group in ["sparsity", "reconstruction_quality", "shrinkage"] {
            assert_eq!(of["metrics"][group], whole["metrics"][group], "{name}");
        }
        let short = scratch.json(&format!("eval --sae {name} {first}"));
        let group = "model_performance_preservation";
        assert_eq!(of["metrics"][group], short["metrics"][group], "{name}");
        let line = format!("eval --sae {name} {DATA} --reconstruction-sequences 3");
        assert_eq!(of["metrics"], scratch.json(&line)["metrics"], "{name}");
    }
    // Three rows as above; two through four blocks, for the SAE behind the last.
    let tokens = number(
        &all["saes"][0],
        "metrics.token_stats.total_tokens_eval_reconstruction",
    );
    let block_tokens = number(&some, "forward.block_tokens");
    assert_close(block_tokens, (11.0 * 3.0 + 4.0 * 2.0) * tokens / 5.0, 0.0);
    let shown = scratch.sae(&line).stdout;
    assert!(shown.contains("losses: on the first 3 rows"), "{shown}");
}

#[test]
fn hooks_within_blocks_agree_up_to_rounding() {
    let scratch = Scratch::new();
    let all = [
        ("mlp", "blocks.1.hook_mlp_out", false),
        ("attn", "blocks.2.hook_attn_out", false),
        ("mid", "blocks.2.hook_resid_mid", true),
        ("embed", "hook_embed", false),
        ("last", "ln_final.hook_normalized", false),
    ];
    runs(&scratch, &all);
    let names = all.map(|(name, ..)| name);
    let several = scratch.json(&format!("eval {}{DATA}", saes(&names)));
    for (name, of) in names.iter().zip(several["saes"].as_array().unwrap()) {
        let alone = scratch.json(&format!("eval --sae {name} {DATA}"));
        let mut n = 0;
        for (group, figures) in alone["metrics"].as_object().unwrap() {
            for (figure, value) in figures.as_object().unwrap() {
                if let Some(value) = value.as_f64() {
                    let found = number(&of["metrics"][group], figure);
                    let allowed = 1e-5 * value.abs().max(1e-3);
                    assert!(
                        (found - value).abs() <= allowed,
                        "{name} {group}.{figure}: {found} {value}"
                    );
                    n += 1;
                }
            }
        }
        assert!(n > 25);
    }
}

#[test]
fn together_the_losses_add_up() {
    let scratch = Scratch::new();
    let names = four(&scratch);
    let ce = |result: &Value| number(result, "model_performance_preservation.ce_loss_with_sae");
    let one = scratch.json(&format!("eval --sae l1 --together {DATA}"));
    assert_close(ce(&one["together"]), ce(&one["saes"][0]["metrics"]), 1e-6);
    let pair = |a: &str, b: &str| {
        let result = scratch.json(&format!("eval --sae {a} --sae {b} --together {DATA}"));
        assert_eq!(
            result["together"]["order"],
            json!(["l1", "l2"]),
            "the model meets them in this order"
        );
        result
    };
    let (ab, ba) = (pair("l1", "l2"), pair("l2", "l1"));
    assert_eq!(ab["together"], ba["together"]);
    let all = scratch.json(&format!("eval {}--together {DATA}", saes(&names)));
    // The SAE at the last hook replaces what the model says altogether.
    assert!(ce(&all["together"]) > ce(&ab["together"]));
    let losses = &ab["together"]["model_performance_preservation"];
    let first = &ab["saes"][0]["metrics"]["model_performance_preservation"];
    assert_eq!(losses["ce_loss_without_sae"], first["ce_loss_without_sae"]);
    // A Llama has no biases: zeros at the last of the hooks leave nothing.
    assert_close(number(losses, "ce_loss_with_ablation"), 2048_f64.ln(), 1e-6);
    assert!(ce(&ab["together"]) > number(losses, "ce_loss_without_sae"));
}

#[test]
fn layers_are_written_out_and_all_outputs_agree() {
    let scratch = Scratch::new();
    runs(
        &scratch,
        &[
            ("l1", "blocks.1.hook_resid_pre", false),
            ("l2", "blocks.2.hook_resid_pre", false),
        ],
    );
    let call = format!("eval --quiet --sae l{{layer}} --layers 2,1 --together {DATA}");
    let outcome = scratch.ok(&format!("{call} --json m.json --csv m.csv --page m.html"));
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert!(lines[0].starts_with("SAE  hook "), "{}", outcome.stdout);
    assert!(lines[1].starts_with("l1   blocks.1.hook_resid_pre"));
    assert!(lines[2].starts_with("l2   blocks.2.hook_resid_pre"));
    assert!(outcome.stdout.contains("\nAll 2 together: CE "));
    let result = read_json(&scratch.path("m.json"));
    assert_eq!(
        result["saes"][0]["eval_cfg"]["sae"], "l2",
        "the call's order"
    );
    let csv = scratch.read("m.csv");
    assert!(csv.starts_with("sae,hook,group,metric,value\nl1,blocks.1.hook_resid_pre,"));
    let l0 = at(&result["saes"][0]["metrics"], "sparsity.l0")
        .as_f64()
        .unwrap();
    let line = csv
        .lines()
        .find(|l| l.starts_with("l2,") && l.contains(",sparsity,l0,"));
    let value: f64 = line.unwrap().rsplit(',').next().unwrap().parse().unwrap();
    assert_close(value, l0, 1e-15);
    assert!(csv.contains("\ntogether,,model_performance_preservation,ce_loss_score,"));
    assert!(lines[2].contains(&format!(" {l0:.2} ")), "{}", lines[2]);
    assert_eq!(scratch.ok(&format!("{call} --csv -")).stdout, csv);
    let page = scratch.read("m.html");
    assert!(page.contains("<td>l1</td>") && page.contains(&format!("<td>{l0:.2}</td>")));
    assert!(page.contains("CE recovered") && page.contains("All 2 together"));
    assert_eq!(
        page.matches("data-tip=").count(),
        6,
        "a point for each SAE and figure"
    );
}

#[test]
fn what_does_not_fit_goes_in_groups() {
    let scratch = Scratch::new();
    runs(
        &scratch,
        &[
            ("a", "blocks.1.hook_resid_pre", false),
            ("b", "blocks.2.hook_resid_pre", false),
            ("c", "blocks.2.hook_resid_pre", true),
        ],
    );
    let plan = |more: &str| scratch.json(&format!("eval {more} {DATA} --plan"));
    let need = number(&plan("--sae a"), "total_bytes");
    let all = plan("--sae a --sae b --sae c");
    assert_eq!(all["sae_groups"], json!([3]));
    let part = |plan: &Value, name: &str| {
        let parts = plan["parts"].as_array().unwrap();
        let part = parts.iter().find(|part| part["name"] == name);
        part.map_or(0.0, |part| number(part, "bytes"))
    };
    assert_close(part(&all, "SAE"), 3.0 * part(&plan("--sae a"), "SAE"), 0.0);
    let little = need as u64 + (2 << 20);
    let groups = plan(&format!("--sae a --sae b --sae c --memory {little}"));
    assert_eq!(groups["sae_groups"], json!([1, 1, 1]));
    assert!(number(&groups, "total_bytes") <= little as f64);
    let text = scratch.ok(&format!(
        "eval --sae a --sae b --sae c --memory {little} {DATA} --plan"
    ));
    assert!(
        text.stdout
            .contains("3 SAEs, 1 + 1 + 1 at a time: the model runs 3 times"),
        "{}",
        text.stdout
    );
    scratch.fails(
        1,
        &format!("eval --sae a --sae b --sae c --memory {little} --together {DATA}"),
        &[
            "--together has all 3 SAEs in memory at once",
            "does not fit in memory",
        ],
    );
    scratch.fails(
        1,
        &format!("eval --sae a --sae b --sae c --memory {little} --sae-at-once 3 {DATA}"),
        &["--sae-at-once 3: give fewer"],
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let scratch = Scratch::new();
    let names = four(&scratch);
    let all = saes(&names);
    for (more, said) in [
        ("--hook blocks.1.hook_resid_pre", "--hook: is of one SAE"),
        ("--layers 0..4", "needs a {layer} in it"),
        ("--together --sae-at-once 2", "cannot be used with"),
        ("--page m.csv --csv m.csv", "are the same file"),
    ] {
        scratch.fails(2, &format!("eval {all}{DATA} {more}"), &[said]);
    }
    scratch.fails(
        1,
        &format!("eval {all}--sae nowhere/at-all {DATA}"),
        &["nowhere/at-all"],
    );
    // Far beyond the model's layers: refused before anything is loaded, by the run's name.
    runs(&scratch, &[("l9", "blocks.9.hook_resid_pre", false)]);
    scratch.fails(
        1,
        &format!("eval {all}--sae l9 {DATA}"),
        &["l9", "does not fit the model"],
    );
    scratch.edit(
        "l1/final_sae/cfg.json",
        "\"model_name\":\"",
        "\"model_name\":\"x",
    );
    let line =
        format!("eval {all}--dataset $TEXT").replace("$TEXT", demo("text").to_str().unwrap());
    scratch.fails(2, &line, &["names the model", "give --model"]);
}
