//! `sae dashboard`: pages of the demo, the same bytes however they are made.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;
use support::Scratch;

const CALL: &str = "dashboard --sae $RUN --model $MODEL";
const TOKENIZE: &str =
    "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 32 --sequences 90 --out t.st";

/// All files below a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let inside = files(&path).into_iter();
            found.extend(inside.map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            found.insert(name, fs::read(path).unwrap());
        }
    }
    found
}

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    let made = scratch.sae(TOKENIZE);
    assert_eq!(made.code, 0, "{}", made.stderr);
    scratch
}

fn run(scratch: &Scratch, line: &str) -> support::Outcome {
    let outcome = scratch.sae(line);
    assert_eq!(outcome.code, 0, "{line}\n{}", outcome.stderr);
    outcome
}

#[test]
fn a_folder_and_a_file_of_text() {
    let scratch = Scratch::new();
    let text = "--dataset $TEXT --context-size 32 --sequences 40";
    let json = run(&scratch, &format!("{CALL} {text} --out pages --json")).json();
    assert_eq!(json["n_contexts"], 40);
    let d_sae = json["n_features"].as_u64().unwrap();
    assert!(d_sae > 64 && json["n_dead"].as_u64().unwrap() < d_sae);
    let found = files(&scratch.path("pages"));
    assert!(found.contains_key("index.html"));
    assert_eq!(found.len() as u64, 1 + d_sae.div_ceil(64));
    let human = run(
        &scratch,
        &format!("{CALL} {text} --features 5 --out few.html"),
    );
    assert!(human.stdout.contains("5 features from") && human.stdout.contains("open few.html"));
    let page = fs::read_to_string(scratch.path("few.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") || page.starts_with("<!DOCTYPE html>"));
    // Nothing is left beside them.
    let left: Vec<_> = fs::read_dir(scratch.path("."))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn pages_are_the_same_bytes_for_any_batches_shards_and_memory() {
    let scratch = scratch();
    run(
        &scratch,
        &format!("{CALL} --tokens t.st --batch-size 7 --out whole"),
    );
    let whole = files(&scratch.path("whole"));
    for (name, more) in [
        ("one", "--batch-size 1"),
        ("many", "--batch-size 32"),
        ("thread", "--batch-size 7 --threads 1"),
        ("little", "--batch-size 7 --gather 1kB"),
    ] {
        run(
            &scratch,
            &format!("{CALL} --tokens t.st {more} --out {name}"),
        );
        let found = files(&scratch.path(name));
        let differ: Vec<_> = whole
            .keys()
            .filter(|key| found.get(*key) != whole.get(*key))
            .collect();
        assert!(differ.is_empty(), "{more}: {differ:?}");
    }
    for shard in 0..3 {
        run(
            &scratch,
            &format!("{CALL} --tokens t.st --shard {shard}/3 --work w{shard} --log-only"),
        );
    }
    // In another order than they were made.
    run(
        &scratch,
        &format!("{CALL} --tokens t.st --merge w2 --merge w0 --merge w1 --out merged"),
    );
    assert!(files(&scratch.path("merged")) == whole);
    scratch.fails(
        1,
        &format!("{CALL} --tokens t.st --merge w0 --merge w0 --out twice"),
        &["logged twice"],
    );
}

#[test]
fn killed_again_and_again_it_writes_the_same_pages() {
    let scratch = scratch();
    run(
        &scratch,
        &format!("{CALL} --tokens t.st --batch-size 2 --out whole"),
    );
    let line = format!("{CALL} --tokens t.st --batch-size 2 --work work --out pages");
    let (mut kills, mut wait) = (0, 20);
    while !scratch.path("pages").exists() {
        let mut child = scratch
            .command(&line)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        sleep(Duration::from_millis(wait));
        wait += 35;
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
    }
    assert!(kills >= 5, "{kills}");
    assert!(files(&scratch.path("whole")) == files(&scratch.path("pages")));
}

/// Logs are of the tokens, weights and settings that they were made with.
#[test]
fn logs_of_something_else_are_refused() {
    let scratch = scratch();
    scratch.copy_demo("run");
    run(
        &scratch,
        &TOKENIZE
            .replace("t.st", "u.st")
            .replace("--sequences", "--shuffle 1 --sequences"),
    );
    let call = CALL.replace("$RUN", "run");
    run(
        &scratch,
        &format!("{call} --tokens t.st --work w --log-only"),
    );
    scratch.fails(
        2,
        &format!("{call} --tokens t.st --merge w --out o.json"),
        &["ends in .html"],
    );
    for (line, said) in [
        (
            "--tokens u.st --work w --log-only",
            "another tokens (their content has changed)",
        ),
        (
            "--tokens u.st --merge w --out o",
            "another tokens (their content has changed)",
        ),
        (
            "--tokens t.st --merge w --keep-all-tokens --out o",
            "another convention",
        ),
        (
            "--tokens t.st --sequences 5 --work w --log-only",
            "another rows (90, now 5)",
        ),
    ] {
        scratch.fails(1, &format!("{call} {line}"), &[said]);
    }
    let weights = scratch.path("run/final_sae/sae_weights.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    for line in ["--work w --log-only", "--merge w --out o"] {
        let said = ["another sae_weights (their content has changed)"];
        scratch.fails(1, &format!("{call} --tokens t.st {line}"), &said);
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    let scratch = scratch();
    let tokens = format!("{CALL} --tokens t.st");
    fs::create_dir(scratch.path("full")).unwrap();
    scratch.write("full/of", "something");
    for (code, line, said) in [
        (2, CALL.to_owned(), vec!["--dataset"]),
        (2, tokens.clone(), vec!["--out"]),
        (2, format!("{tokens} --log-only"), vec!["--work"]),
        (
            2,
            format!("{tokens} --split test --out o"),
            vec!["--split is about text"],
        ),
        (
            2,
            format!("{tokens} --features 1,x --out o"),
            vec!["\"x\" is neither a feature nor a range"],
        ),
        (
            2,
            format!("{CALL} --dataset $TEXT --shard 0/2 --out o"),
            vec!["--tokens"],
        ),
        (
            1,
            format!("{tokens} --features 99999999, --out o"),
            vec!["no feature 99999999"],
        ),
        (2, format!("{tokens} --out ."), vec!["choose another name"]),
        (1, format!("{tokens} --out full"), vec!["is there already"]),
        (
            1,
            format!("{tokens} --merge nowhere --out o"),
            vec!["nowhere"],
        ),
        (1, format!("{tokens} --out no/such/folder"), vec!["no/such"]),
    ] {
        scratch.fails(code, &line, &said);
    }
    run(&scratch, &format!("{tokens} --work w --log-only"));
    scratch.fails(
        1,
        &format!("{tokens} --work w --keep-all-tokens --log-only"),
        &["another convention", "remove it to start again"],
    );
    run(
        &scratch,
        "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 31 --out u.st",
    );
    scratch.fails(
        1,
        &format!("{CALL} --tokens u.st --work w --log-only"),
        &["another", "remove it to start again"],
    );
}
