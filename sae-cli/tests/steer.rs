//! `sae generate` with SAEs in place.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use serde_json::{Value, json};
use support::{Scratch, finish, keys};

const GREEDY: &str = "generate Pharaoh --model $MODEL --max-new-tokens 8 --greedy --top 2048";

/// ln p of each token and of all tokens that could have come, in the order of their ids.
fn log_probs(completion: &Value) -> Vec<Vec<(u64, f64)>> {
    let tokens = completion["tokens"].as_array().unwrap().iter();
    let of = |token: &Value| {
        let top = token["top"].as_array().unwrap().iter();
        let pair = |t: &Value| (t["id"].as_u64().unwrap(), t["log_prob"].as_f64().unwrap());
        let mut all: Vec<_> = top.map(pair).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    };
    tokens.map(of).collect()
}

fn off(a: &[Vec<(u64, f64)>], b: &[Vec<(u64, f64)>]) -> f64 {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    pairs.fold(0.0, |most, (a, b)| (a.1 - b.1).abs().max(most))
}

/// What the dashboard says of each feature: on how many tokens it fires, and its maximum.
fn table(scratch: &Scratch, path: &str) -> Vec<(i64, f32)> {
    let file = std::fs::File::open(scratch.path(path)).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let schema = reader.metadata().file_metadata().schema().clone();
    let at = |name: &str| {
        schema
            .get_fields()
            .iter()
            .position(|f| f.name() == name)
            .unwrap()
    };
    let (fired, max) = (at("n_fired"), at("max"));
    let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
    rows.map(|row| (row.get_long(fired).unwrap(), row.get_float(max).unwrap()))
        .collect()
}

/// A table and pages of the demo's features on the start of its text.
fn with_figures() -> Scratch {
    let scratch = Scratch::new();
    scratch.ok(
        "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 32 --sequences 8 --out t.st",
    );
    let dashboard = "dashboard --sae $RUN --model $MODEL --tokens t.st --quiet";
    scratch.ok(&format!("{dashboard} --format parquet --out table"));
    scratch.ok(&format!("{dashboard} --out pages"));
    scratch
}

#[test]
fn edits_of_active_features_change_what_is_said_and_others_do_not() {
    let scratch = with_figures();
    let features = table(&scratch, "table/features.parquet");
    assert_eq!(features.len(), 1024);
    let plain = scratch.json(GREEDY);
    assert!(plain.get("steering").is_none());
    let plain = &plain["completions"][0];
    let steered = |steer: &str| scratch.json(&format!("{GREEDY} --sae $RUN {steer}"));
    let often = (0..1024).max_by_key(|&f| features[f].0).unwrap();
    let never = (0..1024).min_by_key(|&f| features[f].0).unwrap();
    assert_eq!(features[never].0, 0);

    let same = steered(&format!("--steer {never}=ablate"));
    assert_eq!(
        &same["completions"][0], plain,
        "an inactive feature was ablated"
    );
    let same = steered(&format!("--steer {often}=scale:1"));
    assert!(off(&log_probs(&same["completions"][0]), &log_probs(plain)) < 1e-5);
    let ablated = steered(&format!("--steer {often}=ablate"));
    let first = |c: &Value| log_probs(c)[..1].to_vec();
    assert!(off(&first(&ablated["completions"][0]), &first(plain)) > 1e-3);
    let pushed = steered(&format!("--steer {often}=add:80 --steer {never}=clamp:30"));
    assert_ne!(pushed["completions"][0]["text"], plain["text"]);
    assert_eq!(
        pushed["steering"]["saes"][0]["edits"][1],
        json!({
            "feature": never, "edit": "clamp:30", "resolved": "clamp:30", "unit": "the feature's activation", "max": null, "mean": null
        })
    );
    assert_eq!(
        keys(&pushed["steering"]),
        ["saes", "error_term", "part", "special_tokens"]
    );
    let spliced = steered("--no-error-term");
    assert_eq!(spliced["steering"]["error_term"], false);
    assert!(off(&first(&spliced["completions"][0]), &first(plain)) > 1e-3);

    // Maxima from the table and from the page.
    for figures in [
        "table",
        "table/features.parquet",
        "pages",
        "pages/index.html",
    ] {
        let found = steered(&format!("--figures {figures} --steer {often}=clamp:2x"));
        let edit = &found["steering"]["saes"][0]["edits"][0];
        let max = f64::from(features[often].1);
        assert!(
            (edit["max"].as_f64().unwrap() - max).abs() < 1e-6,
            "{figures}"
        );
        let resolved = edit["resolved"].as_str().unwrap();
        let number: f64 = resolved.strip_prefix("clamp:").unwrap().parse().unwrap();
        assert!((number - 2.0 * max).abs() < 1e-5, "{figures}");
    }
    let mean = |figures: &str| {
        let found = steered(&format!("--dashboard {figures} --steer {often}=mean"));
        found["steering"]["saes"][0]["edits"][0]["mean"]
            .as_f64()
            .unwrap()
    };
    let (of_table, of_page) = (mean("table"), mean("pages"));
    assert!(of_table > 0.0 && (of_table - of_page).abs() < 1e-5 * of_table);
    scratch.fails(
        1,
        &format!("{GREEDY} --sae $RUN --figures table --steer {never}=clamp:2x"),
        &["in multiples of its maximum, which is not known"],
    );
}

