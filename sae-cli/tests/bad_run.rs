//! Runs that are missing, broken or from elsewhere: what is wrong, where, and what to try.

mod support;

use support::tensors::Numbers;
use support::{Scratch, demo, sae};

const CFG: &str = "run/final_sae/cfg.json";
const WEIGHTS: &str = "run/final_sae/sae_weights.safetensors";
const EVAL: &str =
    "eval --sae run --model $MODEL --dataset $TEXT --sequences 1 --json e.json --csv e.csv";
const ANALYZE: &str = "analyze run --model $MODEL --dataset $TEXT --sequences 1 --out some/where";

/// A copy of the demo's run to break.
fn run() -> Scratch {
    let scratch = Scratch::new();
    scratch.copy_demo("run");
    scratch
}

#[test]
fn no_run() {
    let scratch = run();
    scratch.write("empty/x", "");
    let cases = [
        (
            "nowhere",
            "nowhere: no such folder; expected a SAELens run, with cfg.json",
        ),
        (
            CFG,
            "run/final_sae/cfg.json: is a file; expected the folder",
        ),
        (
            "empty",
            "empty: holds neither cfg.json nor final_sae/cfg.json; is this the folder of a SAELens run?",
        ),
    ];
    for (path, said) in cases {
        scratch.fails(1, &format!("info {path} --json i.json"), &[said]);
        scratch.fails(1, &format!("eval --sae {path} --dataset $TEXT"), &[said]);
        scratch.fails(1, &format!("analyze {path} --out o"), &[said]);
        scratch.fails(1, &format!("prompt In --answer the --sae {path}"), &[said]);
        scratch.fails(
            1,
            &format!("encode --sae {path} --input {WEIGHTS} --out e"),
            &[said],
        );
    }
}

#[test]
fn cfg_json_says_something_impossible() {
    let cases: [(&str, &str, &[&str]); 12] = [
        (
            "\"context_size\": 128",
            "\"context_size\": 1152921504606846976",
            &["context_size is 1152921504606846976; expected 1 to 16777216 tokens"],
        ),
        (
            "\"context_size\": 128",
            "\"context_size\": 0",
            &["context_size is 0; expected 1 to 16777216 tokens"],
        ),
        ("\"d_in\":", "\"d_in\"", &["expected `:` at line 1 column"]),
        (
            "\"standard\"",
            "\"banana\"",
            &[
                "architecture is \"banana\"",
                "expected one of standard, topk,",
            ],
        ),
        (
            "\"standard\"",
            "\"batch_topk\"",
            &[
                "architecture is \"batch_topk\"",
                "batchtopk, matryoshka_batchtopk",
            ],
        ),
        (
            "\"standard\"",
            "\"topk\"",
            &["k is missing", "the number of features that stay active"],
        ),
        ("\"d_in\": 128, ", "", &["missing field `d_in`"]),
        (
            "\"d_sae\": 1024",
            "\"d_sae\": -3",
            &["d_sae: invalid value: integer `-3`, expected a whole number from 0"],
        ),
        (
            "\"d_in\": 128",
            "\"d_in\": \"128\"",
            &["d_in: invalid type: string \"128\", expected a whole number from 0"],
        ),
        (
            "\"d_sae\": 1024",
            "\"d_sae\": 0",
            &["d_sae is 0; expected 1 to"],
        ),
        (
            "\"d_sae\": 1024",
            "\"d_sae\": 99999999999999",
            &["d_sae is 99999999999999; expected 1 to"],
        ),
        (
            "\"normalize_activations\": \"none\"",
            "\"normalize_activations\": \"zscore\"",
            &["normalize_activations is \"zscore\"", "layer_norm"],
        ),
    ];
    for (from, to, said) in cases {
        let scratch = run();
        scratch.edit(CFG, from, to);
        let said = [&[CFG], said].concat();
        scratch.fails(1, "info run", &said);
        scratch.fails(1, EVAL, &said);
    }
}

