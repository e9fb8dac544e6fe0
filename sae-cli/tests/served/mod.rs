//! The demo, served as repositories of the Hub.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

#[allow(dead_code, unreachable_pub)]
#[path = "../../../hub-io/tests/server/mod.rs"]
pub(crate) mod server;

use crate::support::{Outcome, Scratch, demo, finish};
use serde_json::Value;
use server::hub::Repository;
use server::{Reply, Request, Server};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const WEIGHTS: &str = "l3/final_sae/sae_weights.safetensors";

pub(crate) fn of_demo(path: &str) -> Vec<u8> {
    fs::read(demo(path)).unwrap()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

pub(crate) fn model() -> Repository {
    let names = [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    names
        .into_iter()
        .fold(Repository::new("org/tiny", COMMIT), |repository, name| {
            let bytes = of_demo(&format!("model/{name}"));
            let tag = sha256(&bytes);
            repository.tagged(name, bytes, tag)
        })
}

/// The run in both layouts, each in a folder.
pub(crate) fn saes() -> Repository {
    let run = [
        ("final_sae/cfg.json", "cfg.json"),
        (
            "final_sae/sae_weights.safetensors",
            "sae_weights.safetensors",
        ),
        ("sparsity.safetensors", "sparsity.safetensors"),
    ];
    let mut repository = Repository::new("org/saes", COMMIT).file("README.md", "# SAEs");
    for (path, flat) in run {
        let bytes = of_demo(&format!("run/{path}"));
        let tag = sha256(&bytes);
        repository = repository
            .tagged(&format!("l3/{path}"), bytes.clone(), tag.clone())
            .tagged(&format!("flat/{flat}"), bytes, tag);
    }
    repository
}

pub(crate) fn answer(request: &Request) -> Reply {
    // The repositories are small, and made anew for each request.
    if request.path.contains("/org/tiny/") {
        model().answer(request)
    } else {
        saes().answer(request)
    }
}

pub(crate) fn online(scratch: &Scratch, server: &Server, line: &str) -> Command {
    let mut command = scratch.command(line);
    command
        .env_remove("HF_HUB_OFFLINE")
        .env_remove("HF_TOKEN")
        .env("HF_ENDPOINT", server.url(""))
        .env("NO_PROXY", "127.0.0.1");
    command
}

pub(crate) fn run(scratch: &Scratch, server: &Server, line: &str) -> Outcome {
    finish(&mut online(scratch, server, line))
}

/// Succeeds without a word on stderr.
pub(crate) fn json(scratch: &Scratch, server: &Server, line: &str) -> Value {
    let outcome = run(scratch, server, &format!("{line} --json"));
    assert_eq!((outcome.code, &*outcome.stderr), (0, ""), "{line}");
    outcome.json()
}

/// The ranges of the bodies that were asked for, by file.
pub(crate) fn bodies(server: &Server, path: &str) -> Vec<usize> {
    let requests = server.requests();
    let of = requests
        .iter()
        .filter(|r| r.method == "GET" && r.path.ends_with(&format!("/resolve/{COMMIT}/{path}")));
    of.map(|r| r.from().unwrap()).collect()
}

pub(crate) fn blobs(scratch: &Scratch) -> PathBuf {
    scratch.path("no-hub/hub/models--org--saes/blobs")
}
