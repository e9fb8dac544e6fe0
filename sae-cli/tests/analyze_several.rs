//! `sae analyze` of several SAEs: one run of the model, and the report that each has alone.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use serde_json::{Value, json};
use support::{Scratch, keys, number, read_json};

const DATA: &str = "--model $MODEL --dataset $TEXT --sequences 6 --batch-size 2";

/// A copy of the demo's run at another hook; with `other`, another SAE, whose encoder does not subtract the decoder's bias.
fn copy_at(scratch: &Scratch, name: &str, hook: &str, other: bool) {
    scratch.copy_demo("run");
    let cfg = "run/final_sae/cfg.json";
    let mut json = read_json(&scratch.path(cfg));
    json["metadata"]["hook_name"] = json!(hook);
    if other {
        let before = json["apply_b_dec_to_input"].as_bool().unwrap();
        json["apply_b_dec_to_input"] = json!(!before);
    }
    scratch.write(cfg, json.to_string());
    let to = scratch.path(name);
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::rename(scratch.path("run"), to).unwrap();
}

fn without_times(report: &Value) -> Value {
    let mut report = report.clone();
    let keys = report.as_object_mut().unwrap();
    keys.remove("timings");
    keys.remove("folder");
    report
}

/// What a report says but for the figures, and its figures one after the other.
fn figures(report: &Value, found: &mut Vec<f64>) {
    match report {
        Value::Number(number) => found.push(number.as_f64().unwrap()),
        Value::Array(all) => all.iter().for_each(|value| figures(value, found)),
        Value::Object(all) => all.values().for_each(|value| figures(value, found)),
        _ => {}
    }
}

#[test]
fn each_has_the_report_that_it_has_alone() {
    let scratch = Scratch::new();
    // Two of one name, two at one hook, given out of order.
    copy_at(&scratch, "a/l2", "blocks.2.hook_resid_pre", false);
    copy_at(&scratch, "b/l1", "blocks.1.hook_resid_pre", false);
    copy_at(&scratch, "b/l2", "blocks.2.hook_resid_pre", true);
    let runs = [("a/l2", "l2"), ("b/l1", "l1"), ("b/l2", "l2-2")];
    let line = format!("analyze a/l2 b/l1 b/l2 {DATA} --out all");
    let outcome = scratch.sae(&format!("{line} --json all.json"));
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let all = read_json(&scratch.path("all/report.json"));
    assert_eq!(all, read_json(&scratch.path("all.json")));
    assert_eq!(
        keys(&all),
        ["saes", "forward", "plan", "timings", "warnings"]
    );
    assert_eq!(all["plan"]["sae_groups"], json!([3]));
    for (at, (run, folder)) in runs.into_iter().enumerate() {
        let alone = scratch.sae(&format!("analyze {run} {DATA} --out alone"));
        assert_eq!(alone.code, 0, "{alone:?}");
        let alone = read_json(&scratch.path("alone/report.json"));
        let own = read_json(&scratch.path(&format!("all/{folder}/report.json")));
        assert_eq!(without_times(&own), without_times(&alone), "{run}");
        assert_eq!(keys(&own), keys(&alone));
        assert_eq!(all["saes"][at]["folder"], folder);
        assert_eq!(without_times(&all["saes"][at]), without_times(&alone));
        for plot in ["density", "explained_variance", "l0", "losses"] {
            let path = format!("plots/{plot}.svg");
            let of_all = scratch.read(&format!("all/{folder}/{path}"));
            assert_eq!(of_all, scratch.read(&format!("alone/{path}")), "{path}");
        }
        let page = scratch.read(&format!("all/{folder}/report.html"));
        assert!(page.contains(&format!("sae dashboard --sae {run} ")));
    }
    assert_ne!(all["saes"][0]["l0"], all["saes"][2]["l0"]);
    let page = scratch.read("all/index.html");
    for (_, folder) in runs {
        let link = format!("<a href=\"{folder}/report.html\">{folder}</a>");
        assert!(page.contains(&link), "{link}");
    }
    assert!(outcome.stdout.contains("Reports: all/index.html"));
    // Four blocks as they are, and two, three and two above the hooks.
    let forward = &all["forward"];
    let tokens = number(&all["saes"][0], "data.tokens");
    assert!((number(forward, "block_tokens") - 11.0 * tokens).abs() < 0.5);

    // The same in groups, with the option, and with layers in the name.
    let groups = scratch.sae(&format!(
        "analyze --sae a/l2 --sae b/l1 --sae b/l2 --sae-at-once 1 {DATA} --out groups"
    ));
    assert_eq!(groups.code, 0, "{groups:?}");
    let groups = read_json(&scratch.path("groups/report.json"));
    assert_eq!(groups["plan"]["sae_groups"], json!([1, 1, 1]));
    for at in 0..3 {
        let (one, other) = (&groups["saes"][at], &all["saes"][at]);
        assert_eq!(without_times(one), without_times(other));
    }
    let layers = scratch.sae(&format!(
        "analyze b/l{{layer}} --layers 1..3 {DATA} --out layers"
    ));
    assert_eq!(layers.code, 0, "{layers:?}");
    let layers = read_json(&scratch.path("layers/report.json"));
    assert_eq!(layers["saes"][0]["loss"], all["saes"][1]["loss"]);
    assert_eq!(layers["saes"][1]["loss"], all["saes"][2]["loss"]);
}