#[test]
fn cfg_json_is_something_else() {
    let scratch = run();
    for (content, said) in [
        ("", "EOF while parsing"),
        ("[]", "cfg.json"),
        ("\u{feff}{}", "cfg.json"),
        ("null", "cfg.json"),
    ] {
        scratch.write(CFG, content);
        scratch.fails(1, "info run", &[CFG, said]);
    }
    scratch.write(CFG, vec![b' '; 64 << 20]);
    scratch.fails(
        1,
        "info run",
        &[CFG, "67108864 bytes", "another kind of file"],
    );
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    scratch.write(CFG, format!("{{\"metadata\": {nested}}}"));
    scratch.fails(1, "info run", &[CFG]);
}

#[test]
fn metadata_is_never_dropped_in_silence() {
    let scratch = run();
    for found in ["\"x\"", "[]", "null", "3"] {
        let cfg = format!(
            "{{\"architecture\": \"standard\", \"d_in\": 128, \"d_sae\": 1024, \"metadata\": {found}}}"
        );
        scratch.write(CFG, cfg);
        let said = format!("metadata is {found}; expected an object, with hook_name");
        scratch.fails(1, "info run", &[CFG, &said]);
    }
}

#[test]
fn an_activation_that_is_not_known_is_never_a_silent_relu() {
    let scratch = run();
    let old = serde_json::json!({
        "hook_point": "blocks.2.hook_resid_pre", "d_in": 128, "d_sae": 1024, "activation_fn_str": "tanh-relu", "dtype": "float32",
    });
    scratch.write(CFG, old.to_string());
    scratch.fails(1, "info run", &[CFG, "tanh-relu"]);
}

#[test]
fn the_hook_is_not_one() {
    let hook = "blocks.2.hook_resid_pre";
    let cases: [(&str, &[&str]); 3] = [
        (
            "blocks.2.hook_resid_prr",
            &[
                CFG,
                "there is no hook \"blocks.2.hook_resid_prr\"",
                "did you mean blocks.2.hook_resid_pre",
            ],
        ),
        (
            "blocks.9.hook_resid_pre",
            &[
                "run/final_sae",
                "blocks.9.hook_resid_pre does not exist: the model has 4 blocks, blocks.0 to blocks.3",
            ],
        ),
        ("", &[CFG, "there is no hook \"\""]),
    ];
    for (wrong, said) in cases {
        let scratch = run();
        scratch.edit(CFG, hook, wrong);
        for line in [
            EVAL,
            ANALYZE,
            "prompt In --answer the --sae run --model $MODEL",
        ] {
            scratch.fails(1, line, said);
        }
    }
    let scratch = run();
    scratch.fails(
        1,
        &format!("{EVAL} --hook blocks.0.hook_resid_pro"),
        &[
            "--hook: there is no hook",
            "did you mean blocks.0.hook_resid_pre",
        ],
    );
    scratch.fails(
        1,
        &format!("{ANALYZE} --hook blocks.4.hook_resid_pre"),
        &["the model has 4 blocks"],
    );
    scratch.edit(CFG, "\"hook_name\"", "\"hook_nam\"");
    for line in [EVAL, ANALYZE] {
        scratch.fails(
            2,
            line,
            &[CFG, "names no hook (metadata.hook_name): give --hook NAME"],
        );
    }
}

#[test]
fn what_cfg_json_does_not_say_must_be_given() {
    let scratch = run();
    scratch.edit(CFG, "\"model_name\"", "\"model_nam\"");
    scratch.fails(
        2,
        "eval --sae run --dataset $TEXT",
        &["which model?", "--model"],
    );
    let scratch = run();
    scratch.edit(CFG, "\"dataset_path\"", "\"dataset_pat\"");
    scratch.fails(
        2,
        "analyze run --model $MODEL --out o",
        &["which data set?", "--dataset"],
    );
    let scratch = run();
    scratch.edit(CFG, "\"context_size\"", "\"context_siz\"");
    scratch.fails(2, EVAL, &["how long are the rows?", "--context-size N"]);
    let scratch = run();
    scratch.fails(
        1,
        "analyze run --model $MODEL --out o",
        &[
            "demo/text is not on this machine, and cannot be read from the Hub or its address",
            "give --dataset",
        ],
    );
    scratch.fails(
        1,
        "eval --sae run --dataset $TEXT",
        &[
            "the model that cfg.json names, \"demo/model\", cannot be opened; if it is on this machine, give --model DIR",
            "not in the cache",
        ],
    );
    scratch.edit(CFG, "demo/model", "llama");
    scratch.fails(
        1,
        "eval --sae run --dataset $TEXT",
        &["the model that cfg.json names, \"llama\"", "--model"],
    );
}

