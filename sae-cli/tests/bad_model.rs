//! Models that are missing, broken or not supported.

mod support;

use support::Scratch;

const CONFIG: &str = "model/config.json";
const WEIGHTS: &str = "model/model.safetensors";
const PROMPT: &str = "prompt In --answer the --model model --json p.json";
const EVAL: &str = "eval --sae $RUN --model model --dataset $TEXT --sequences 1 --json e.json";

/// A copy of the demo's model to break.
fn model() -> Scratch {
    let scratch = Scratch::new();
    scratch.copy_demo("model");
    scratch
}

#[test]
fn no_model() {
    let scratch = Scratch::new();
    scratch.write("file", "");
    scratch.write("empty/x", "");
    let cases: [(&str, &[&str]); 5] = [
        (
            "nowhere",
            &[
                "--model nowhere",
                "neither a directory nor a repository on the Hub",
                "organisation/name",
            ],
        ),
        ("../where", &["\"..\" is not a name"]),
        (
            "no/where",
            &[
                "--model no/where",
                "not in the cache",
                "HF_HUB_OFFLINE is set",
            ],
        ),
        (
            "file",
            &["file: is a file; give the directory that holds config.json"],
        ),
        (
            "empty",
            &["empty: there is no config.json", "model.safetensors"],
        ),
    ];
    for (name, said) in cases {
        scratch.fails(1, &format!("prompt In --answer the --model {name}"), said);
        scratch.fails(
            1,
            &format!("eval --sae $RUN --model {name} --dataset $TEXT"),
            said,
        );
        scratch.fails(
            1,
            &format!("analyze $RUN --model {name} --dataset $TEXT --out o"),
            said,
        );
    }
}

#[test]
fn config_json_says_something_impossible() {
    let cases: [(&str, &str, &[&str]); 11] = [
        ("{", "{,", &["key must be a string at line 1 column 2"]),
        (
            "\"model_type\": \"llama\"",
            "\"model_type\": \"gpt2\"",
            &["`model_type` is \"gpt2\", which is not supported; supported: llama, mistral"],
        ),
        (
            "\"rope_type\": \"default\"",
            "\"rope_type\": \"yarn\"",
            &["`rope_type` is \"yarn\", which is not supported; supported: default, llama3"],
        ),
        (
            "\"hidden_act\": \"silu\"",
            "\"hidden_act\": \"gelu\"",
            &["`hidden_act` is \"gelu\""],
        ),
        (
            "\"attention_bias\": false",
            "\"attention_bias\": true",
            &["attention_bias"],
        ),
        ("\"hidden_size\": 128,", "", &["hidden_size"]),
        (
            "\"hidden_size\": 128",
            "\"hidden_size\": 0",
            &["`hidden_size` is 0, expected a number from 1"],
        ),
        (
            "\"num_attention_heads\": 4",
            "\"num_attention_heads\": 0",
            &["`num_attention_heads` is 0"],
        ),
        (
            "\"num_key_value_heads\": 2",
            "\"num_key_value_heads\": 3",
            &["num_key_value_heads", "3"],
        ),
        (
            "\"num_hidden_layers\": 4",
            "\"num_hidden_layers\": 4000000000",
            &["num_hidden_layers", "4000000000"],
        ),
        (
            "\"rms_norm_eps\": 1e-05",
            "\"rms_norm_eps\": \"small\"",
            &["`rms_norm_eps`: invalid type: string \"small\""],
        ),
    ];
    for (from, to, said) in cases {
        let scratch = model();
        scratch.edit(CONFIG, from, to);
        scratch.fails(1, PROMPT, &[&[CONFIG], said].concat());
    }
}

#[test]
fn weights_are_not_the_configurations() {
    let cases: [(&str, &str, &[&str]); 2] = [
        (
            "\"num_hidden_layers\": 4",
            "\"num_hidden_layers\": 5",
            &[
                "tensor model.layers.4.",
                "is missing from model/model.safetensors",
            ],
        ),
        (
            "\"vocab_size\": 2048",
            "\"vocab_size\": 2000",
            &[
                WEIGHTS,
                "tensor model.embed_tokens.weight has shape [2048, 128], expected [2000, 128]",
            ],
        ),
    ];
    for (from, to, said) in cases {
        let scratch = model();
        scratch.edit(CONFIG, from, to);
        scratch.fails(1, PROMPT, said);
        scratch.fails(1, EVAL, said);
    }
}

