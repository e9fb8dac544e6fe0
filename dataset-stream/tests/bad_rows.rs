//! Rows that cannot be used are left out and counted, wherever they are found to be bad.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use dataset_stream::{
    BadRow, BadRows, SourceOptions, StreamError, StreamOptions, TextSource, TokenStream,
};
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use support::{Folder, bytes_tokenizer};

const SKIP: BadRows = BadRows::Skip {
    at_most_percent: 60,
};

struct Outcome {
    rows: Vec<Vec<u32>>,
    bad: Vec<BadRow>,
    counted: u64,
    error: Option<StreamError>,
}

fn read(path: &Path, options: &SourceOptions, threads: usize) -> Outcome {
    let source = TextSource::open(path.to_str().unwrap(), options).unwrap();
    let bad = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&bad);
    let mut stream_options = StreamOptions::new(8);
    stream_options.threads = threads;
    let tokenizer = bytes_tokenizer(&Folder::new());
    let stream = TokenStream::new(source, &tokenizer, &stream_options).unwrap();
    let mut stream = stream.with_bad_rows(move |row| sink.lock().unwrap().push(row.clone()));
    let (mut rows, mut error) = (Vec::new(), None);
    for row in stream.by_ref() {
        match row {
            Ok(row) => rows.push(row),
            Err(e) => error = Some(e),
        }
    }
    let counted = stream.progress().bad_rows;
    drop(stream);
    let bad = std::mem::take(&mut *bad.lock().unwrap());
    Outcome {
        rows,
        bad,
        counted,
        error,
    }
}

fn skipping() -> SourceOptions {
    let mut options = SourceOptions::default();
    options.bad_rows = SKIP;
    options
}

const GOOD: [&str; 3] = [
    r#"{"text": "the first good row"}"#,
    r#"{"id": 7, "text": "another that can be used"}"#,
    r#"{"text": "and a third one, to fill the rows"}"#,
];

/// What is wrong with a line, and how it is told.
const BAD: [(&str, &str); 6] = [
    ("{\"text\": \"no end", "not valid JSON"),
    ("{\"text\": null}", "is null"),
    ("{\"text\": 5}", "is the number 5"),
    ("{\"other\": \"x\"}", "no column"),
    ("[]", "not valid JSON"),
    ("{\"text\": \"\\ud800\"}", "lone surrogate"),
];

#[test]
fn rows_are_those_of_the_good_lines_alone() {
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("good.jsonl");
    fs::write(&good, GOOD.join("\n")).unwrap();
    let expected = read(&good, &SourceOptions::default(), 1).rows;
    assert!(!expected.is_empty());
    for (line, told) in BAD {
        for place in 0..=GOOD.len() {
            let mut lines = GOOD.to_vec();
            lines.insert(place, line);
            for (name, text) in [
                ("lines.jsonl", lines.join("\n")),
                ("values.json", format!("[{}]", lines.join(",\n"))),
            ] {
                // A string without an end is the end of an array, too: that file is truncated.
                if name == "values.json" && line.contains("no end") {
                    continue;
                }
                let path = dir.path().join(name);
                fs::write(&path, text).unwrap();
                for threads in [1, 3] {
                    let found = read(&path, &skipping(), threads);
                    assert_eq!(found.rows, expected, "{name}: {line} at {place}");
                    assert!(found.error.is_none());
                    assert_eq!((found.bad.len(), found.counted), (1, 1));
                    let bad = &found.bad[0];
                    assert!(
                        bad.reason.contains(told) || bad.reason.contains("none of the columns"),
                        "{}",
                        bad.reason
                    );
                    assert_eq!(bad.record, line.as_bytes());
                    assert!(bad.location.to_string().contains(name));
                }
            }
        }
    }
}

#[test]
fn a_line_beyond_the_limit_is_passed_over_wherever_its_end_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.jsonl");
    let long = format!("{{\"text\": \"{}\"}}", "x".repeat(300_000));
    fs::write(&path, [GOOD[0], &long, GOOD[1], GOOD[2], &long].join("\n")).unwrap();
    let good = dir.path().join("good.jsonl");
    fs::write(&good, GOOD.join("\n")).unwrap();
    let expected = read(&good, &SourceOptions::default(), 1).rows;
    for max_record_bytes in [60, 1000, 70_000, 299_999] {
        let mut options = skipping();
        options.max_record_bytes = max_record_bytes;
        let found = read(&path, &options, 2);
        assert_eq!(found.rows, expected, "{max_record_bytes}");
        let places: Vec<String> = found
            .bad
            .iter()
            .map(|bad| bad.location.to_string())
            .collect();
        assert!(
            places[0].ends_with("line 2") && places[1].ends_with("line 5"),
            "{places:?}"
        );
    }
}

#[test]
fn text_that_is_not_utf_8_is_a_bad_row_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.txt"), "this is text enough for a row").unwrap();
    fs::write(dir.path().join("b.txt"), b"this is \xff not").unwrap();
    fs::write(dir.path().join("c.txt"), "and text again, for one more row").unwrap();
    let found = read(dir.path(), &skipping(), 2);
    assert_eq!(found.counted, 1);
    assert!(
        found.bad[0].reason.contains("not valid UTF-8 at byte 8"),
        "{}",
        found.bad[0].reason
    );
    assert!(found.rows.len() >= 7, "{}", found.rows.len());
}

#[test]
fn too_many_bad_rows_are_an_error_after_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.jsonl");
    let mut text = String::new();
    for i in 0..5000 {
        text.push_str(if i % 2 == 0 { GOOD[0] } else { "{}" });
        text.push('\n');
    }
    fs::write(&path, text).unwrap();
    let mut options = SourceOptions::default();
    options.bad_rows = BadRows::Skip {
        at_most_percent: 40,
    };
    let error = read(&path, &options, 2).error.unwrap().to_string();
    assert!(
        error.contains("more than 40 %") && error.contains("line 2"),
        "{error}"
    );
    assert!(read(&path, &skipping(), 2).error.is_none());
}

#[test]
fn a_truncated_file_is_an_error_in_any_case() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.json");
    fs::write(&path, r#"[{"text": "whole"}, {"text": "#).unwrap();
    let opened = TextSource::open(path.to_str().unwrap(), &skipping());
    assert!(opened.err().unwrap().to_string().contains("truncated"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Any mixture of good and bad lines: the rows of the good ones, and as many bad rows as there are bad lines.
    #[test]
    fn any_mixture(picks in prop::collection::vec(0_usize..GOOD.len() + BAD.len(), 1..60)) {
        let line = |pick: &usize| GOOD.get(*pick).copied().unwrap_or_else(|| BAD[*pick - GOOD.len()].0);
        prop_assume!(picks.iter().any(|pick| *pick < GOOD.len()));
        let dir = tempfile::tempdir().unwrap();
        let (mixed, good) = (dir.path().join("mixed.jsonl"), dir.path().join("good.jsonl"));
        let all: Vec<&str> = picks.iter().map(line).collect();
        fs::write(&mixed, all.join("\n")).unwrap();
        let kept: Vec<&str> = picks.iter().filter(|pick| **pick < GOOD.len()).map(line).collect();
        fs::write(&good, kept.join("\n")).unwrap();
        let found = read(&mixed, &skipping(), 2);
        prop_assert_eq!(found.counted as usize, all.len() - kept.len());
        prop_assert_eq!(found.rows, read(&good, &SourceOptions::default(), 1).rows);
    }
}