#[test]
fn weights_are_not_whole() {
    let scratch = run();
    for len in [0, 7, 100, 5000, 1_000_000] {
        scratch.truncate(WEIGHTS, len);
        for line in [EVAL, ANALYZE] {
            scratch.fails(
                1,
                line,
                &[WEIGHTS, "is not a safetensors file", "it may be incomplete"],
            );
        }
    }
    // A header that announces more than the file has, and more than there is memory.
    scratch.write(WEIGHTS, u64::MAX.to_le_bytes());
    scratch.fails(1, EVAL, &[WEIGHTS, "is not a safetensors file"]);
    std::fs::remove_file(scratch.path(WEIGHTS)).unwrap();
    // A description needs none.
    scratch.ok("info run");
    scratch.fails(
        1,
        EVAL,
        &[
            WEIGHTS,
            "is missing beside cfg.json; was the run copied whole?",
        ],
    );
}

#[test]
fn weights_are_of_another_sae() {
    let scratch = run();
    scratch.edit(CFG, "\"d_in\": 128", "\"d_in\": 64");
    scratch.fails(
        1,
        EVAL,
        &[
            WEIGHTS,
            "tensor W_dec has shape [1024, 128], expected [1024, 64] by cfg.json",
        ],
    );
    let scratch = run();
    scratch.edit(CFG, "\"standard\"", "\"jumprelu\"");
    scratch.fails(1, EVAL, &[WEIGHTS, "threshold", "jumprelu", "[1024]"]);
    let scratch = run();
    std::fs::copy(demo("model/model.safetensors"), scratch.path(WEIGHTS)).unwrap();
    scratch.fails(1, EVAL, &[WEIGHTS, "W_dec", "model.embed_tokens.weight"]);
}

#[test]
fn weights_are_not_numbers() {
    let scratch = Scratch::new();
    let weights = |at: usize, value: f32| {
        let mut w_enc = vec![0.0; 128 * 4];
        w_enc[at] = value;
        [
            ("W_enc", Numbers::f32(&[128, 4], w_enc)),
            ("W_dec", Numbers::zeros(&[4, 128])),
            ("b_enc", Numbers::zeros(&[4])),
            ("b_dec", Numbers::zeros(&[128])),
        ]
    };
    let mut cfg = sae::cfg("standard", 128, 4, "blocks.2.hook_resid_pre");
    let line = "prompt In --answer the --sae sae --model $MODEL";
    for (value, shown) in [
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (f32::NEG_INFINITY, "-inf"),
    ] {
        sae::run(&scratch, "sae", &cfg, weights(4 * 3 + 2, value));
        let said = format!(
            "sae/sae_weights.safetensors: tensor W_enc holds {shown} at [3, 2], expected finite"
        );
        scratch.fails(1, line, &[&said]);
    }
    // A threshold of infinity switches a feature off, as SAELens would have it.
    cfg["architecture"] = "jumprelu".into();
    let threshold = |value: f32| ("threshold", Numbers::f32(&[4], [0.0, value, 0.0, 0.0]));
    sae::run(
        &scratch,
        "sae",
        &cfg,
        weights(0, 1.0)
            .into_iter()
            .chain([threshold(f32::INFINITY)]),
    );
    scratch.ok(line);
    sae::run(
        &scratch,
        "sae",
        &cfg,
        weights(0, 1.0).into_iter().chain([threshold(f32::NAN)]),
    );
    scratch.fails(1, line, &["tensor threshold holds NaN at [1]"]);
}

#[test]
fn the_recorded_sparsity_is_unusable() {
    let scratch = run();
    scratch.truncate("run/sparsity.safetensors", 100);
    scratch.fails(
        1,
        "info run",
        &[
            "run/sparsity.safetensors",
            "remove the file to go on without it",
        ],
    );
    let scratch = run();
    scratch.edit(CFG, "\"d_sae\": 1024", "\"d_sae\": 1000");
    scratch.fails(1, "info run", &["sparsity.safetensors", "[1024]", "[1000]"]);
}