#[test]
fn a_comparison_has_the_kl_of_the_distributions_that_it_names() {
    let scratch = Scratch::new();
    let call = format!("{GREEDY} --sae $RUN --steer 5=add:25 --compare --steer-part generated");
    let result = scratch.json(&call);
    assert_eq!(
        keys(&result),
        [
            "model",
            "settings",
            "completions",
            "interrupted",
            "steering",
            "plain",
            "comparison",
            "warnings"
        ]
    );
    let (plain, steered) = (&result["plain"][0], &result["completions"][0]);
    let comparison = &result["comparison"][0];
    assert_eq!(comparison["unit"], "nats");
    assert_eq!(plain, &scratch.json(GREEDY)["completions"][0]);
    let alone = scratch.json(&call.replace(" --compare", ""));
    assert_eq!(steered, &alone["completions"][0]);
    let (p, q) = (log_probs(plain), log_probs(steered));
    let tokens = comparison["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), p.len());
    let number = |token: &Value, key: &str| token[key].as_f64().unwrap();
    for (token, said) in tokens.iter().zip(plain["tokens"].as_array().unwrap()) {
        assert_eq!(
            (&token["id"], &token["token"]),
            (&said["id"], &said["token"])
        );
        let error = number(token, "log_prob") - number(said, "log_prob");
        assert!(error.abs() < 1e-4, "{error}");
    }
    // As long as both say the same, the distributions of both are in the JSON.
    let agree = |at: &usize| {
        plain["tokens"].as_array().unwrap()[..*at] == steered["tokens"].as_array().unwrap()[..*at]
            || (0..*at).all(|i| plain["tokens"][i]["id"] == steered["tokens"][i]["id"])
    };
    let together: Vec<usize> = (0..p.len()).take_while(agree).collect();
    assert!(together.len() >= 2, "they part too early to say anything");
    for at in together {
        assert_eq!(p[at].len(), 2048);
        let kl: f64 = p[at]
            .iter()
            .zip(&q[at])
            .map(|(p, q)| p.1.exp() * (p.1 - q.1))
            .sum();
        let found = number(&tokens[at], "kl");
        assert!((found - kl).abs() < 1e-4, "{found} is not {kl}");
        // The prompt is left alone.
        assert_eq!(kl > 1e-4, at > 0, "token {at}: {kl}");
        let id = tokens[at]["id"].as_u64().unwrap() as usize;
        assert!((number(&tokens[at], "steered_log_prob") - q[at][id].1).abs() < 1e-4);
    }
    let mean = tokens.iter().map(|token| number(token, "kl")).sum::<f64>() / tokens.len() as f64;
    assert!((comparison["mean_kl"].as_f64().unwrap() - mean).abs() < 1e-12);

    let wide = scratch.ok(&call).stdout;
    assert!(
        wide.contains("without steering") && wide.contains(" │ steered"),
        "{wide}"
    );
    assert!(wide.contains("mean KL"));
    let narrow = finish(scratch.command(&call).env("COLUMNS", "50")).stdout;
    assert!(
        narrow.starts_with("without steering:\n") && !narrow.contains('│'),
        "{narrow}"
    );
}

#[test]
fn several_saes_steer_at_their_own_hooks_whatever_the_batch() {
    let scratch = Scratch::new();
    scratch.copy_demo("run");
    scratch.edit(
        "run/final_sae/cfg.json",
        "blocks.2.hook_resid_pre",
        "blocks.3.hook_resid_pre",
    );
    scratch.write(
        "p.txt",
        "In the beginning\nAnd\nThe children of Israel went out\n",
    );
    let call = |more: &str| {
        scratch.json(&format!(
            "generate --prompts p.txt --model $MODEL --max-new-tokens 6 --top 2 --sae $RUN --sae run --steer 1:5=add:20 {more}"
        ))
    };
    let both = call("--steer run/:7=clamp:10");
    let saes = &both["steering"]["saes"];
    assert_eq!(
        (&saes[0]["hook_name"], &saes[1]["hook_name"]),
        (
            &json!("blocks.2.hook_resid_pre"),
            &json!("blocks.3.hook_resid_pre")
        )
    );
    assert_eq!(saes[1]["edits"][0]["feature"], 7);
    let ids = |result: &Value| {
        let tokens = result["completions"].as_array().unwrap().iter();
        let tokens = tokens.flat_map(|c| c["tokens"].as_array().unwrap().clone());
        tokens.map(|token| token["id"].clone()).collect::<Vec<_>>()
    };
    for size in [1, 2] {
        let alone = call(&format!("--steer 2:7=clamp:10 --batch-size {size}"));
        assert_eq!(ids(&alone), ids(&both), "{size} at a time");
    }
    assert_ne!(ids(&call("")), ids(&both));
    let plan =
        scratch.json("generate In --model $MODEL --sae $RUN --sae run --steer 1:5=ablate --plan");
    let part = |plan: &Value, name: &str| {
        let parts = plan["parts"].as_array().unwrap().iter();
        let of = parts.filter(|part| part["name"] == name);
        of.map(|part| part["bytes"].as_u64().unwrap()).sum::<u64>()
    };
    let one = scratch.json("generate In --model $MODEL --sae $RUN --steer 5=ablate --plan");
    assert_eq!(part(&plan, "SAE"), 2 * part(&one, "SAE"));
    // 1024 features of width 128: both matrices and both biases, in f32.
    assert_eq!(part(&one, "SAE"), 4 * (2 * 1024 * 128 + 1024 + 128));
}

#[test]
fn a_push_longer_than_what_it_pushes_is_warned_of() {
    let scratch = Scratch::new();
    let of = |edit: &str, more: &str| {
        scratch.json(&format!(
            "generate Pharaoh --model $MODEL --max-new-tokens 2 --sae $RUN --steer 5={edit} {more}"
        ))
    };
    let change = |found: &Value| {
        found["steering"]["saes"][0]["relative_change"]
            .as_f64()
            .unwrap()
    };
    let small = of("add:0.5", "");
    let large = of("add:5e4", "");
    // A straight line: twice as far is twice as much.
    assert!((change(&large) / change(&small) / 1e5 - 1.0).abs() < 1e-3);
    assert_eq!(small["warnings"], json!([]));
    for found in [large, of("add:5e4", "--compare")] {
        let warnings = found["warnings"].to_string();
        assert!(
            warnings.contains("steering moved the activations at blocks.2.hook_resid_pre by"),
            "{warnings}"
        );
    }
}

#[test]
fn bad_calls_are_explained() {
    let scratch = Scratch::new();
    scratch.copy_demo("run");
    scratch.write("other/run/final_sae/cfg.json", "{}");
    scratch.write("p/index.html", "<p>no page</p>");
    let of = |more: &str| format!("generate In --model $MODEL --max-new-tokens 2 {more}");
    for (more, code, part) in [
        ("--steer 5=ablate", 2, "--sae"),
        (
            "--sae run",
            2,
            "nothing is done with it; give --steer FEATURE=EDIT, or --no-error-term",
        ),
        ("--sae run --steer 5=push", 2, "\"push\" is not an edit"),
        ("--sae run --steer 5", 2, "is not of the form FEATURE=EDIT"),
        (
            "--sae run --steer 1024=ablate",
            1,
            "there is no feature 1024: the dictionary has 1024",
        ),
        (
            "--sae run --steer 5=ablate --steer 5=clamp:2",
            1,
            "feature 5 is set twice, by ablate and by clamp:2",
        ),
        ("--sae run --steer 5=clamp:2x", 1, "give --figures"),
        (
            "--sae run --steer 5=mean",
            1,
            "the mean of feature 5 is not known",
        ),
        (
            "--sae run --steer runs:5=ablate",
            2,
            "runs is none of the SAEs 1: run",
        ),
        (
            "--sae run --sae $RUN --steer 5=ablate",
            2,
            "of which SAE? write RUN:5=ablate",
        ),
        (
            "--sae run --sae other/run --steer 3:5=ablate",
            2,
            "3 is none of the SAEs 1: run, 2: other/run",
        ),
        (
            "--sae run --steer 5=clamp:2x --figures p",
            1,
            "is not a page of features",
        ),
        (
            "--sae run --steer 5=clamp:2x --figures nowhere",
            1,
            "nowhere",
        ),
        (
            "--sae run --steer 5=clamp:2x --figures other",
            1,
            "has neither index.html nor features.parquet",
        ),
        (
            "--sae run --steer 5=clamp:2x --figures p --figures p",
            2,
            "--figures: 2 for 1 SAEs",
        ),
        ("--compare", 2, "--sae"),
    ] {
        scratch.fails(code, &of(more), &[part]);
    }
    scratch.edit(
        "run/final_sae/cfg.json",
        "blocks.2.hook_resid_pre",
        "blocks.9.hook_resid_pre",
    );
    scratch.fails(
        1,
        &of("--sae run --steer 5=ablate"),
        &["run", "blocks.9.hook_resid_pre"],
    );
}
