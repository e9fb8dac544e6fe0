//! `sae analyze`: the notebook's numbers, in all three of its outputs.

mod support;

use serde_json::Value;
use std::sync::LazyLock;
use support::{Outcome, Scratch, assert_close, at, demo, keys, number, read_json, reference};

/// One run on the bundled demo, for all tests that look at it.
static DEMO: LazyLock<(Outcome, Value, String)> = LazyLock::new(|| {
    let scratch = Scratch::new();
    let outcome = scratch.ok("analyze --out report");
    let names: Vec<_> = scratch.listing().into_iter().collect();
    let expected = [
        "report",
        "report/plots",
        "report/plots/density.svg",
        "report/plots/explained_variance.svg",
        "report/plots/l0.svg",
        "report/plots/losses.svg",
        "report/report.html",
        "report/report.json",
    ];
    assert_eq!(names, expected.map(|name| scratch.path(name)));
    let report = read_json(&scratch.path("report/report.json"));
    (outcome, report, scratch.read("report/report.html"))
});

#[test]
fn figures_are_those_that_torch_computed() {
    let (report, reference) = (&DEMO.1, reference());
    let same = [
        ("l0.mean", "l0.mean"),
        ("l0.std", "l0.std"),
        ("loss.original", "loss.original"),
        ("loss.reconstruction", "loss.reconstruction"),
        ("loss.zero_ablation", "loss.zero_ablation"),
        ("loss.recovered", "recovered"),
        (
            "reconstruction_quality.explained_variance",
            "explained_variance_without_bos",
        ),
        ("prompt.baseline.prob", "prompt.baseline.prob"),
        ("prompt.with_sae.prob", "prompt.with_sae.prob"),
    ];
    for (ours, theirs) in same {
        assert_close(number(report, ours), number(&reference, theirs), 1e-4);
    }
    for answer in ["prompt.baseline.rank", "prompt.with_sae.rank"] {
        assert_eq!(at(report, answer), at(&reference, answer));
    }
    assert_eq!(report["data"]["sequences"], reference["rows"]);
}

#[test]
fn zero_ablation_is_a_uniform_guess() {
    // A Llama has no biases: a residual of zeros stays zero, and so do the logits.
    let found = number(&DEMO.1, "loss.zero_ablation");
    assert!((found - 2048.0_f64.ln()).abs() < 1e-4, "{found}");
}

#[test]
fn the_report_has_the_promised_keys() {
    let report = &DEMO.1;
    let promised = [
        "sae",
        "model",
        "data",
        "l0",
        "features",
        "loss",
        "prompt",
        "conventions",
        "timings",
        "versions",
    ];
    for key in promised {
        assert!(report[key].is_object(), "{key}");
    }
    for key in ["original", "reconstruction", "zero_ablation", "recovered"] {
        number(report, &format!("loss.{key}"));
    }
    let l0 = &report["l0"];
    for key in ["mean", "std", "min", "max", "tokens"] {
        number(l0, key);
    }
    assert_eq!(
        l0["tokens"],
        32 * 127,
        "position 0 of every row is left out"
    );
    let (edges, counts) = (&l0["histogram"]["edges"], &l0["histogram"]["counts"]);
    let (edges, counts) = (edges.as_array().unwrap(), counts.as_array().unwrap());
    assert_eq!(edges.len(), counts.len() + 1);
    let counted: u64 = counts.iter().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(counted, 32 * 127);
    let first = edges[0].as_f64().unwrap();
    assert!(first <= number(l0, "min"), "the bins cover the values");
    assert_eq!(report["sae"]["hook_name"], "blocks.2.hook_resid_pre");
    assert_eq!(
        keys(&report["versions"]),
        ["sae", "burn"],
        "what to name in a bug report"
    );
    assert!(
        report["conventions"]["masking"]
            .as_str()
            .unwrap()
            .starts_with("notebook: ")
    );
    assert_eq!(
        report["warnings"].as_array().unwrap().len(),
        0,
        "the demo is sound"
    );
}

#[test]
fn features_are_counted_and_named() {
    let features = &DEMO.1["features"];
    let histogram = &features["log10_density_histogram"];
    let counts = histogram["counts"].as_array().unwrap().iter();
    let alive: u64 = counts.map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(histogram["dead"], features["n_dead"]);
    assert_eq!(alive + features["n_dead"].as_u64().unwrap(), 1024);
    assert_eq!(features["tokens"], 32 * 127);
    // The recorded densities, summed from the file.
    assert_close(number(features, "recorded.l0"), 19.957_41, 1e-6);
    assert_eq!(DEMO.1["l0"]["nominal"]["source"], "recorded");
    for (list, ascending) in [("peaked", false), ("flat", true)] {
        let named = features[list].as_array().unwrap();
        assert_eq!(named.len(), 5, "{list}");
        let ratio = |f: &Value| number(f, "max") / number(f, "mean");
        let ratios: Vec<f64> = named.iter().map(ratio).collect();
        assert!(ratios.is_sorted_by(|a, b| if ascending { a <= b } else { a >= b }));
        for feature in named {
            let density = number(feature, "density");
            assert!(
                (10.0 / (32.0 * 127.0)..=0.01).contains(&density),
                "{density}"
            );
        }
    }
}

