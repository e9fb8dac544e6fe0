//! Data sets on the Hub and at addresses, over a network that fails: the rows are those of the same files on disk.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

#[allow(dead_code, unreachable_pub)]
#[path = "../../hub-io/tests/server/mod.rs"]
mod server;

use server::{Reply, Request, Server};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Outcome, Scratch, demo, finish};

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";
const REST: &str = "--tokenizer $MODEL --context-size 64 --out";

/// What the data set's test split holds.
const TEST: &str = "{\"text\": \"In the beginning God created the heaven and the earth.\"}\n";

fn text() -> Vec<u8> {
    fs::read(demo("text/kjv.jsonl")).unwrap()
}

/// A data set of two train files and one test file, whose train files break off after so many bytes each time.
fn hub(cut_after: usize) -> Server {
    let text = text();
    let half = text.len() / 2
        + text[text.len() / 2..]
            .iter()
            .position(|&b| b == b'\n')
            .unwrap()
        + 1;
    let (first, second) = (text[..half].to_vec(), text[half..].to_vec());
    let test = TEST.as_bytes().to_vec();
    let requests = AtomicUsize::new(0);
    Server::start(move |request: &Request| {
        let n = requests.fetch_add(1, Ordering::Relaxed);
        let path = request.path.as_str();
        if path == "/api/datasets/org/set/revision/main" {
            return Reply::body(format!("{{\"sha\": \"{SHA}\"}}"));
        }
        if path.starts_with(&format!("/api/datasets/org/set/tree/{SHA}")) {
            let files = [
                "train-0.jsonl",
                "train-1.jsonl",
                "test-0.jsonl",
                "README.md",
            ]
            .map(|name| format!("{{\"type\": \"file\", \"path\": \"{name}\", \"size\": 5}}"));
            return Reply::body(format!("[{}]", files.join(",")));
        }
        let name = path.rsplit('/').next().unwrap();
        let content = match name {
            "train-0.jsonl" | "part-08.jsonl" => &first,
            "train-1.jsonl" | "part-09.jsonl" => &second,
            "test-0.jsonl" => &test,
            _ => return Reply::new(404),
        };
        // Every fifth answer is a failure of the server, the others end early.
        if n % 5 == 4 {
            return Reply::new(503).with("Retry-After", "0");
        }
        Reply::file(request, content, &format!("\"tag-of-{name}\"")).cut(cut_after)
    })
}

fn online(scratch: &Scratch, server: &Server, line: &str) -> Outcome {
    let mut command = scratch.command(line);
    command
        .env_remove("HF_HUB_OFFLINE")
        .env("HF_ENDPOINT", server.url(""))
        .env("NO_PROXY", "127.0.0.1");
    finish(&mut command)
}

#[test]
fn rows_from_the_hub_are_those_of_the_files() {
    let scratch = Scratch::new();
    scratch.ok(&format!("tokenize --dataset $TEXT {REST} here.st"));
    let here = support::tensors::read(&scratch.path("here.st"))["tokens"].clone();
    let server = hub(70_000);
    for dataset in ["org/set", "hf://datasets/org/set@main"] {
        let outcome = online(
            &scratch,
            &server,
            &format!("tokenize --dataset {dataset} {REST} there.st"),
        );
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let there = support::tensors::read(&scratch.path("there.st"))["tokens"].clone();
        assert_eq!(there, here, "{dataset}");
    }
    let ranges = server
        .requests()
        .iter()
        .filter(|request| request.from().is_some_and(|from| from > 0))
        .count();
    assert!(ranges > 2, "the files broke off and went on {ranges} times");
}

