//! `sae eval`: SAELens' metrics under SAELens' names.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use serde_json::Value;
use support::{Scratch, assert_close, at, keys, number, read_json};

const DATA: &str = "eval --sae $RUN --model $MODEL --dataset $TEXT";

/// Every figure of every group, by group and name.
fn figures(result: &Value) -> Vec<(String, f64)> {
    let groups = result["metrics"].as_object().unwrap();
    let all = groups.iter().flat_map(|(group, figures)| {
        let figures = figures.as_object().unwrap();
        figures
            .iter()
            .filter_map(move |(name, value)| Some((format!("{group}.{name}"), value.as_f64()?)))
    });
    all.collect()
}

#[test]
fn every_group_and_metric_has_saelens_name() {
    let scratch = Scratch::new();
    let result = scratch.json(&format!("{DATA} --sequences 2"));
    assert_eq!(
        keys(&result),
        [
            "metrics",
            "feature_metrics",
            "sae_cfg",
            "eval_cfg",
            "timings",
            "warnings"
        ]
    );
    assert_eq!(
        result["warnings"],
        serde_json::json!([]),
        "the demo is sound"
    );
    let saelens = [
        (
            "model_behavior_preservation",
            "kl_div_score kl_div_with_ablation kl_div_with_sae",
        ),
        (
            "model_performance_preservation",
            "ce_loss_score ce_loss_with_ablation ce_loss_with_sae ce_loss_without_sae",
        ),
        (
            "reconstruction_quality",
            "explained_variance explained_variance_legacy mse cossim explained_variance_uncentered fvu",
        ),
        (
            "shrinkage",
            "l2_norm_in l2_norm_out l2_ratio relative_reconstruction_bias",
        ),
        (
            "sparsity",
            "l0 l1 l0_std l0_min l0_max l0_median l1_std l1_min l1_max frac_alive freq_over_1_percent freq_over_10_percent",
        ),
        (
            "token_stats",
            "total_tokens_eval_reconstruction total_tokens_eval_sparsity_variance kept_tokens_eval_reconstruction kept_tokens_eval_sparsity_variance",
        ),
    ];
    for (group, names) in saelens {
        for name in names.split(' ') {
            number(&result["metrics"][group], name);
        }
    }
    let arrays = "feature_density consistent_activation_heuristic encoder_norm encoder_bias encoder_decoder_cosine_sim";
    for name in arrays.split(' ') {
        let values = result["feature_metrics"][name].as_array().unwrap();
        assert_eq!(values.len(), 1024, "{name}");
    }
    assert_eq!(result["sae_cfg"]["architecture"], "standard");
    assert_eq!(
        result["sae_cfg"]["metadata"]["hook_name"],
        "blocks.2.hook_resid_pre"
    );
    assert_eq!(result["eval_cfg"]["n_sequences"], 2);
    assert_eq!(result["eval_cfg"]["reconstruction"], "decode(encode(x))");
}

#[test]
fn figures_are_consistent_with_each_other() {
    let scratch = Scratch::new();
    let result = scratch.json(&format!("{DATA} --sequences 4"));
    let m = |path: &str| number(&result["metrics"], path);
    let ablated = m("model_performance_preservation.ce_loss_with_ablation");
    assert!((ablated - 2048.0_f64.ln()).abs() < 1e-4, "{ablated}");
    let score = |new: f64, old: f64| (ablated - new) / (ablated - old);
    assert_close(
        m("model_performance_preservation.ce_loss_score"),
        score(
            m("model_performance_preservation.ce_loss_with_sae"),
            m("model_performance_preservation.ce_loss_without_sae"),
        ),
        1e-9,
    );
    assert_close(
        m("reconstruction_quality.fvu"),
        1.0 - m("reconstruction_quality.explained_variance"),
        1e-9,
    );
    let density = result["feature_metrics"]["feature_density"]
        .as_array()
        .unwrap();
    let l0: f64 = density.iter().map(|d| d.as_f64().unwrap()).sum();
    assert_close(l0, m("sparsity.l0"), 1e-9);
    assert_close(
        m("token_stats.total_tokens_eval_reconstruction"),
        512.0,
        0.0,
    );
}

