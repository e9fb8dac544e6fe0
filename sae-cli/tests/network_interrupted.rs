//! Ctrl-C while a server says nothing: the program ends at once, and what has arrived is kept.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod served;
mod support;

use served::server::{Reply, Request, Server};
use served::{WEIGHTS, answer, blobs, bodies, of_demo, online, run, sha256};
use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::{Scratch, demo};

/// How long the servers here say nothing.
const STALL: Duration = Duration::from_mins(2);
/// Much less than that, and much more than it takes to end.
const SOON: Duration = Duration::from_secs(20);

/// Sends SIGINT once `begun`, and gives the exit code and what was said; fails if that takes long.
fn interrupted(mut command: Command, begun: &dyn Fn() -> bool) -> (Option<i32>, String) {
    let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let start = Instant::now();
    while !begun() {
        assert!(start.elapsed() < Duration::from_mins(1), "not begun");
        sleep(Duration::from_millis(5));
    }
    let told = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(told.unwrap().success());
    let asked = Instant::now();
    let outcome = child.wait_with_output().unwrap();
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    let said = String::from_utf8(outcome.stderr).unwrap();
    (outcome.status.code(), said)
}

/// A server that breaks off in the middle of a body and says nothing more, until it is told to be well.
fn stalling(
    at: usize,
    is_hit: impl Fn(&Request) -> bool + Send + Sync + 'static,
    answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> (Server, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(false));
    let is_well = Arc::clone(&well);
    let server = Server::start(move |request| {
        let reply = answer(request);
        let stalls = is_hit(request) && !is_well.load(Ordering::Relaxed);
        Reply {
            cut: stalls.then_some(at),
            stall: if stalls { STALL } else { Duration::ZERO },
            ..reply
        }
    });
    (server, well)
}

const NOTHING: &str = "interrupted: nothing was written\n";

#[test]
fn a_download_of_weights_ends_and_goes_on_later() {
    let scratch = Scratch::new();
    let weights = of_demo("run/final_sae/sae_weights.safetensors");
    let half = weights.len() / 2;
    let (server, well) = stalling(half, |request| request.path.ends_with(WEIGHTS), answer);
    let line = "prompt a --answer b --sae org/saes:l3 --model $MODEL";
    let partial = blobs(&scratch).join(format!("{}.incomplete", sha256(&weights)));
    let arrived = || fs::metadata(&partial).is_ok_and(|found| found.len() as usize == half);
    let ended = interrupted(online(&scratch, &server, line), &arrived);
    assert_eq!(ended, (Some(130), NOTHING.to_owned()));
    well.store(true, Ordering::Relaxed);
    let outcome = run(&scratch, &server, line);
    assert_eq!((outcome.code, &*outcome.stderr), (0, ""));
    assert_eq!(bodies(&server, WEIGHTS), [0, half]);
}

#[test]
fn a_hub_that_does_not_answer_is_not_waited_for() {
    let scratch = Scratch::new();
    let server = Server::start(|_| {
        sleep(STALL);
        Reply::new(404)
    });
    let line = "info org/saes:l3";
    let start = Instant::now();
    // A request that is being answered is not counted yet: a moment is enough for it to be sent.
    let begun = || !server.requests().is_empty() || start.elapsed() > Duration::from_secs(2);
    let ended = interrupted(online(&scratch, &server, line), &begun);
    assert_eq!(ended, (Some(130), NOTHING.to_owned()));
}

#[test]
fn a_data_set_that_stalls_leaves_rows_to_go_on_from() {
    let scratch = Scratch::new();
    let text = fs::read(demo("text/kjv.jsonl")).unwrap();
    // Enough for some blocks, so that there are rows before it stalls.
    let text = text.repeat(1 + (6 << 20) / text.len());
    let at = text.len() - text.len() / 8;
    let body = text.clone();
    let answer = move |request: &Request| Reply::file(request, &body, "\"one\"");
    let (server, well) = stalling(at, |request| request.method == "GET", answer);
    let line = |source: &str, out: &str| {
        format!(
            "tokenize --tokenizer $MODEL --context-size 16 --dataset {source} --resume --checkpoint-every 100 --out {out}"
        )
    };
    scratch.write("text.jsonl", &text);
    scratch.ok(&line("text.jsonl", "whole.st"));
    let url = server.url("/text.jsonl");
    let state = scratch.path("o.st.state.json");
    let begun = || {
        let is_old = |found: fs::Metadata| {
            let age = found.modified().unwrap().elapsed();
            age.is_ok_and(|age| age > Duration::from_millis(700))
        };
        fs::metadata(&state).is_ok_and(is_old)
    };
    let (code, said) = interrupted(online(&scratch, &server, &line(&url, "o.st")), &begun);
    let go_on = "interrupted: give the same call again to go on\n";
    assert_eq!((code, said.as_str()), (Some(130), go_on));
    well.store(true, Ordering::Relaxed);
    let outcome = run(&scratch, &server, &line(&url, "o.st"));
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let read = |name: &str| fs::read(scratch.path(name)).unwrap();
    let tensor = |name: &str| {
        let bytes = read(name);
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        tensors.tensor("tokens").unwrap().data().to_vec()
    };
    assert!(tensor("o.st") == tensor("whole.st"));
}
