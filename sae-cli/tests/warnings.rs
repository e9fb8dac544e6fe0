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
