//! Ctrl-C: nothing half written stays, and work that can be resumed is.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::{Scratch, demo};

/// Runs a command until `begun`, sends SIGINT, and gives its exit code and what it said.
fn interrupted(scratch: &Scratch, line: &str, begun: &dyn Fn() -> bool) -> (Option<i32>, String) {
    let child = scratch
        .command(line)
        .env("TMPDIR", scratch.path("tmp"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !begun() {
        assert!(start.elapsed() < Duration::from_mins(1), "{line}");
        sleep(Duration::from_millis(2));
    }
    let told = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(told.unwrap().success());
    let outcome = child.wait_with_output().unwrap();
    (
        outcome.status.code(),
        String::from_utf8(outcome.stderr).unwrap(),
    )
}

/// The demo's text again and again, so that there is something to interrupt.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("tmp")).unwrap();
    let text = fs::read_to_string(demo("text/kjv.jsonl")).unwrap();
    scratch.write("text.jsonl", text.repeat(80));
    scratch
}

/// Whether there are files that were not there before, hidden ones included.
fn new_files(scratch: &Scratch, before: &BTreeSet<std::path::PathBuf>) -> bool {
    &scratch.listing() != before
}

#[test]
fn nothing_half_written_stays() {
    let scratch = scratch();
    scratch.ok("tokenize --tokenizer $MODEL --dataset text.jsonl --context-size 64 --sequences 60000 --out t.st");
    for line in [
        "tokenize --tokenizer $MODEL --dataset text.jsonl --context-size 16 --out o.st",
        "tokenize --tokenizer $MODEL --dataset text.jsonl --context-size 16 --out o/",
        "activations --model $MODEL --tokens t.st --hook blocks.1.hook_resid_pre --out o.st",
        "dashboard --sae $RUN --model $MODEL --tokens t.st --out o",
    ] {
        let before = scratch.listing();
        let (code, said) = interrupted(&scratch, line, &|| new_files(&scratch, &before));
        assert_eq!(
            (code, said.as_str()),
            (Some(130), "interrupted: nothing was written\n"),
            "{line}"
        );
        assert_eq!(scratch.listing(), before, "{line}");
    }
}

#[test]
fn what_can_go_on_does() {
    let scratch = scratch();
    let line = "tokenize --tokenizer $MODEL --dataset text.jsonl --context-size 16 --resume --out";
    scratch.ok(&format!("{line} whole.st"));
    let begun = || {
        scratch
            .path("o.st.part")
            .metadata()
            .is_ok_and(|found| found.len() > 100_000)
    };
    let (code, said) = interrupted(&scratch, &format!("{line} o.st"), &begun);
    let go_on = "interrupted: give the same call again to go on\n";
    assert_eq!((code, said.as_str()), (Some(130), go_on));
    assert!(
        scratch.path("o.st.state.json").exists(),
        "a state was written at the signal"
    );
    assert!(!scratch.path("o.st").exists());
    scratch.ok(&format!("{line} o.st"));
    let read = |name: &str| fs::read(scratch.path(name)).unwrap();
    assert!(read("o.st") == read("whole.st"));

    scratch.ok("tokenize --tokenizer $MODEL --dataset text.jsonl --context-size 64 --sequences 3000 --out t.st");
    let line = "dashboard --sae $RUN --model $MODEL --tokens t.st --features 5 --work";
    scratch.ok(&format!("{line} v --out whole"));
    let entries = scratch.path("w/log/entries.bin");
    let begun = || entries.metadata().is_ok_and(|found| found.len() > 0);
    let (code, said) = interrupted(&scratch, &format!("{line} w --out o"), &begun);
    assert_eq!((code, said.as_str()), (Some(130), go_on));
    assert!(!scratch.path("o").exists());
    scratch.ok(&format!("{line} w --out o"));
    assert!(read("o/index.html") == read("whole/index.html"));

    let line = "activations --model $MODEL --tokens t.st --hook blocks.3.hook_resid_pre --sequences 800 --shards --shard-tokens 4096 --activation-dtype int8 --out";
    scratch.ok(&format!("{line} all"));
    let names = |folder: &str| {
        let entries = fs::read_dir(scratch.path(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<BTreeSet<_>>()
    };
    let begun = || scratch.path("acts/activations-00000.safetensors").exists();
    let (code, said) = interrupted(&scratch, &format!("{line} acts"), &begun);
    assert_eq!((code, said.as_str()), (Some(130), go_on));
    let whole = |name: &String| name.starts_with("activations-");
    assert!(names("acts").iter().all(whole), "{:?}", names("acts"));
    scratch.ok(&format!("{line} acts"));
    assert_eq!(names("acts"), names("all"));
    for name in names("all") {
        assert!(
            read(&format!("acts/{name}")) == read(&format!("all/{name}")),
            "{name}"
        );
    }
}
