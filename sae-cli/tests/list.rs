//! `sae list`.

mod support;

use serde_json::json;
use support::Scratch;

#[test]
fn releases_and_their_saes_have_the_names_that_commands_take() {
    let scratch = Scratch::new();
    let all = scratch.json("list");
    assert_eq!(all["releases"].as_array().map(Vec::len), Some(13));
    let text = scratch.ok("list --model llama-3-8b").stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[1].starts_with("llama-3-8b-it-res-jh     1  meta-llama/"),
        "{text}"
    );
    let text = scratch.ok("list llama_scope_lxr_8x").stdout;
    assert_eq!(text.lines().count(), 34);
    assert!(
        text.contains(
            "\nllama_scope_lxr_8x/l15r_8x      50          -  Llama3_1-8B-Base-L15R-8x\n"
        ),
        "{text}"
    );
    let some = scratch.json("list llama_scope_lxr_8x/l3*");
    let saes = some["releases"][0]["saes"].as_array();
    let ids = saes.map(|saes| saes.iter().map(|sae| sae["id"].clone()).collect());
    assert_eq!(
        ids,
        Some(vec![json!("l3r_8x"), json!("l30r_8x"), json!("l31r_8x")])
    );
}

#[test]
fn names_that_lead_nowhere_are_told_what_there_is() {
    let scratch = Scratch::new();
    scratch.fails(
        1,
        "list nobody",
        &[
            "nobody: there is no such release; there are ",
            "llama_scope_lxr_8x",
        ],
    );
    scratch.fails(
        1,
        "list llama_scope_lxr_8x/l40r_8x",
        &["the release llama_scope_lxr_8x has no SAE l40r_8x; it has "],
    );
    scratch.fails(1, "list --model gpt2", &["--model gpt2: no SAEs for it"]);
    scratch.fails(
        1,
        "list llama_scope_lxr_8x --model 70b",
        &["--model 70b: no SAEs for it in llama_scope_lxr_8x"],
    );
}
