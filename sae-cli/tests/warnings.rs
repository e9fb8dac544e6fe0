//! What runs but looks wrong: said on stderr, and in the JSON where there is a list for it.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use support::{Outcome, Scratch, finish, sae};

const EVAL: &str = "eval --sae $RUN --model $MODEL --dataset $TEXT --sequences 2";

/// Runs the program, which must succeed and warn of each of these.
#[track_caller]
fn warns(scratch: &Scratch, line: &str, said: &[&str]) -> Outcome {
    let outcome = scratch.sae(line);
    assert_eq!(outcome.code, 0, "sae {line}\n{outcome:#?}");
    for part in said {
        assert!(
            outcome.stderr.contains(part),
            "sae {line}\nwithout {part:?}:\n{}",
            outcome.stderr
        );
    }
    assert_eq!(scratch.sae(&format!("{line} --quiet")).stderr, "", "{line}");
    outcome
}

#[test]
fn eval_calls_a_wrong_place_one() {
    let scratch = Scratch::new();
    let wrong = format!("{EVAL} --hook blocks.0.hook_resid_pre --json");
    let outcome = warns(&scratch, &wrong, &["WARN", "FVU"]);
    let json = outcome.json();
    let warnings = json["warnings"].as_array().unwrap();
    assert!(
        warnings
            .iter()
            .any(|warning| warning.as_str().unwrap().contains("FVU"))
    );
}

#[test]
fn a_transcoder_without_a_place_to_write_to() {
    let scratch = Scratch::new();
    let mut cfg = sae::cfg("transcoder", 128, 16, "blocks.1.ln2.hook_normalized");
    cfg["d_out"] = 128.into();
    sae::zero(&scratch, "sae", &cfg);
    let said =
        ["cfg.json names no hook_name_out: its output replaces blocks.1.ln2.hook_normalized"];
    let data = "--model $MODEL --dataset $TEXT --sequences 1";
    let outcome = warns(&scratch, &format!("eval --sae sae {data} --json"), &said);
    assert!(outcome.json()["warnings"].to_string().contains(said[0]));
    warns(
        &scratch,
        "prompt In --answer the --sae sae --model $MODEL",
        &said,
    );
    let report = scratch.json(&format!("analyze sae {data} --out o"));
    assert!(report["warnings"].to_string().contains(said[0]));
    cfg["metadata"]["hook_name_out"] = "blocks.1.hook_mlp_out".into();
    sae::zero(&scratch, "sae", &cfg);
    scratch.ok("prompt In --answer the --sae sae --model $MODEL");
}

