//! `sae prompt`: the notebook's prompt check.

mod support;

use support::{Scratch, assert_close, finish, keys, number, reference};

#[test]
fn the_demo_answers_as_in_torch() {
    let scratch = Scratch::new();
    let mut command = scratch.command("prompt --answer Moses --sae $RUN --model $MODEL --json");
    let outcome = finish(command.arg("And the LORD spake unto"));
    assert_eq!(outcome.stderr, "");
    let result = outcome.json();
    for who in ["baseline", "with_sae"] {
        let expected = &reference()["prompt"][who];
        assert_eq!(result[who]["rank"], expected["rank"]);
        assert_close(number(&result[who], "prob"), number(expected, "prob"), 1e-4);
        assert_eq!(
            result[who]["token"], " Moses",
            "a space goes before the answer"
        );
    }
    assert_eq!(result["answer"], " Moses");
}

#[test]
fn without_an_sae_there_is_only_the_model() {
    let scratch = Scratch::new();
    let result = scratch.json("prompt In --answer the --model $MODEL");
    assert_eq!(
        keys(&result),
        [
            "prompt",
            "answer",
            "prompt_tokens",
            "answer_tokens",
            "baseline",
            "with_sae",
            "warnings"
        ]
    );
    assert!(result["with_sae"].is_null());
    let shown = scratch.ok("prompt In --answer the --model $MODEL").stdout;
    assert!(shown.starts_with("Tokenized prompt: ['<|begin_of_text|>', 'In']\nTokenized answer: [' the']\nPerformance on answer token:\n"));
    assert!(!shown.contains("SAE"));
}

#[test]
fn bos_is_there_unless_refused() {
    let scratch = Scratch::new();
    let ask = |bos: &str| scratch.json(&format!("prompt In --answer the --model $MODEL {bos}"));
    let (with, without) = (ask(""), ask("--no-bos"));
    assert_eq!(
        with["prompt_tokens"],
        serde_json::json!(["<|begin_of_text|>", "In"])
    );
    assert_eq!(without["prompt_tokens"], serde_json::json!(["In"]));
    assert_ne!(with["baseline"]["logit"], without["baseline"]["logit"]);
}

#[test]
fn an_answer_of_many_tokens_is_asked_one_after_the_other() {
    let scratch = Scratch::new();
    let mut command = scratch.command("prompt And --model $MODEL --json --answer");
    let result = finish(command.arg("the LORD said")).json();
    assert_eq!(
        result["answer_tokens"],
        serde_json::json!([" the", " LORD", " said"])
    );
    let tokens = result["baseline"]["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), 3);
    assert_eq!(
        tokens[0]["logit"], result["baseline"]["logit"],
        "the first is on top"
    );
    let mut longer = scratch.command("prompt --answer LORD --model $MODEL --json");
    let alone = finish(longer.arg("And the")).json();
    assert_close(
        number(&tokens[1], "logit"),
        number(&alone, "baseline.logit"),
        1e-5,
    );
}

#[test]
fn the_probability_of_a_long_answer_is_not_that_of_its_first_token() {
    let scratch = Scratch::new();
    let ask = |json: &str| {
        let line = format!("prompt And --sae $RUN --model $MODEL {json} --answer");
        finish(scratch.command(&line).arg("the LORD said"))
    };
    let result = ask("--json").json();
    for who in ["baseline", "with_sae"] {
        let tokens = result[who]["tokens"].as_array().unwrap();
        let product: f64 = tokens.iter().map(|token| number(token, "prob")).product();
        assert_close(number(&result[who], "answer_prob"), product, 1e-12);
    }
    let shown = ask("").stdout;
    assert!(!shown.contains("P(answer)"), "{shown}");
    let first = number(&result["with_sae"], "prob");
    assert!(
        shown.contains(&format!("P(first answer token) with SAE: {first:.4}\n")),
        "{shown}"
    );
    assert!(shown.contains("P(whole answer) with SAE: "), "{shown}");
}

#[test]
fn prompts_and_answers_may_begin_with_a_hyphen() {
    let scratch = Scratch::new();
    let result = scratch.json("prompt -In --answer -x --model $MODEL");
    assert_eq!(result["prompt"], "-In");
    assert_eq!(result["answer"], " -x");
}

#[test]
fn a_prompt_may_look_like_a_flag() {
    let scratch = Scratch::new();
    let outcome = scratch.ok("prompt --answer the --model $MODEL --json -- --json");
    assert_eq!(outcome.json()["prompt"], "--json");
}

#[test]
fn control_characters_stay_in_the_json() {
    let scratch = Scratch::new();
    let ask = |json: &str| {
        let mut command = scratch.command(&format!("prompt --model $MODEL {json}"));
        finish(command.args(["In\u{1b}[2J", "--answer", "a\u{7}"]))
    };
    let shown = ask("");
    assert_eq!(shown.code, 0, "{shown:#?}");
    assert!(
        !shown.stdout.contains(['\u{1b}', '\u{7}']),
        "{}",
        shown.stdout
    );
    assert_eq!(ask("--json").json()["prompt"], "In\u{1b}[2J");
}
