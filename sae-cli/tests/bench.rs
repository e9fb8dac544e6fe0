//! `sae bench`: from labelled texts to SAEBench's files.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

mod support;

use serde_json::Value;
use support::{Scratch, keys, read_json};

const LINE: &str = "bench --sae $RUN --model $MODEL --data data --train-size 24 --test-size 16 --n 2,5 --context-size 32";

/// Verses of three kinds, 12 to fit on and 8 to test on.
fn data(scratch: &Scratch) {
    let kinds = [
        ("speech", "And the LORD spake unto Moses, saying, number"),
        (
            "descent",
            "And the sons of Judah begat sons and daughters, number",
        ),
        (
            "measure",
            "The length thereof was fifty cubits and the breadth ten cubits, number",
        ),
    ];
    let words = [
        "gold", "silver", "brass", "cedar", "linen", "oil", "wine", "corn", "salt", "iron", "fire",
        "water",
    ];
    let mut files = [String::new(), String::new()];
    for (label, text) in kinds {
        for (at, word) in words.iter().enumerate() {
            let line = |end: &str| {
                format!("{{\"text\": \"{text} {word}{end}\", \"label\": \"{label}\"}}\n")
            };
            files[0] += &line("");
            if at < 8 {
                files[1] += &line(" and more.");
            }
        }
    }
    scratch.write("data/train.jsonl", &files[0]);
    scratch.write("data/test.jsonl", &files[1]);
}

fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    value.pointer(path).unwrap_or_else(|| panic!("no {path}"))
}

#[test]
fn classes_are_told_apart_and_the_files_say_so() {
    let scratch = Scratch::new();
    data(&scratch);
    let json = scratch.json(&format!("{LINE} --csv b.csv --out out"));
    assert_eq!(
        keys(&json),
        [
            "settings", "datasets", "model", "files", "plan", "timings", "warnings"
        ]
    );
    let set = &json["datasets"][0];
    assert_eq!((&set["n_train"], &set["n_test"]), (&12.into(), &8.into()));
    let classes = set["sparse_probing"].as_array().unwrap();
    assert_eq!(classes.len(), 3);
    for class in classes {
        // Texts that share all but a word: five features tell them apart.
        let five = at(class, "/sae_top/2/test_accuracy").as_f64().unwrap();
        assert!(five > 0.9, "{class:#}");
        assert!(class["llm_test_accuracy"].as_f64().unwrap() > 0.9);
        assert_eq!(at(class, "/sae_top/0/columns").as_array().unwrap().len(), 1);
    }
    let files = json["files"].as_array().unwrap();
    assert_eq!(files.len(), 2);
    let probing = read_json(&scratch.path(files[0].as_str().unwrap()));
    assert_eq!(probing["eval_type_id"], "sparse_probing");
    let mean = classes
        .iter()
        .map(|class| at(class, "/sae_top/0/test_accuracy").as_f64().unwrap());
    let mean = mean.sum::<f64>() / 3.0;
    let written = at(&probing, "/eval_result_metrics/sae/sae_top_1_test_accuracy");
    assert!((written.as_f64().unwrap() - mean).abs() < 1e-12);
    assert_eq!(
        at(&probing, "/eval_result_details/0/dataset_name"),
        "data_results"
    );
    let tpp = read_json(&scratch.path(files[1].as_str().unwrap()));
    let overall = at(&set["tpp"], "/overall/1/total_metric");
    assert_eq!(
        at(
            &tpp,
            "/eval_result_metrics/tpp_metrics/tpp_threshold_5_total_metric"
        ),
        overall
    );
    let csv = scratch.read("b.csv");
    assert!(csv.starts_with("dataset,evaluation,class,metric,value\n"));
    assert!(csv.contains("\ndata,sparse_probing,speech,sae_top_5_test_accuracy,"));
    // The same call gives the same figures.
    let again = scratch.json(&format!("{LINE} --out out2"));
    assert_eq!(json["datasets"], again["datasets"]);
}

#[test]
fn fewer_texts_than_asked_for_are_said() {
    let scratch = Scratch::new();
    data(&scratch);
    let line = LINE.replace("--test-size 16", "--test-size 20");
    let json = scratch.json(&format!("{line} --no-tpp --out out"));
    let warnings = json["warnings"].as_array().unwrap();
    assert!(
        warnings[0]
            .as_str()
            .unwrap()
            .contains("test.jsonl has 8 texts"),
        "{warnings:?}"
    );
    assert!(json["datasets"][0]["tpp"].is_null());
}

#[test]
fn what_is_no_data_set_is_said() {
    let scratch = Scratch::new();
    data(&scratch);
    let bench = |data: &str, more: &str| {
        format!("bench --sae $RUN --model $MODEL --data {data} {more} --out out")
    };
    scratch.fails(1, &bench("nowhere", ""), &["--data nowhere", "train.jsonl"]);
    scratch.fails(
        1,
        &bench("data", "--label-column kind"),
        &[
            "train.jsonl",
            "line 1",
            "has no \"kind\"; it has text, label",
        ],
    );
    scratch.write("one/train.jsonl", "{\"text\": \"a\", \"label\": 1}\n");
    scratch.write("one/test.jsonl", "{\"text\": \"b\", \"label\": 1}\n");
    scratch.fails(
        2,
        &bench("one", ""),
        &["has texts of 1 labels", "two are needed"],
    );
    scratch.fails(
        2,
        &bench("data", "--context-size 4096"),
        &["was trained for 128 tokens"],
    );
}