#[test]
fn a_model_of_nan_is_called_one() {
    let scratch = Scratch::new();
    scratch.copy_demo("model");
    let weights = scratch.path("model/model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    let end = bytes.len();
    bytes[end - 512..].fill(0xff);
    std::fs::write(&weights, bytes).unwrap();
    let said = ["The model's own loss is not a finite number"];
    let data = "--model model --dataset $TEXT --sequences 1";
    warns(&scratch, &format!("eval --sae $RUN {data}"), &said);
    let report = scratch.json(&format!("analyze $RUN {data} --out o"));
    assert!(report["warnings"][0].as_str().unwrap().contains(said[0]));
    assert!(report["loss"]["original"].is_null());
    let prompt = "prompt In --answer the --sae $RUN --model model";
    let said = ["the model's logits are not numbers (NaN)"];
    let shown = warns(&scratch, prompt, &said).stdout;
    assert!(shown.contains("Rank: undefined"), "{shown}");
    let result = warns(&scratch, &format!("{prompt} --json"), &said).json();
    for key in ["rank", "logit", "prob", "answer_prob"] {
        assert!(result["baseline"][key].is_null(), "{key}");
    }
}

#[test]
fn tokens_of_another_tokenizer() {
    let scratch = Scratch::new();
    scratch.copy_demo("model");
    // A tokenizer with a token more, and one with the same number of other tokens.
    for name in ["more", "other"] {
        for file in [
            "config.json",
            "tokenizer_config.json",
            "tokenizer.json",
            "model.safetensors",
        ] {
            scratch.write(
                &format!("{name}/{file}"),
                std::fs::read(scratch.path(&format!("model/{file}"))).unwrap(),
            );
        }
    }
    let vocabulary = "\"vocab\": {";
    let text = scratch.read("more/tokenizer.json");
    let (before, after) = text.split_once("\"vocab\":").expect(vocabulary);
    let after = after.trim_start().strip_prefix('{').unwrap();
    scratch.write(
        "more/tokenizer.json",
        format!("{before}\"vocab\":{{\"surely not a token\": 2048,{after}"),
    );
    scratch.write("other/tokenizer.json", format!("{text}\n"));
    let tokenize = "--dataset $TEXT --context-size 16 --sequences 2 --out";
    for name in ["model", "more", "other"] {
        scratch.ok(&format!(
            "tokenize --tokenizer {name} {tokenize} {name}.safetensors"
        ));
    }
    let uses = |name: &str| {
        [
            format!("eval --sae $RUN --model model --tokens {name}.safetensors"),
            format!("eval --sae $RUN --model model --dataset {name}.safetensors --context-size 16"),
            format!("activations --model model --tokens {name}.safetensors --loss --out a.st"),
            format!(
                "analyze $RUN --model model --dataset {name}.safetensors --context-size 16 --sequences 2 --out o"
            ),
        ]
    };
    for line in uses("model") {
        scratch.ok(&line);
    }
    for line in uses("more") {
        warns(
            &scratch,
            &line,
            &[
                "more.safetensors: was made with a tokenizer of 2049 tokens",
                "the model's has 2048",
            ],
        );
    }
    for line in uses("other") {
        warns(
            &scratch,
            &line,
            &[
                "other.safetensors: was made with the tokenizer other",
                "another than the model's",
            ],
        );
    }
}

#[test]
fn prompts_longer_than_the_trained_context() {
    let scratch = Scratch::new();
    scratch.copy_demo("model");
    scratch.edit(
        "model/config.json",
        "\"max_position_embeddings\": 128",
        "\"max_position_embeddings\": 8",
    );
    let said = "tokens together, more than the 8 that the model was trained for";
    let mut command = scratch.command("prompt --model model --answer Moses");
    let outcome = finish(command.arg("And the LORD spake unto Moses and Aaron and unto"));
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(outcome.stderr.contains(said), "{outcome:#?}");
    scratch.ok("prompt In --model model --answer the");
    let analyze =
        "analyze $RUN --model model --dataset $TEXT --sequences 1 --context-size 8 --out o";
    warns(&scratch, analyze, &[said]);
}

#[test]
fn a_filter_of_logs_that_is_none() {
    let scratch = Scratch::new();
    let outcome = finish(scratch.command("info $RUN").env("SAE_LOG", "sae_cli=loud"));
    assert_eq!(outcome.code, 0);
    assert!(
        outcome
            .stderr
            .contains("SAE_LOG is \"sae_cli=loud\", which is not understood"),
        "{outcome:#?}"
    );
    for silent in ["", "warn"] {
        let outcome = finish(scratch.command("info $RUN").env("SAE_LOG", silent));
        assert_eq!(outcome.stderr, "", "{silent:?}");
    }
}

/// The warnings of an analysis of `run` on two rows, with these options.
fn analysed(scratch: &Scratch, options: &str) -> String {
    let line = format!("analyze run --model $MODEL {options} --sequences 2 --out o");
    scratch.json(&line)["warnings"].to_string()
}

#[test]
fn conventions_that_are_not_kept() {
    let scratch = Scratch::new();
    scratch.copy_demo("run");
    let text = "--dataset $TEXT";
    assert_eq!(analysed(&scratch, text), "[]");
    let longer = analysed(&scratch, &format!("{text} --context-size 16"));
    assert_eq!(longer, "[]", "shorter rows are nothing to warn of");

    let tokenize = "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 64 --sequences 2";
    scratch.ok(&format!("{tokenize} --out with.safetensors"));
    scratch.ok(&format!("{tokenize} --no-bos --out without.safetensors"));
    assert_eq!(analysed(&scratch, "--tokens with.safetensors"), "[]");
    let without = analysed(&scratch, "--tokens without.safetensors");
    assert!(without.contains("0 of 2 rows begin with BOS"), "{without}");

    let cfg = "run/final_sae/cfg.json";
    for (said, set, quiet) in [
        (
            "longer than the 64 that the SAE",
            ("context_size", 64.into()),
            128.into(),
        ),
        ("hook_layer 3", ("hook_layer", 3.into()), 2.into()),
    ] {
        let (key, wrong): (&str, serde_json::Value) = set;
        let right: serde_json::Value = quiet;
        let mut value = support::read_json(&scratch.path(cfg));
        value["metadata"][key] = wrong;
        scratch.write(cfg, value.to_string());
        let found = analysed(&scratch, &format!("{text} --context-size 128"));
        assert!(found.contains(said), "{found}");
        value["metadata"][key] = right;
        scratch.write(cfg, value.to_string());
        assert_eq!(analysed(&scratch, text), "[]", "{key}");
    }

    let elsewhere = analysed(&scratch, &format!("{text} --hook blocks.1.hook_resid_pre"));
    assert!(elsewhere.contains("but cfg.json says blocks.2.hook_resid_pre"));
}

#[test]
fn l0_far_from_what_the_run_recorded() {
    let scratch = Scratch::new();
    scratch.copy_demo("run");
    let record = |each: f32| {
        let numbers = support::tensors::Numbers::f32(&[1024], std::iter::repeat_n(each, 1024));
        support::tensors::write(
            &scratch.path("run/sparsity.safetensors"),
            [("sparsity", numbers)],
        );
    };
    // 1024 features at 10^-1 and 10^-3.5 are an L0 of 102 and 0.3; at 10^-1.7, of 20.
    for (each, is_far) in [(-1.0, true), (-3.5, true), (-1.7, false)] {
        record(each);
        let found = analysed(&scratch, "--dataset $TEXT");
        assert_eq!(
            found.contains("the run recorded densities"),
            is_far,
            "{each}: {found}"
        );
        let eval = scratch.sae("eval --sae run --model $MODEL --dataset $TEXT --sequences 2");
        assert_eq!(eval.stderr.contains("the run recorded densities"), is_far);
    }
}

#[test]
fn a_name_on_neuronpedia_that_nobody_gave() {
    let scratch = Scratch::new();
    let dashboard = "dashboard --sae $RUN --model $MODEL --dataset $TEXT --context-size 32 --sequences 4 --features 0-3";
    for format in ["export", "neuronpedia"] {
        let line = format!("{dashboard} --format {format}");
        let made =
            "the files for it say model/2-sae, made from the model's name and the hook's layer";
        let outcome = scratch.sae(&format!("{line} --out {format} --json"));
        assert_eq!(outcome.code, 0, "{outcome:#?}");
        assert!(outcome.stderr.contains(made), "{}", outcome.stderr);
        assert!(
            outcome.json()["warnings"]
                .to_string()
                .contains("--neuronpedia-id")
        );
        let given = scratch.sae(&format!(
            "{line} --neuronpedia-id a/2-b --out {format}-given"
        ));
        assert!(!given.stderr.contains("WARN"), "{}", given.stderr);
    }
    let pages = scratch.sae(&format!("{dashboard} --out pages"));
    assert!(!pages.stderr.contains("WARN"), "{}", pages.stderr);
}
