//! `sae generate`: prompts and conversations continued.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use serde_json::{Value, json};
use support::{Scratch, finish, keys};

const TEMPLATE: &str = "{{ bos_token }}{% for m in messages %}{{ m.role | upper }}: {{ m.content }}\n{% endfor %}\
    {% if messages[-1].role == 'assistant' %}{{ raise_exception('the user must speak last') }}{% endif %}\
    {% if add_generation_prompt %}ASSISTANT:{% endif %}";

fn with_template() -> Scratch {
    let scratch = Scratch::new();
    scratch.copy_demo("model");
    scratch.write("model/chat_template.jinja", TEMPLATE);
    scratch
}

fn ids(completion: &Value) -> Vec<u64> {
    let tokens = completion["tokens"].as_array().unwrap().iter();
    tokens.map(|token| token["id"].as_u64().unwrap()).collect()
}

#[test]
fn the_likeliest_text_is_printed_and_told() {
    let scratch = Scratch::new();
    let mut command =
        scratch.command("generate --model $MODEL --max-new-tokens 12 --top 3 --json out.json");
    let outcome = finish(command.arg("And the LORD spake unto"));
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    let result = support::read_json(&scratch.path("out.json"));
    assert_eq!(
        keys(&result),
        [
            "model",
            "settings",
            "completions",
            "interrupted",
            "warnings"
        ]
    );
    let completion = &result["completions"][0];
    assert_eq!(
        outcome.stdout,
        format!("{}\n", completion["text"].as_str().unwrap())
    );
    assert!(outcome.stdout.starts_with(" Moses"), "{}", outcome.stdout);
    assert_eq!(
        (completion["stop_reason"].as_str(), ids(completion).len()),
        (Some("length"), 12)
    );
    assert_eq!(completion["prompt_ids"][0], 0, "BOS");
    assert_eq!(result["settings"]["do_sample"], false);
    let first = &completion["tokens"][0];
    assert_eq!(
        (&first["token"], &first["top"][0]["id"]),
        (&json!(" Moses"), &first["id"])
    );
    // As the prompt check has it.
    let mut check = scratch.command("prompt --answer Moses --model $MODEL --json");
    let prob = finish(check.arg("And the LORD spake unto")).json()["baseline"]["prob"]
        .as_f64()
        .unwrap();
    assert!((first["log_prob"].as_f64().unwrap() - prob.ln()).abs() < 1e-4);
}

#[test]
fn batches_do_not_change_what_is_said() {
    let scratch = Scratch::new();
    scratch.write(
        "p.txt",
        "In the beginning\n\nAnd\nThe children of Israel went out of the land\n",
    );
    let call = |more: &str| {
        let result = scratch.json(&format!("generate --prompts p.txt --model $MODEL --max-new-tokens 9 --temperature 1.5 --seed 3 --n 3 {more}"));
        let completions = result["completions"].as_array().unwrap().clone();
        completions.iter().map(ids).collect::<Vec<_>>()
    };
    let all = call("");
    assert_eq!(all.len(), 9);
    for size in [1, 2, 4] {
        assert_eq!(call(&format!("--batch-size {size}")), all);
    }
    assert_ne!(all[0], all[1]);
    let shown = scratch
        .ok("generate --prompts p.txt --model $MODEL --max-new-tokens 2")
        .stdout;
    assert_eq!(shown.matches("--- ").count(), 3);
}

#[test]
fn conversations_go_through_the_template_with_one_bos() {
    let scratch = with_template();
    scratch.write("c.json", r#"[{"role": "user", "content": "Who spake?"}]"#);
    let result =
        scratch.json("generate --chat c.json --model model --max-new-tokens 3 --system Obey.");
    let completion = &result["completions"][0];
    assert_eq!(
        completion["prompt"],
        "<|begin_of_text|>SYSTEM: Obey.\nUSER: Who spake?\nASSISTANT:"
    );
    let prompt: Vec<u64> = serde_json::from_value(completion["prompt_ids"].clone()).unwrap();
    assert_eq!(prompt.iter().filter(|&&id| id == 0).count(), 1);
    let same = scratch.json("generate Who_spake? --model model --max-new-tokens 3 --system Obey.");
    assert_eq!(
        same["completions"][0]["prompt"],
        "<|begin_of_text|>SYSTEM: Obey.\nUSER: Who_spake?\nASSISTANT:"
    );
    scratch.write(
        "c.json",
        r#"{"messages": [{"role": "assistant", "content": "x"}]}"#,
    );
    scratch.fails(
        1,
        "generate --chat c.json --model model",
        &["refuses these messages: the user must speak last"],
    );
    scratch.fails(
        1,
        "generate Hello --chat-template --model $MODEL",
        &["no chat template in"],
    );
}

#[test]
fn texts_and_tokens_end_it() {
    let scratch = Scratch::new();
    let run = |more: &str| {
        let mut command = scratch.command(&format!(
            "generate --model $MODEL --max-new-tokens 12 --json {more}"
        ));
        finish(command.arg("And the LORD spake unto")).json()["completions"][0].clone()
    };
    let free = run("");
    let text = free["text"].as_str().unwrap();
    let word = text.split(' ').nth(3).unwrap();
    let stopped = run(&format!("--stop {word}"));
    assert_eq!(stopped["text"], text[..text.find(word).unwrap()]);
    assert_eq!(
        (&stopped["stop_reason"], &stopped["stopped_at"]),
        (&json!("stop_text"), &json!(word))
    );
    scratch.copy_demo("model");
    scratch.write(
        "model/generation_config.json",
        format!(
            r#"{{"eos_token_id": [1, {}], "num_beams": 3}}"#,
            ids(&free)[4]
        ),
    );
    let mut command = scratch.command("generate --model model --max-new-tokens 12 --json");
    let outcome = finish(command.arg("And the LORD spake unto"));
    let result = outcome.json();
    let ended = &result["completions"][0];
    assert_eq!(
        (ended["stop_reason"].as_str(), ids(ended)),
        (Some("stop_token"), ids(&free)[..=4].to_vec())
    );
    assert!(text.starts_with(ended["text"].as_str().unwrap()));
    assert!(
        result["warnings"][0]
            .as_str()
            .unwrap()
            .contains("num_beams 3")
    );
}

#[test]
fn bad_calls_are_explained() {
    let scratch = with_template();
    scratch.write("bad.jsonl", "{\"text\": \"a\"}\n[3]\n");
    for (call, code, part) in [
        ("generate --model $MODEL", 2, "required"),
        (
            "generate a --model $MODEL --n 2",
            2,
            "--n 2: without chance all would be the same; add --sample",
        ),
        (
            "generate a --model $MODEL --greedy --top-k 3",
            2,
            "cannot be used with",
        ),
        (
            "generate a --model $MODEL --temperature 0",
            1,
            "temperature is 0: it must be above 0",
        ),
        (
            "generate a --model model --chat-template --date yesterday",
            2,
            "is not a date: expected one like 2024-07-26",
        ),
        (
            "generate --prompts bad.jsonl --model $MODEL",
            1,
            "bad.jsonl, line 2",
        ),
        ("generate --prompts none.txt --model $MODEL", 1, "none.txt"),
        ("generate a --model $MODEL --memory 1MB", 1, "KV cache"),
    ] {
        scratch.fails(code, call, &[part]);
    }
}
