//! Activations that are cached and trained from, through the real binary.
#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use std::collections::BTreeMap;
use std::fs;
use support::tensors::{Numbers, read, write};
use support::{Scratch, number, read_json};

const HOOK: &str = "blocks.2.hook_resid_pre";
const Z: &str = "blocks.1.attn.hook_z";
/// Of rows of 16 tokens, so that a shard has ten rows.
const SHARD: &str = "--shards --shard-tokens 170";

/// A hundred and five rows of 16 tokens.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.ok("tokenize --tokenizer $MODEL --dataset $TEXT --context-size 16 --sequences 105 --out t.safetensors");
    scratch
}

fn cache(scratch: &Scratch, hooks: &str, more: &str) -> serde_json::Value {
    scratch.json(&format!(
        "activations --model $MODEL --tokens t.safetensors --hook {hooks} {SHARD} {more}"
    ))
}

/// Every file of a folder.
fn files(scratch: &Scratch, folder: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(scratch.path(folder)).unwrap();
    let entries = entries.map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// A tensor of all shards, end to end, as numbers; 8-bit ones with their scales.
fn joined(scratch: &Scratch, folder: &str, name: &str) -> Vec<f64> {
    let names = files(scratch, folder).into_keys();
    let shards = names.filter(|name| name.starts_with("activations-"));
    let mut all = Vec::new();
    for shard in shards {
        let tensors = read(&scratch.path(&format!("{folder}/{shard}")));
        let tensor = &tensors[name];
        match tensors.get(&format!("{name}.scale")) {
            None => all.extend(&tensor.values),
            Some(scale) => {
                assert_eq!(scale.shape, [tensor.shape[0]]);
                for (row, scale) in tensor.rows().zip(&scale.values) {
                    all.extend(row.iter().map(|x| x * scale));
                }
            }
        }
    }
    all
}

#[test]
fn shards_hold_what_the_model_gives() {
    let scratch = scratch();
    scratch.ok(&format!(
        "activations --model $MODEL --tokens t.safetensors --hook {HOOK} {Z} --out plain.safetensors"
    ));
    let plain = read(&scratch.path("plain.safetensors"));
    let tokens = read(&scratch.path("t.safetensors"));
    let sizes: Vec<u64> = ["f32", "bf16", "int8"]
        .into_iter()
        .map(|dtype| {
            let more = format!("--activation-dtype {dtype} --out {dtype}");
            let said = cache(&scratch, &format!("{HOOK} {Z}"), &more);
            assert_eq!(said["shards"], 11);
            assert_eq!(said["tokens"], 105 * 16);
            assert_eq!(said["tokens_per_shard"], 160);
            assert_eq!(said["hooks"][1]["heads"], 4);
            assert_eq!(
                joined(&scratch, dtype, "token_ids"),
                tokens["tokens"].values
            );
            let manifest = read_json(&scratch.path(&format!("{dtype}/manifest.json")));
            assert_eq!(manifest["precision"], said["precision"]);
            for (at, hook) in [HOOK, Z].into_iter().enumerate() {
                let (found, expected) = (joined(&scratch, dtype, hook), &plain[hook].values);
                assert_eq!(found.len(), expected.len());
                let off = found.iter().zip(expected).map(|(a, b)| (a - b).powi(2));
                let squares: f64 = expected.iter().map(|x| x * x).sum();
                let error = (off.sum::<f64>() / squares).sqrt();
                let stated = number(&said["precision"][at], "relative_error");
                // The cache stores the product of two f32 numbers, which is rounded once more.
                assert!(
                    (error - stated).abs() < 1e-6,
                    "{dtype} {hook}: {error} {stated}"
                );
                let most = match dtype {
                    "f32" => 0.0,
                    "bf16" => 1.0 / 256.0,
                    _ => 0.02,
                };
                assert!(stated <= most, "{dtype} {hook}: {stated}");
                assert!((stated > 0.0) == (dtype != "f32"));
            }
            said["bytes"].as_u64().unwrap()
        })
        .collect();
    assert!(
        sizes[1] < sizes[0] * 6 / 10 && sizes[2] < sizes[1] * 7 / 10,
        "{sizes:?}"
    );
}

#[test]
fn work_goes_on_where_it_stopped_and_other_settings_are_refused() {
    let scratch = scratch();
    cache(&scratch, HOOK, "--out whole");
    cache(&scratch, HOOK, "--out c");
    let whole = files(&scratch, "whole");
    assert_eq!(files(&scratch, "c"), whole);
    for name in ["manifest.json", "activations-00010.safetensors"] {
        fs::remove_file(scratch.path(&format!("c/{name}"))).unwrap();
    }
    scratch.truncate("c/activations-00003.safetensors", 1000);
    let said = cache(&scratch, HOOK, "--out c");
    assert_eq!(said["rows_kept"], 90);
    assert_eq!(files(&scratch, "c"), whole);
    assert_eq!(cache(&scratch, HOOK, "--out c")["rows_kept"], 105);

    let line = "activations --model $MODEL --tokens t.safetensors --out c --hook";
    let refused = |more: &str, said: &str| {
        let said = ["c: holds activations of other settings", said];
        scratch.fails(1, &format!("{line} {more}"), &said);
    };
    refused(
        &format!("{HOOK} {SHARD} --activation-dtype bf16"),
        "dtype is \"f32\" there and \"bf16\" now",
    );
    refused(
        &format!("{HOOK} {SHARD} --sequences 50"),
        "rows is 105 there and 50 now",
    );
    refused(
        &format!("{HOOK} --shards"),
        "rows_per_shard is 10 there and",
    );
    refused(
        &format!("{Z} {SHARD}"),
        &format!("they are of {HOOK}, and now of {Z}"),
    );
    scratch.ok("tokenize --tokenizer $MODEL --dataset $TEXT --context-size 16 --sequences 105 --packing saelens --out t.safetensors");
    refused(&format!("{HOOK} {SHARD}"), "they are of other tokens");
    scratch.write("d/notes.txt", "");
    let line =
        format!("activations --model $MODEL --tokens t.safetensors --hook {HOOK} --out d --shards");
    scratch.fails(1, &line, &["\"notes.txt\""]);
    scratch.fails(
        2,
        "activations --model $MODEL --tokens t.safetensors --loss --out d --shards",
        &["--loss", "--shards"],
    );
    scratch.fails(
        2,
        &format!("activations --model $MODEL --tokens t.safetensors --hook {HOOK} --out e --activation-dtype int8"),
        &["--shards"],
    );
}

const TRAIN: &str = "--d-sae 64 --architecture topk --k 4 --training-tokens 4000 --train-batch-size-tokens 64 --buffer-tokens 512 --lr 0.001";

fn weights(scratch: &Scratch, run: &str) -> Vec<u8> {
    fs::read(scratch.path(&format!("{run}/final_sae/sae_weights.safetensors"))).unwrap()
}

#[test]
fn training_from_a_cache_is_training_from_the_model() {
    let scratch = scratch();
    cache(&scratch, &format!("{HOOK} {Z}"), "--out c");
    let model = "train --model $MODEL --tokens t.safetensors";
    let same = |run: &str, from_model: &str, from_cache: &str| {
        scratch.json(&format!("{model} {TRAIN} {from_model} --out {run}-m"));
        let said = scratch.json(&format!(
            "train --activations c {TRAIN} {from_cache} --out {run}-c"
        ));
        assert!(
            weights(&scratch, &format!("{run}-m")) == weights(&scratch, &format!("{run}-c")),
            "{run}"
        );
        said
    };
    let hook = format!("--hook {HOOK}");
    let said = same("plain", &format!("{hook} --eval-sequences 0"), &hook);
    assert!(
        said["note"]
            .as_str()
            .unwrap()
            .starts_with("no evaluation: it takes --model")
    );
    let cfg = read_json(&scratch.path("plain-c/final_sae/cfg.json"));
    assert_eq!(cfg["metadata"]["hook_name"], HOOK);
    assert_eq!(cfg["metadata"]["context_size"], 16);
    assert!(
        cfg["metadata"]["model_name"]
            .as_str()
            .unwrap()
            .ends_with("demo/model")
    );
    // Fewer positions and tokens, one head, several rows at once.
    let part = format!(
        "--hook {Z} --hook-head-index 2 --seqpos-slice [1,-2] --exclude-special-tokens true --store-batch-size-prompts 7"
    );
    same("part", &format!("{part} --eval-sequences 0"), &part);
    // With an evaluation, on the same rows.
    let said = same(
        "eval",
        &hook,
        &format!("{hook} --model $MODEL --tokens t.safetensors"),
    );
    assert_eq!(said["note"], serde_json::Value::Null);
    let line = |run: &str| {
        let text = scratch.read(&format!("{run}/metrics.jsonl"));
        let last = text.lines().last().unwrap().to_owned();
        assert!(last.contains("ce_loss_score"), "{last}");
        last
    };
    assert_eq!(line("eval-m"), line("eval-c"));
}

#[test]
fn rounded_caches_train_nearly_as_well() {
    let scratch = scratch();
    let loss = |dtype: &str| {
        cache(
            &scratch,
            HOOK,
            &format!("--activation-dtype {dtype} --out {dtype}"),
        );
        let said = scratch.json(&format!(
            "train --activations {dtype} {TRAIN} --out run-{dtype}"
        ));
        number(&said["runs"][0]["last"], "losses/overall_loss")
    };
    let exact = loss("f32");
    for dtype in ["bf16", "int8"] {
        support::assert_close(loss(dtype), exact, 0.02);
    }
}

#[test]
fn several_runs_and_an_interruption_are_as_from_the_model() {
    let scratch = scratch();
    cache(&scratch, &format!("{HOOK} {Z}"), "--out c");
    let line = format!(
        "train --activations c --hook {HOOK} --hook {Z} --sweep k=2,4 {TRAIN} --checkpoint-every 1024 --keep-checkpoints 9"
    );
    scratch.json(&format!("{line} --out whole"));
    scratch.json(&format!("{line} --out again"));
    // As if it had been killed after its second checkpoint.
    for run in [HOOK, Z]
        .into_iter()
        .flat_map(|hook| [format!("{hook},k=2"), format!("{hook},k=4")])
    {
        fs::remove_dir_all(scratch.path(&format!("again/{run}/final_sae"))).unwrap();
    }
    for tokens in fs::read_dir(scratch.path("again/checkpoints")).unwrap() {
        let path = tokens.unwrap().path();
        if path.file_name().unwrap() != "2048" {
            fs::remove_dir_all(path).unwrap();
        }
    }
    scratch.json(&format!("{line} --out again --resume"));
    let run = format!("{Z},k=4");
    assert!(
        weights(&scratch, &format!("whole/{run}")) == weights(&scratch, &format!("again/{run}"))
    );
}

#[test]
fn what_cannot_be_trained_from_is_named() {
    let scratch = scratch();
    cache(&scratch, &format!("{HOOK} {Z}"), "--out c");
    let line = format!("train {TRAIN} --out run --activations");
    let fails =
        |code: i32, more: &str, said: &[&str]| scratch.fails(code, &format!("{line} {more}"), said);
    fails(2, "c", &["at which of the cached hooks?", HOOK, Z]);
    fails(
        1,
        "c --hook blocks.0.hook_resid_pre",
        &["blocks.0.hook_resid_pre is not among the cached hooks"],
    );
    fails(
        1,
        &format!("c --hook {HOOK} --hook-head-index 1"),
        &["has 0 heads"],
    );
    fails(
        2,
        &format!("c --hook {HOOK} --dataset x.jsonl"),
        &["--dataset", "--activations"],
    );
    fails(
        2,
        &format!("c --hook {HOOK} --eval-sequences 3"),
        &["give --model and --tokens"],
    );
    fails(1, "missing", &["missing: no such folder"]);
    fails(
        1,
        &format!("c --hook {HOOK} --memory 1MiB"),
        &["this does not fit in memory", "a smaller --buffer-tokens"],
    );
    // Another model's weights.
    scratch.copy_demo("model");
    let weights = fs::read_dir(scratch.path("model")).unwrap();
    let weights = weights.map(|entry| entry.unwrap().path());
    let mut weights = weights.filter(|path| path.extension().is_some_and(|e| e == "safetensors"));
    let path = weights.next().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    fails(
        1,
        &format!("c --hook {HOOK} --model model --tokens t.safetensors"),
        &["has other weights"],
    );
    // A shard whose tensor is another.
    let shard = scratch.path("c/activations-00004.safetensors");
    write(&shard, [(HOOK, Numbers::zeros(&[2, 2]))]);
    fails(
        1,
        &format!("c --hook {HOOK}"),
        &["activations-00004.safetensors: has no entry"],
    );
    fs::remove_file(&shard).unwrap();
    fails(
        1,
        &format!("c --hook {HOOK}"),
        &["activations-00004.safetensors: cannot be read"],
    );
}
