//! `sae tokenize` into a folder of shards or a Parquet file, and the commands that read them.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;
use support::Scratch;
use support::tensors::{Numbers, read, write};

const CALL: &str = "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 32";

/// Names and contents.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    });
    entries.collect()
}

fn values(path: &Path) -> Vec<f64> {
    read(path)["tokens"].values.clone()
}

#[test]
fn a_folder_holds_the_rows_of_the_file() {
    let scratch = Scratch::new();
    scratch.ok(&format!("{CALL} --sequences 100 --out one.safetensors"));
    let result = scratch.json(&format!(
        "{CALL} --sequences 100 --shard-size 4KiB --out tokens"
    ));
    assert_eq!(result["rows"], 100);
    assert_eq!(result["out"], "tokens");
    // 4 KiB are 32 rows of 32 ids.
    let manifest: Value = serde_json::from_str(&scratch.read("tokens/manifest.json")).unwrap();
    assert_eq!(manifest["rows"], 100);
    assert_eq!(manifest["complete"], true);
    let shards: Vec<_> = manifest["shards"].as_array().unwrap().iter().collect();
    let rows: Vec<_> = shards.iter().map(|s| s["rows"].as_u64().unwrap()).collect();
    assert_eq!(rows, [32, 32, 32, 4]);
    let mut all = Vec::new();
    for shard in shards {
        let path = scratch.path("tokens").join(shard["file"].as_str().unwrap());
        assert_eq!(fs::metadata(&path).unwrap().len(), shard["bytes"]);
        all.extend(values(&path));
    }
    assert_eq!(all, values(&scratch.path("one.safetensors")));
    let made = &manifest["sae_lens"];
    assert_eq!(made["context_size"], 32);
    assert_eq!(made["begin_batch_token"], 0);
    assert_eq!(made["tokenizer_sha256"].as_str().unwrap().len(), 64);
    // Of SAELens' `sae_lens.json`, and there even where nothing was said.
    for key in [
        "sae_lens_version",
        "original_dataset_name",
        "original_split",
        "original_data_files",
        "seed",
    ] {
        assert!(made[key].is_null() && made.get(key).is_some(), "{key}");
    }
    // A folder of that name is replaced, whole.
    scratch.ok(&format!("{CALL} --sequences 5 --out tokens/"));
    assert_eq!(content(&scratch.path("tokens")).len(), 2);
    assert_eq!(scratch.listing().len(), 4, "{:?}", scratch.listing());
}

#[test]
fn every_reader_takes_a_folder_or_parquet_for_the_file() {
    let scratch = Scratch::new();
    let call = format!("{CALL} --sequences 9");
    scratch.ok(&format!("{call} --out one.safetensors"));
    scratch.ok(&format!("{call} --shard-size 512 --out tokens/"));
    scratch.ok(&format!("{call} --out t.parquet"));
    let activations = |tokens: &str| {
        scratch.ok(&format!(
            "activations --model $MODEL --tokens {tokens} --loss --out a.safetensors"
        ));
        read(&scratch.path("a.safetensors"))["loss"].values.clone()
    };
    let eval = |data: &str| {
        let line = format!("eval --sae $RUN --model $MODEL {data}");
        scratch.json(&line)["metrics"].take()
    };
    let analyze = |data: &str| {
        scratch.json(&format!(
            "analyze $RUN --model $MODEL {data} --sequences 4 --out report"
        ))
    };
    let expected = analyze("--tokens one.safetensors");
    assert_eq!(expected["data"]["sequences"], 4);
    let losses = activations("one.safetensors");
    let metrics = eval("--tokens one.safetensors");
    for name in ["tokens", "t.parquet"] {
        assert_eq!(activations(name), losses, "{name}");
        assert_eq!(eval(&format!("--tokens {name}")), metrics, "{name}");
        let line = format!("--dataset {name} --context-size 32");
        assert_eq!(eval(&line), metrics, "{name} as a data set");
        // As a data set it can be written again.
        scratch.ok(&format!(
            "tokenize --tokenizer $MODEL --dataset {name} --context-size 32 --out again.st"
        ));
        assert_eq!(
            values(&scratch.path("again.st")),
            values(&scratch.path("one.safetensors"))
        );
        for data in [
            format!("--tokens {name}"),
            format!("--dataset {name} --context-size 32"),
        ] {
            let report = analyze(&data);
            assert_eq!(report["data"]["context_size"], 32);
            assert_eq!(report["data"]["dataset"], name);
            assert_eq!(
                report["data"]["packing"].is_null(),
                data.contains("--tokens")
            );
            assert_eq!(report["loss"], expected["loss"], "{data}");
            assert_eq!(report["l0"], expected["l0"], "{data}");
        }
    }
}