#[test]
fn weights_are_not_whole() {
    let scratch = model();
    for len in [0, 7, 100, 100_000, 2_000_000] {
        scratch.truncate(WEIGHTS, len);
        scratch.fails(
            1,
            PROMPT,
            &[WEIGHTS, "is not a safetensors file", "it may be incomplete"],
        );
    }
    std::fs::remove_file(scratch.path(WEIGHTS)).unwrap();
    scratch.fails(1, PROMPT, &["model: there is no model.safetensors"]);
    scratch.write("model/pytorch_model.bin", "");
    scratch.fails(
        1,
        PROMPT,
        &["pytorch_model.bin is not read: save the model with safe_serialization=True"],
    );
}

#[test]
fn an_index_may_not_lead_elsewhere() {
    let scratch = model();
    std::fs::rename(scratch.path(WEIGHTS), scratch.path("outside.safetensors")).unwrap();
    let index = "model/model.safetensors.index.json";
    scratch.write(index, r#"{"weight_map": {"a": "shard-1.safetensors"}}"#);
    scratch.fails(
        1,
        PROMPT,
        &["there is no shard-1.safetensors", "the index names it"],
    );
    scratch.write(index, r#"{"weight_map": {"a": "../outside.safetensors"}}"#);
    scratch.fails(1, PROMPT, &[index, "../outside.safetensors"]);
    scratch.write(index, "{}");
    scratch.fails(1, PROMPT, &[index]);
}

#[test]
fn the_tokenizer_is_unusable() {
    let tokenizer = "model/tokenizer.json";
    let scratch = model();
    for (content, said) in [
        ("{}", "not a tokenizer this version can use"),
        ("{", "is not valid JSON"),
        ("", "is not valid JSON"),
    ] {
        scratch.write(tokenizer, content);
        scratch.fails(1, PROMPT, &[tokenizer, said]);
        scratch.fails(1, EVAL, &[tokenizer, said]);
    }
    std::fs::remove_file(scratch.path(tokenizer)).unwrap();
    scratch.fails(
        1,
        PROMPT,
        &["model: there is no tokenizer.json beside the model's config.json; text needs one"],
    );
    let scratch = model();
    scratch.write(
        "model/tokenizer_config.json",
        r#"{"bos_token": "<nobody>"}"#,
    );
    scratch.fails(
        1,
        PROMPT,
        &["model/tokenizer_config.json", "bos_token", "<nobody>"],
    );
}

#[test]
fn a_tokenizer_without_bos_must_not_be_asked_for_one() {
    let scratch = model();
    scratch.write("model/tokenizer_config.json", "{}");
    scratch.edit(CONFIG, "\"bos_token_id\": 0", "\"bos_token_id\": null");
    scratch.fails(1, PROMPT, &["names no BOS token; use --no-bos"]);
    scratch.ok("prompt In --answer the --model model --no-bos");
    scratch.fails(
        1,
        "tokenize --tokenizer model --dataset $TEXT --context-size 8 --out t",
        &["needs the tokenizer's", "pack without BOS"],
    );
}

#[test]
fn tokens_of_another_tokenizer_are_refused() {
    let scratch = Scratch::new();
    let table =
        support::tensors::Numbers::f32(&[2, 4], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 2048.0, 8.0]);
    support::tensors::write(
        &scratch.path("t.safetensors"),
        [("tokens", table.of(safetensors::Dtype::U32))],
    );
    scratch.fails(
        1,
        "eval --sae $RUN --model $MODEL --tokens t.safetensors --json e.json",
        &[
            "token 2048 at position 2 of row 1 is outside the model's vocabulary of 2048",
            "another model's tokenizer?",
        ],
    );
    scratch.fails(
        1,
        "activations --model $MODEL --tokens t.safetensors --loss --out a.safetensors",
        &["t.safetensors: row 1 has token 2048, which is outside the model's vocabulary (2048)"],
    );
}
