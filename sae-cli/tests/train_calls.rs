//! Calls of `sae train` that are wrong: the message says how, and nothing is written.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use support::training::{CALL, with_tokens};

#[test]
fn calls_that_are_wrong() {
    let scratch = with_tokens();
    scratch.write("unknown.json", r#"{"lr": 0.001, "learning_rate": 3}"#);
    scratch.write("near.json", r#"{"l1_coeficient": 3}"#);
    scratch.write("type.toml", "lr = \"fast\"");
    scratch.write("broken.json", "{\"lr\": ");
    let line = format!("{CALL} --training-tokens 640 --out run");
    for (code, more, said) in [
        (2, "--lrr 3", "a similar argument exists: '--lr'"),
        (2, "--lr fast", "--lr: lr is \"fast\": expected a number"),
        (
            2,
            "--architecture toppk",
            "expected one of standard, gated, topk",
        ),
        (
            2,
            "--architecture topk --k 65",
            "k is 65: expected above 0, at most d_sae (64)",
        ),
        (2, "--sweep nonsense", "expected KEY=A,B,C"),
        (
            2,
            "--sweep nonsense=1,2",
            "--sweep nonsense=1: there is no setting nonsense",
        ),
        (
            2,
            "--sweep l1_coeficient=1,2",
            "did you mean l1_coefficient",
        ),
        (2, "--sweep lr=1e-3,fast", "--sweep lr=fast: lr is \"fast\""),
        (2, "--sweep l1_coefficient=", "expected a number"),
        (
            2,
            "--sweep l1_coefficient=1,1",
            "l1_coefficient=1 comes twice",
        ),
        (
            2,
            "--sweep context_size=16,32",
            "all runs share model, data and batches",
        ),
        (2, "--sweep train-batch-size-tokens=16,32", "all runs share"),
        (
            2,
            "--sweep architecture=topk,transcoder --k 3",
            "do not share their hooks",
        ),
        (
            2,
            "--hook-out blocks.1.hook_resid_post",
            "--hook-out is for transcoders",
        ),
        (2, "--architecture transcoder", "give --hook-out NAME"),
        (2, "--column text", "--column is about text"),
        (2, "--subset x", "--subset is about text"),
        (2, "--shard 0/2", "--shard"),
        (
            1,
            "--config unknown.json",
            "unknown.json: there is no setting learning_rate",
        ),
        (1, "--config near.json", "did you mean l1_coefficient"),
        (
            1,
            "--config type.toml",
            "type.toml: lr is \"fast\": expected a number",
        ),
        (
            1,
            "--config broken.json",
            "broken.json: is not a configuration",
        ),
        (1, "--config no.json", "no.json"),
    ] {
        scratch.fails(code, &format!("{line} {more}"), &[said]);
    }
}

#[test]
fn calls_that_lack_something() {
    let scratch = with_tokens();
    let line = format!("{CALL} --training-tokens 640 --out run");
    for (from, to, code, said) in [
        (
            "hook_resid_pre",
            "hook_resid_pree",
            1,
            "did you mean blocks.1.hook_resid_pre",
        ),
        ("blocks.1.", "blocks.9.", 1, "the model has 4 blocks"),
        (
            "hook_resid_pre",
            "attn.hook_pattern",
            1,
            "no SAE can be trained on it",
        ),
        (
            "--d-sae 64",
            "",
            2,
            "give --d-sae N or --expansion-factor N",
        ),
        ("--tokens t.st", "", 2, "give --dataset SRC"),
        ("--model $MODEL", "", 2, "give --model DIR"),
        ("--hook blocks.1.hook_resid_pre", "", 2, "give --hook NAME"),
        ("--tokens t.st", "--tokens no.st", 1, "cannot read no.st"),
        (
            "--tokens t.st",
            "--dataset no/",
            1,
            "no file, directory or pattern no/",
        ),
    ] {
        assert!(line.contains(from), "{from}");
        scratch.fails(code, &line.replacen(from, to, 1), &[said]);
    }
}
