//! `sae tokenize --resume` resumes after it was killed, to the very bytes that it would have written.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use std::fs;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;
use support::Scratch;

const CALL: &str = "tokenize --tokenizer $MODEL --dataset data --context-size 32 --threads 2 --out";
const RESUME: &str = "--resume --checkpoint-every 50";

/// The demo's text a few times over, in two files, with a row that cannot be used.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    let text = fs::read(support::demo("text/kjv.jsonl")).unwrap();
    fs::create_dir(scratch.path("data")).unwrap();
    let bad = b"{\"text\": null}\n".to_vec();
    scratch.write("data/0.jsonl", [text.repeat(3), bad, text.clone()].concat());
    scratch.write("data/1.jsonl", text.repeat(4));
    scratch
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
fn killed_again_and_again_it_writes_the_same_bytes() {
    let scratch = scratch();
    scratch.sae(&format!("{CALL} whole.st --on-bad-row skip"));
    let whole = fs::read(scratch.path("whole.st")).unwrap();
    let line = format!("{CALL} t.st --on-bad-row skip {RESUME}");
    let (mut killed, mut gone_on) = (0, 0);
    // Waits of every length up to that of the whole run, from a generator that does not know it.
    let mut random = 12_345_u64;
    let mut round = 0;
    while killed < 50 {
        round += 1;
        let mut wait = 0;
        loop {
            let mut child = start(&scratch, &line);
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            wait += (random >> 33) % (12 + 8 * (round % 4));
            sleep(Duration::from_millis(wait));
            if child.try_wait().unwrap().is_none() {
                child.kill().unwrap();
                killed += 1;
            }
            child.wait().unwrap();
            gone_on += usize::from(scratch.path("t.st.state.json").exists());
            if scratch.path("t.st").exists() {
                break;
            }
        }
        // A kill between the last rename and the end leaves a state that nothing belongs to.
        scratch.sae(&line);
        assert!(
            fs::read(scratch.path("t.st")).unwrap() == whole,
            "other bytes after {killed} kills"
        );
        assert!(!scratch.path("t.st.part").exists() && !scratch.path("t.st.state.json").exists());
        fs::remove_file(scratch.path("t.st")).unwrap();
    }
    assert!(
        gone_on >= 10,
        "only {gone_on} of {killed} kills left a state: the test shows little"
    );
}

/// A run that stopped at an error in the middle resumes once the data is mended in place.
#[test]
fn rows_that_were_left_out_before_count_in_the_end() {
    let scratch = scratch();
    let line = format!("{CALL} t.st --on-bad-row skip {RESUME}");
    let whole = scratch.sae(&format!("{line} --json")).json();
    assert_eq!(whole["bad_rows"], 1);
    fs::remove_file(scratch.path("t.st")).unwrap();
    // A checkpoint in the second file.
    let mut child = start(&scratch, &line);
    while child.try_wait().unwrap().is_none() {
        let state = fs::read_to_string(scratch.path("t.st.state.json")).unwrap_or_default();
        if state.contains("\"file\":1") {
            child.kill().unwrap();
        }
    }
    let resumed = scratch.sae(&format!("{line} --json"));
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert_eq!(resumed.json()["bad_rows"], 1);
    assert_eq!(resumed.json()["rows"], whole["rows"]);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let scratch = scratch();
    let state = "t.st.state.json";
    scratch.fails(
        2,
        &format!("{CALL} t.st --checkpoint-every 5"),
        &["--resume"],
    );
    scratch.fails(
        2,
        &format!("{CALL} t.st --resume --on-bad-row quarantine=q.jsonl"),
        &["set aside", "--on-bad-row skip"],
    );
    scratch.write(state, "{");
    scratch.write("t.st.part", "");
    scratch.fails(
        1,
        &format!("{CALL} t.st --resume"),
        &[state, "remove it to start again"],
    );
    fs::remove_file(scratch.path(state)).unwrap();
    // A real state of other settings.
    let line = format!("{CALL} t.st --on-bad-row skip {RESUME}");
    let mut child = start(&scratch, &line);
    while child.try_wait().unwrap().is_none() && !scratch.path(state).exists() {}
    child.kill().ok();
    child.wait().unwrap();
    if scratch.path(state).exists() {
        let other = line.replace("--context-size 32", "--context-size 33");
        scratch.fails(1, &other, &[state, "other settings", "start again"]);
    }
}
