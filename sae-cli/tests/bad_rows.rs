//! `--on-bad-row`: rows that cannot be used end the run, are left out, or are set aside.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use serde_json::Value;
use support::Scratch;

const CALL: &str = "tokenize --tokenizer $MODEL --dataset mixed.jsonl --context-size 8 --out t.st";

/// Good rows with two bad ones among them.
fn mixed() -> Scratch {
    let scratch = Scratch::new();
    let good = "{\"text\": \"In the beginning God created the heaven and the earth.\"}\n";
    let lines = [
        good,
        "{\"text\": null}\n",
        good,
        good,
        "{\"text\": \"cut <b>\n",
        good,
    ]
    .concat();
    scratch.write("mixed.jsonl", lines);
    scratch.write("good.jsonl", good.repeat(4));
    scratch
}

#[test]
fn by_default_the_first_ends_the_run_and_nothing_is_written() {
    let scratch = mixed();
    scratch.fails(1, CALL, &["mixed.jsonl, line 2", "is null"]);
    assert!(!scratch.path("t.st").exists());
}

#[test]
fn skipped_rows_are_counted_and_the_first_is_told() {
    let scratch = mixed();
    let outcome = scratch.sae(&format!("{CALL} --on-bad-row skip --json"));
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(outcome.json()["bad_rows"], 2);
    for word in ["2 rows of the data set could not be used", "line 2"] {
        assert!(outcome.stderr.contains(word), "{}", outcome.stderr);
    }
    let good = scratch.json(&CALL.replace("mixed", "good").replace("t.st", "g.st"));
    assert_eq!(good["bad_rows"], 0);
    let rows = |name: &str| support::tensors::read(&scratch.path(name))["tokens"].clone();
    assert_eq!(rows("t.st"), rows("g.st"));
}

#[test]
fn set_aside_rows_can_be_read_again() {
    let scratch = mixed();
    for call in [
        CALL.to_owned(),
        "eval --sae $RUN --model $MODEL --dataset mixed.jsonl --context-size 8".to_owned(),
        "analyze --dataset mixed.jsonl --context-size 8 --out report".to_owned(),
    ] {
        let outcome = scratch.sae(&format!("{call} --on-bad-row quarantine=bad.jsonl --json"));
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert!(
            outcome.stderr.contains("are in bad.jsonl"),
            "{}",
            outcome.stderr
        );
        let text = scratch.read("bad.jsonl");
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2, "{call}");
        assert_eq!(lines[0]["record"], "{\"text\": null}");
        assert_eq!(lines[1]["record"], "{\"text\": \"cut <b>");
        assert!(
            lines[1]["location"]
                .as_str()
                .unwrap()
                .ends_with("mixed.jsonl, line 5")
        );
        std::fs::remove_file(scratch.path("bad.jsonl")).unwrap();
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let scratch = mixed();
    scratch.fails(
        2,
        &format!("{CALL} --on-bad-row drop"),
        &["error, skip, quarantine=FILE"],
    );
    scratch.fails(
        2,
        &format!("{CALL} --on-bad-row quarantine=mixed.jsonl"),
        &["--on-bad-row mixed.jsonl: is a file that this call reads"],
    );
    scratch.fails(
        2,
        &format!("{CALL} --on-bad-row quarantine=t.st"),
        &["are the same file"],
    );
    scratch.fails(
        1,
        &format!("{CALL} --on-bad-row quarantine=no/such/place.jsonl"),
        &["--on-bad-row: no/such/place.jsonl: cannot be written"],
    );
    assert!(
        scratch.read("mixed.jsonl").contains("cut"),
        "the data set is as it was"
    );
}