#[test]
fn analyze_refuses_tokens_that_the_model_does_not_have() {
    let scratch = Scratch::new();
    let table = Numbers::f32(&[1, 3], [5.0, 2048.0, 7.0]).of(safetensors::Dtype::U32);
    write(&scratch.path("t.safetensors"), [("tokens", table)]);
    for verb in ["analyze $RUN --out report", "eval --sae $RUN"] {
        scratch.fails(
            1,
            &format!("{verb} --model $MODEL --tokens t.safetensors --sequences 1"),
            &["token 2048 at position 1 of row 0"],
        );
    }
    scratch.fails(
        2,
        "analyze --tokens t.safetensors --dataset $TEXT --out report",
        &["--dataset"],
    );
}

#[test]
fn what_cannot_be_written_there_is_said_before_the_work() {
    let scratch = Scratch::new();
    let call = |rest: &str| format!("{CALL} --sequences 5 {rest}");
    scratch.write("letters/a.txt", "Dear");
    scratch.fails(
        1,
        &call("--out letters"),
        &["letters", "a.txt", "would be lost"],
    );
    scratch.fails(1, &call("--out no/tokens"), &["there is no folder no"]);
    scratch.fails(
        2,
        &call("--shard-size 4KiB --out t.safetensors"),
        &["--shard-size", "end the name in /"],
    );
    scratch.fails(
        2,
        &call("--resume --out t.parquet"),
        &["--resume", "Parquet", "folder"],
    );
    scratch.fails(2, &call("--shard-size many --out t"), &["--shard-size"]);
    fs::create_dir(scratch.path("t")).unwrap();
    scratch.fails(
        2,
        &call("--out t/ --json=t/x.json"),
        &["--out t/", "lie in one another"],
    );
    scratch.ok(&call("--out tokens"));
    scratch.fails(
        2,
        "tokenize --tokenizer $MODEL --dataset tokens --context-size 32 --out tokens",
        &["is a file that this call reads"],
    );
    scratch.fails(
        2,
        "activations --model $MODEL --tokens tokens --loss --out tokens/tokens-00000.safetensors",
        &["is a file that this call reads"],
    );
    scratch.fails(
        1,
        "activations --model $MODEL --tokens letters --loss --out a.st",
        &["letters", "manifest.json"],
    );
    scratch.truncate("tokens/tokens-00000.safetensors", 100);
    for line in [
        "activations --model $MODEL --loss --out a.st --tokens tokens",
        "tokenize --tokenizer $MODEL --context-size 32 --out a.st --dataset tokens",
    ] {
        scratch.fails(
            1,
            line,
            &["tokens-00000.safetensors", "100 bytes", "manifest says"],
        );
    }
}

fn start(scratch: &Scratch, line: &str) -> Child {
    let mut command = scratch.command(line);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn killed_again_and_again_it_writes_the_same_folder() {
    let scratch = Scratch::new();
    let text = fs::read(support::demo("text/kjv.jsonl")).unwrap();
    scratch.write("data/0.jsonl", text.repeat(3));
    scratch.write("data/1.jsonl", text.repeat(3));
    // 70 rows a shard and a state every 50: they fall together only now and then.
    let call = "tokenize --tokenizer $MODEL --dataset data --context-size 32 --threads 2 \
        --shard-size 8960 --out";
    scratch.ok(&format!("{call} whole"));
    let whole = content(&scratch.path("whole"));
    assert!(whole.len() > 100, "{} files", whole.len());
    let line = format!("{call} tokens --resume --checkpoint-every 50");
    let (mut killed, mut gone_on) = (0, 0);
    let mut random = 54_321_u64;
    while killed < 30 {
        let mut wait = 20;
        loop {
            let mut child = start(&scratch, &line);
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            wait += (random >> 33) % 120;
            sleep(Duration::from_millis(wait));
            if child.try_wait().unwrap().is_none() {
                child.kill().unwrap();
                killed += 1;
            }
            child.wait().unwrap();
            gone_on += usize::from(scratch.path("tokens.state.json").exists());
            if scratch.path("tokens").exists() {
                break;
            }
        }
        assert!(
            content(&scratch.path("tokens")) == whole,
            "other files after {killed} kills"
        );
        // A kill between the renaming and the end leaves a state that nothing belongs to.
        scratch.sae(&line);
        assert!(content(&scratch.path("tokens")) == whole);
        for name in ["tokens.part", "tokens.state.json", ".tokens.old"] {
            assert!(!scratch.path(name).exists(), "{name}");
        }
        fs::remove_dir_all(scratch.path("tokens")).unwrap();
    }
    assert!(
        gone_on >= 10,
        "only {gone_on} of {killed} kills left a state: the test shows little"
    );
}