#[test]
fn what_was_checked_is_said() {
    let checks = DEMO.1["checks"].as_array().unwrap();
    let names = [
        "BOS at the head of rows",
        "activation norm",
        "activation function",
        "hook and layer",
        "context length",
    ];
    for (check, name) in checks.iter().zip(names) {
        assert_eq!(
            (&check["name"], &check["verdict"]),
            (&name.into(), &"ok".into())
        );
        assert_eq!(
            keys(check),
            ["name", "expected", "found", "verdict", "note"]
        );
        assert!(DEMO.2.contains(name));
    }
    assert_eq!(checks.len(), names.len());
}

#[test]
fn the_prompt_has_the_promised_keys() {
    let prompt = &DEMO.1["prompt"];
    let tokens = prompt["prompt_tokens"].as_array().unwrap();
    assert_eq!(tokens[0], "<|begin_of_text|>");
    assert_eq!(prompt["answer_tokens"][0], " Moses");
    for who in ["baseline", "with_sae"] {
        let answer = &prompt[who];
        for key in ["rank", "logit", "prob"] {
            number(answer, key);
        }
        let top = answer["top"].as_array().unwrap();
        assert_eq!(top.len(), 10);
        assert_eq!(top[0]["token"], " Moses");
        assert_eq!(top[0]["prob"], answer["prob"], "the answer is on top");
        let probs: Vec<f64> = top.iter().map(|t| number(t, "prob")).collect();
        assert!(probs.is_sorted_by(|a, b| a >= b));
    }
}

#[test]
fn the_terminal_shows_the_notebooks_lines() {
    let shown = &DEMO.0.stdout;
    let lines = [
        "Loaded SAE with d_in=128, d_sae=1024, hook=blocks.2.hook_resid_pre",
        "Mean log sparsity: -1.824",
        "Tokenized dataset ready: [32, 128]",
        "Mean L0: 18.37 +/- 9.45   (min 1, max 93)",
        "Original loss:       3.0816",
        "Reconstruction loss: 3.1936   (97.5 % of the loss recovered)",
        "Zero ablation loss:  7.6246",
        "Tokenized prompt: ['<|begin_of_text|>', 'And', ' the', ' LORD', ' spake', ' unto']",
        "Tokenized answer: [' Moses']",
        "Rank: 0        Logit: 10.81 Prob:  58.41% Token: | Moses|",
        "Top 1th token. Logit:  8.90 Prob:   8.62% Token: | him|",
        "Ranks of the answer tokens: [(' Moses', 0)]",
        "P(answer) with SAE: 0.3013",
    ];
    for line in lines {
        assert!(shown.lines().any(|l| l == line), "{line}\n{shown}");
    }
    assert!(shown.contains("Conventions: notebook: nothing masked in the losses"));
}

#[test]
fn a_named_run_gives_the_same_as_the_bundled_one() {
    let scratch = Scratch::new();
    let given = scratch.json(
        "analyze $RUN --model $MODEL --dataset $TEXT --column text --context-size 128 --batch-size 5 --out made/here",
    );
    for key in ["l0", "loss", "reconstruction_quality"] {
        let (a, b) = (&given[key], &DEMO.1[key]);
        for (name, value) in a.as_object().unwrap() {
            match value.as_f64() {
                Some(value) => assert_close(value, number(b, name), 1e-6),
                None => assert_eq!(value, &b[name]),
            }
        }
    }
    // What is not asked is the notebook's own question.
    let asked = given["prompt"]["prompt"].as_str().unwrap();
    assert!(asked.starts_with("When John and Mary went to the shops"));
    assert_eq!(given["prompt"]["answer"], " Mary");
    assert_eq!(
        given["sae"]["path"],
        demo("run/final_sae").to_str().unwrap()
    );
    assert_eq!(
        read_json(&scratch.path("made/here/report.json")),
        given,
        "stdout and file agree"
    );
}

#[test]
fn what_cfg_names_is_taken_from_where_one_stands() {
    // The demo's cfg.json says "demo/model" and "demo/text", as seen from the repository's root.
    let scratch = Scratch::new();
    let out = scratch.path("out");
    let mut command = scratch.command("analyze $RUN --sequences 1 --out");
    command.arg(&out).current_dir(demo(".."));
    let outcome = support::finish(&mut command);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let report = read_json(&out.join("report.json"));
    assert_eq!(report["model"]["name"], "demo/model");
    assert_eq!(report["data"]["dataset"], "demo/text");
}

#[test]
fn a_wrong_place_is_called_one() {
    let scratch = Scratch::new();
    let report = scratch.json(
        "analyze $RUN --model $MODEL --dataset $TEXT --hook blocks.0.hook_resid_pre --sequences 2 --out o",
    );
    let warnings = report["warnings"].as_array().unwrap();
    let first = warnings[0].as_str().unwrap();
    assert!(first.contains("worse than with the activation zeroed") || first.contains("FVU"));
    assert!(scratch.read("o/report.html").contains("Look out."));
}

#[test]
fn less_text_than_asked_for_is_said() {
    let scratch = Scratch::new();
    scratch.write("short.txt", "And the LORD spake unto Moses. ".repeat(20));
    let outcome = scratch.sae("analyze --dataset short.txt --out o");
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(
        outcome
            .stderr
            .contains("rows of 128 tokens: there are no more (--sequences is 32)"),
        "{outcome:#?}"
    );
    assert!(
        !outcome.stderr.contains('\u{1b}'),
        "no colours where there is no terminal"
    );
    let silent = scratch.ok("analyze --dataset short.txt --out o --quiet");
    assert!(silent.stdout.contains("Mean L0"));
}