#[test]
fn the_batch_size_does_not_matter() {
    let scratch = Scratch::new();
    let [one, seven] =
        [1, 7].map(|n| scratch.json(&format!("{DATA} --sequences 16 --batch-size {n}")));
    assert_eq!(one["eval_cfg"]["batch_size"], 1);
    let (one, seven) = (figures(&one), figures(&seven));
    assert!(one.len() > 25);
    assert_eq!(one.len(), seven.len());
    for ((name, a), (_, b)) in one.iter().zip(&seven) {
        assert!((a - b).abs() <= 1e-5 * a.abs().max(1e-3), "{name}: {a} {b}");
    }
}

#[test]
fn masking_is_chosen_and_named() {
    let scratch = Scratch::new();
    let eval = |choice: &str| scratch.json(&format!("{DATA} --sequences 3 {choice}"));
    let kept = |result: &Value| {
        at(
            result,
            "metrics.token_stats.kept_tokens_eval_reconstruction",
        )
        .as_u64()
        .unwrap()
    };
    let convention = |result: &Value| {
        result["eval_cfg"]["convention"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (special, all) = (eval(""), eval("--keep-all-tokens"));
    assert_eq!(
        eval("--exclude-special-tokens")["metrics"],
        special["metrics"],
        "the default"
    );
    assert_eq!(kept(&all), 384);
    assert!(kept(&special) <= 384 - 3, "BOS at least");
    assert!(convention(&special).starts_with("SAELens: positions of tokens 0, 1"));
    assert!(convention(&all).starts_with("SAELens, no token excluded"));
    let bos = eval("--exclude-tokens 0");
    assert_eq!(kept(&bos), 384 - 3);
    assert_eq!(eval("--exclude-tokens 0,1")["metrics"], special["metrics"]);
}

#[test]
fn the_table_and_the_csv_hold_the_same_figures() {
    let scratch = Scratch::new();
    let outcome = scratch.ok(&format!("{DATA} --sequences 2 --json m.json --csv m.csv"));
    let result = read_json(&scratch.path("m.json"));
    let csv = scratch.read("m.csv");
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("group,metric,value"));
    let mut n = 0;
    for line in lines {
        let [group, name, value] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        // serde_json reads the last digit of a number differently than Rust does.
        assert_close(
            value.parse().unwrap(),
            number(&result["metrics"][group], name),
            1e-15,
        );
        assert!(outcome.stdout.contains(&format!("  {name} ")), "{name}");
        n += 1;
    }
    assert_eq!(n, figures(&result).len());
    assert!(outcome.stdout.contains("convention: SAELens"));
    assert!(outcome.stdout.contains("reconstruction: decode(encode(x))"));
    assert_eq!(
        scratch.ok(&format!("{DATA} --sequences 2 --csv -")).stdout,
        csv
    );
}

#[test]
fn an_unreachable_figure_is_null_and_empty() {
    // One token per row once BOS is left out, and no next one: there is no loss to average.
    let scratch = Scratch::new();
    let result = scratch.json(&format!(
        "{DATA} --sequences 1 --context-size 2 --exclude-tokens 0 --csv m.csv"
    ));
    let ce = &result["metrics"]["model_performance_preservation"];
    assert!(ce["ce_loss_with_sae"].is_null(), "{ce}");
    assert!(scratch.read("m.csv").contains("ce_loss_with_sae,\n"));
    assert!(number(&result["metrics"], "sparsity.l0") > 0.0);
}

#[test]
fn budgets_bound_text_and_files() {
    let scratch = Scratch::new();
    let rows = |line: &str| {
        scratch.json(line)["eval_cfg"]["n_sequences"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(
        rows(&format!("{DATA} --context-size 16")),
        128,
        "the default for text"
    );
    assert_eq!(rows(&format!("{DATA} --max-tokens 300")), 2);
    scratch.ok("tokenize --tokenizer $MODEL --dataset $TEXT --context-size 16 --sequences 200 --out t.safetensors");
    let file = "eval --sae $RUN --model $MODEL --tokens t.safetensors";
    assert_eq!(rows(file), 200, "the default for a file");
    assert_eq!(rows(&format!("{file} --sequences 5")), 5);
    assert_eq!(rows(&format!("{file} --max-tokens 100")), 6);
}

#[test]
fn packing_is_chosen() {
    let scratch = Scratch::new();
    let eval = |packing: &str| scratch.json(&format!("{DATA} --sequences 16 --packing {packing}"));
    let (notebook, saelens) = (eval("notebook"), eval("saelens"));
    assert_eq!(saelens["eval_cfg"]["packing"], "saelens");
    assert_ne!(notebook["metrics"], saelens["metrics"]);
}