#[test]
fn hooks_within_blocks_agree_up_to_rounding() {
    let scratch = Scratch::new();
    copy_at(&scratch, "mlp", "blocks.1.hook_mlp_out", false);
    copy_at(&scratch, "attn", "blocks.2.hook_attn_out", true);
    let outcome = scratch.sae(&format!("analyze mlp attn {DATA} --out all"));
    assert_eq!(outcome.code, 0, "{outcome:?}");
    for name in ["mlp", "attn"] {
        scratch.sae(&format!("analyze {name} {DATA} --out alone"));
        let own = read_json(&scratch.path(&format!("all/{name}/report.json")));
        let alone = read_json(&scratch.path("alone/report.json"));
        for part in ["l0", "loss", "reconstruction_quality", "prompt"] {
            let (mut one, mut other) = (Vec::new(), Vec::new());
            figures(&own[part], &mut one);
            figures(&alone[part], &mut other);
            assert!(!one.is_empty() && one.len() == other.len(), "{part}");
            for (a, b) in one.iter().zip(&other) {
                let allowed = 1e-5 * b.abs().max(1.0);
                assert!((a - b).abs() <= allowed, "{name} {part}: {a} {b}");
            }
        }
    }
}

#[test]
fn together_has_losses_and_a_prompt_of_its_own() {
    let scratch = Scratch::new();
    copy_at(&scratch, "l1", "blocks.1.hook_resid_pre", false);
    let line = format!("{DATA} --together --out all");
    let one = scratch.sae(&format!("analyze l1 {line}"));
    assert_eq!(one.code, 0, "{one:?}");
    let one = read_json(&scratch.path("all/report.json"));
    assert_eq!(
        one["together"]["prompt"], one["saes"][0]["prompt"],
        "all of one are that one"
    );
    copy_at(&scratch, "l2", "blocks.2.hook_resid_pre", false);
    let two = scratch.sae(&format!("analyze l2 l1 {line}"));
    assert_eq!(two.code, 0, "{two:?}");
    let two = read_json(&scratch.path("all/report.json"));
    let together = &two["together"];
    assert_eq!(together["order"], json!(["l1", "l2"]));
    let losses = &together["model_performance_preservation"];
    let ce = number(losses, "ce_loss_with_sae");
    for at in 0..2 {
        assert!(ce > number(&two["saes"][at], "loss.reconstruction"));
        let prompt = &two["saes"][at]["prompt"];
        assert_eq!(prompt["baseline"], together["prompt"]["baseline"]);
        assert_ne!(prompt["with_sae"], together["prompt"]["with_sae"]);
    }
    let page = scratch.read("all/index.html");
    assert!(page.contains("All 2 together"));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let scratch = Scratch::new();
    copy_at(&scratch, "l1", "blocks.1.hook_resid_pre", false);
    copy_at(&scratch, "l9", "blocks.9.hook_resid_pre", false);
    for (more, said) in [
        ("l1 $RUN --hook hook_embed", "--hook: is of one SAE"),
        (
            "l1 $RUN --features-page pages",
            "--features-page: is of one SAE",
        ),
        ("--together", "which SAEs?"),
        ("--layers 0..2", "no RUN is given"),
        ("l{layer}", "give --layers"),
        ("l1 $RUN --together --sae-at-once 1", "cannot be used with"),
    ] {
        scratch.fails(2, &format!("analyze {more} {DATA} --out out"), &[said]);
        assert!(!scratch.path("out").exists(), "{more}");
    }
    let line = format!("analyze l1 l9 {DATA} --out out");
    scratch.fails(1, &line, &["l9", "does not fit the model"]);
    assert!(!scratch.path("out").exists());
}
