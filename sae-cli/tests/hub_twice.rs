//! Downloads that are killed, and those that two processes make at the same time.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod served;
mod support;

use served::server::{Reply, Server};
use served::{WEIGHTS, answer, blobs, bodies, of_demo, online, run, sha256};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::Scratch;

/// The program, left alone in the background.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        assert!(!self.0.wait().unwrap().success());
    }

    fn succeeds(self) {
        let output = self.0.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}

/// `kill -9` in the middle of the weights: the next call asks for the rest.
#[test]
fn a_killed_download_goes_on_at_the_byte() {
    let scratch = Scratch::new();
    let weights = of_demo("run/final_sae/sae_weights.safetensors");
    let half = weights.len() / 2;
    let killed = std::sync::Arc::new(AtomicBool::new(false));
    let over = std::sync::Arc::clone(&killed);
    let server = Server::start(move |request| {
        let reply = answer(request);
        let stalls = request.path.ends_with(WEIGHTS) && !over.load(Ordering::Relaxed);
        Reply {
            cut: stalls.then_some(half),
            stall: Duration::from_secs(if stalls { 20 } else { 0 }),
            ..reply
        }
    });
    let line = "prompt a --answer b --sae org/saes:l3 --model $MODEL";
    let first = Running::start(online(&scratch, &server, line));
    let partial = blobs(&scratch).join(format!("{}.incomplete", sha256(&weights)));
    let arrived = || fs::metadata(&partial).map_or(0, |found| found.len() as usize);
    let start = Instant::now();
    while arrived() < half {
        assert!(start.elapsed() < Duration::from_mins(1), "{}", arrived());
        thread::sleep(Duration::from_millis(10));
    }
    first.kill();
    killed.store(true, Ordering::Relaxed);
    assert_eq!(fs::read(&partial).unwrap(), weights[..half]);
    let outcome = run(&scratch, &server, line);
    assert_eq!((outcome.code, &*outcome.stderr), (0, ""));
    assert_eq!(bodies(&server, WEIGHTS), [0, half]);
    assert!(!partial.exists());
}

/// Both need the same files: one of them downloads each.
#[test]
fn two_at_once_do_the_work_once() {
    let scratch = Scratch::new();
    let server = Server::start(|request| {
        if request.method == "GET" && request.path.contains("/resolve/") {
            // Long enough that the other one comes and finds it locked.
            thread::sleep(Duration::from_millis(300));
        }
        answer(request)
    });
    let line = "prompt a --answer b --sae org/saes:l3 --model org/tiny";
    let both = [(); 2].map(|()| Running::start(online(&scratch, &server, line)));
    both.into_iter().for_each(Running::succeeds);
    let requests = server.requests();
    let files = requests.iter().filter(|r| r.path.contains("/resolve/"));
    let (bodies, heads): (Vec<_>, Vec<_>) = files.partition(|r| r.method == "GET");
    let mut paths: Vec<_> = bodies.iter().map(|r| r.path.as_str()).collect();
    paths.sort_unstable();
    let all = paths.len();
    paths.dedup();
    assert_eq!((paths.len(), all), (7, 7), "{paths:?}");
    assert!(heads.len() > 7, "the other one looked, too");
}