#[test]
fn another_split_is_read_when_it_is_asked_for() {
    let scratch = Scratch::new();
    scratch.write("test.jsonl", TEST);
    let rest = "--tokenizer $MODEL --context-size 4 --out";
    scratch.ok(&format!("tokenize --dataset test.jsonl {rest} here.st"));
    let server = hub(70_000);
    let line = format!("tokenize --dataset org/set --split test {rest} there.st");
    let outcome = online(&scratch, &server, &line);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let read = |name: &str| support::tensors::read(&scratch.path(name))["tokens"].clone();
    assert_eq!(read("there.st"), read("here.st"));
    let line = format!("tokenize --dataset org/set --split dev {rest} x.st");
    let outcome = online(&scratch, &server, &line);
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("test, train") || outcome.stderr.contains("train, test"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn files_that_were_kept_are_not_asked_for_again() {
    let scratch = Scratch::new();
    scratch.ok(&format!("tokenize --dataset $TEXT {REST} here.st"));
    let server = hub(70_000);
    let read = |name: &str| support::tensors::read(&scratch.path(name))["tokens"].clone();
    let asked = || {
        let bodies = |r: &&Request| {
            r.method == "GET" && r.path.contains("/resolve/") && r.path.contains(".jsonl")
        };
        server.requests().iter().filter(bodies).count()
    };
    let run = |rest: &str, out: &str| {
        let line = format!("tokenize --dataset org/set --cache {rest} {REST} {out}");
        let mut command = scratch.command(&line);
        command
            .env_remove("HF_HUB_OFFLINE")
            .env("HF_HUB_CACHE", scratch.path("cache"))
            .env("HF_ENDPOINT", server.url(""))
            .env("NO_PROXY", "127.0.0.1");
        let outcome = finish(&mut command);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    };
    // One that stops early leaves a part, which the next one resumes from.
    run("--sequences 5", "few.st");
    run("", "there.st");
    assert!(read("there.st") == read("here.st"));
    let before = asked();
    assert!(before > 4, "{before}");
    run("", "again.st");
    assert!(read("again.st") == read("here.st"));
    assert_eq!(asked(), before);
    let url = server.url("/files/part-{08..09}.jsonl");
    let line = format!("tokenize --dataset {url} --cache {REST} x.st");
    let outcome = online(&scratch, &server, &line);
    assert!(
        outcome.code != 0 && outcome.stderr.contains("is not kept"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn addresses_with_a_range_are_read_in_order() {
    let scratch = Scratch::new();
    scratch.ok(&format!("tokenize --dataset $TEXT {REST} here.st"));
    let server = hub(150_000);
    let url = server.url("/files/part-{08..09}.jsonl");
    let outcome = online(
        &scratch,
        &server,
        &format!("tokenize --dataset {url} {REST} there.st"),
    );
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let read = |name: &str| support::tensors::read(&scratch.path(name))["tokens"].clone();
    assert_eq!(read("there.st"), read("here.st"));
}

#[test]
fn parquet_is_read_in_parts() {
    let scratch = Scratch::new();
    scratch.ok(&format!("tokenize --dataset $TEXT {REST} here.parquet"));
    scratch
        .ok("tokenize --tokenizer $MODEL --context-size 64 --dataset here.parquet --out here.st");
    let content = fs::read(scratch.path("here.parquet")).unwrap();
    let server = Server::start(move |request: &Request| {
        let path = request.path.as_str();
        if path == "/api/datasets/org/set/revision/main" {
            return Reply::body(format!("{{\"sha\": \"{SHA}\"}}"));
        }
        if path.starts_with(&format!("/api/datasets/org/set/tree/{SHA}")) {
            let size = content.len();
            return Reply::body(format!(
                "[{{\"type\": \"file\", \"path\": \"data/train-00000-of-00001.parquet\", \"size\": {size}}}]"
            ));
        }
        if !path.ends_with(".parquet") {
            return Reply::new(404);
        }
        match request.number % 5 {
            4 => Reply::new(503).with("Retry-After", "0"),
            _ => Reply::file(request, &content, "\"tag\"").cut(200_000),
        }
    });
    let outcome = online(
        &scratch,
        &server,
        &format!("tokenize --dataset org/set {REST} there.st"),
    );
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let read = |name: &str| support::tensors::read(&scratch.path(name))["tokens"].clone();
    assert_eq!(read("there.st"), read("here.st"));
    let outcome = online(
        &scratch,
        &server,
        &format!(
            "tokenize --dataset {} {REST} x.st",
            server.url("/t.safetensors")
        ),
    );
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.stderr.contains("download them"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn what_is_not_there_is_told() {
    let scratch = Scratch::new();
    let server = hub(1 << 20);
    let outcome = online(
        &scratch,
        &server,
        &format!("tokenize --dataset org/other {REST} x.st"),
    );
    assert_eq!(outcome.code, 1);
    for word in [
        "org/other",
        "cannot be read from the Hub or its address",
        "give --dataset",
    ] {
        assert!(outcome.stderr.contains(word), "{word}: {}", outcome.stderr);
    }
    // The tests of this program are offline unless they say otherwise.
    scratch.fails(
        1,
        &format!("tokenize --dataset org/set {REST} x.st"),
        &["HF_HUB_OFFLINE"],
    );
}
