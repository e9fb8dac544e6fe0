//! `sae tokenize`: text to rows of ids.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use support::tensors::{Numbers, read, write};
use support::{Scratch, demo, finish};

/// The demo tokenizer's BOS and EOS.
const BOS: f64 = 0.0;
const EOS: f64 = 1.0;

fn tokens(scratch: &Scratch, name: &str) -> Numbers {
    let mut tensors = read(&scratch.path(name));
    assert_eq!(tensors.len(), 1, "{:?}", tensors.keys());
    tensors.remove("tokens").unwrap()
}

#[test]
fn rows_are_packed_the_notebooks_way() {
    let scratch = Scratch::new();
    let result = scratch.json("tokenize --tokenizer $MODEL --dataset $TEXT --context-size 32 --sequences 40 --out t.safetensors");
    assert_eq!(
        result,
        serde_json::json!({
            "rows": 40, "context_size": 32, "tokens": 1280, "packing": "notebook", "prepend_bos": true,
            "bad_rows": 0, "out": "t.safetensors", "warnings": [],
        })
    );
    let table = tokens(&scratch, "t.safetensors");
    assert_eq!(table.shape, [40, 32]);
    assert_eq!(table.dtype, safetensors::Dtype::U32);
    assert!(table.rows().all(|row| row[0] == BOS), "BOS at each head");
    assert!(
        table.rows().all(|row| row[1..].iter().all(|&id| id != BOS)),
        "and nowhere else"
    );
    assert!(
        table.values.contains(&EOS),
        "documents are joined within rows"
    );
}

#[test]
fn without_bos_it_is_the_same_stream_cut_elsewhere() {
    let scratch = Scratch::new();
    scratch.ok("tokenize --tokenizer $MODEL --dataset $TEXT --context-size 33 --sequences 8 --out with.safetensors");
    scratch.ok("tokenize --tokenizer $MODEL --dataset $TEXT --context-size 32 --sequences 8 --no-bos --out without.safetensors");
    let with = tokens(&scratch, "with.safetensors");
    let texts: Vec<f64> = with.rows().flat_map(|row| row[1..].to_vec()).collect();
    assert_eq!(tokens(&scratch, "without.safetensors").values, texts);
}

#[test]
fn saelens_packing_puts_bos_between_documents() {
    let scratch = Scratch::new();
    scratch.write(
        "two.jsonl",
        "{\"text\": \"And it came to pass\"}\n{\"text\": \"in the beginning God created the heaven\"}\n",
    );
    scratch.ok("tokenize --tokenizer $MODEL --dataset two.jsonl --context-size 8 --packing saelens --out t.safetensors");
    let table = tokens(&scratch, "t.safetensors");
    assert!(table.values.starts_with(&[BOS]));
    assert!(table.values[1..].contains(&BOS), "{:?}", table.values);
    assert!(!table.values.contains(&EOS));
}

#[test]
fn threads_change_nothing() {
    let scratch = Scratch::new();
    for n in [1, 2, 5] {
        scratch.ok(&format!("tokenize --tokenizer $MODEL --dataset $TEXT --context-size 64 --threads {n} --out {n}.safetensors"));
    }
    let file = |n| std::fs::read(scratch.path(&format!("{n}.safetensors"))).unwrap();
    assert!(file(1) == file(2) && file(1) == file(5));
}

#[test]
fn budgets_count_rows_or_tokens() {
    let scratch = Scratch::new();
    let rows = |budget: &str| {
        let line = format!(
            "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 16 {budget} --out t.safetensors"
        );
        scratch.json(&line)["rows"].as_u64().unwrap()
    };
    assert_eq!(rows("--sequences 3"), 3);
    assert_eq!(rows("--max-tokens 100"), 6, "whole rows within 100 tokens");
    assert!(rows("") > 5000, "everything");
}

#[test]
fn every_source_gives_the_same_rows() {
    let scratch = Scratch::new();
    let text = "Blessed is the man that walketh not in the counsel of the ungodly. ".repeat(20);
    let record = serde_json::json!({ "text": text, "other": 1 });
    scratch.write("a.txt", &text);
    scratch.write("a.jsonl", format!("{record}\n"));
    scratch.write("a.json", format!("[{record}]"));
    scratch.write("folder/part.jsonl", format!("{record}\n"));
    scratch.write(
        "odd.jsonl",
        serde_json::json!({ "verse": text }).to_string(),
    );
    let rows = |source: &str| {
        let line = format!(
            "tokenize --tokenizer $MODEL --dataset {source} --context-size 16 --out t.safetensors"
        );
        scratch.ok(&line);
        tokens(&scratch, "t.safetensors").values
    };
    let expected = rows("a.txt");
    for source in [
        "a.jsonl",
        "a.json",
        "folder",
        "folder/*.jsonl",
        "odd.jsonl --column verse",
    ] {
        assert_eq!(rows(source), expected, "{source}");
    }
}

#[test]
fn rows_that_are_tokenised_already_pass_as_they_are() {
    let scratch = Scratch::new();
    let ids = [5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
    let table = Numbers::f32(&[2, 3], ids.map(|id: f32| id)).of(safetensors::Dtype::I64);
    write(&scratch.path("ids.safetensors"), [("input_ids", table)]);
    let outcome = scratch.sae("tokenize --tokenizer $MODEL --dataset ids.safetensors --context-size 2 --no-bos --out t.safetensors");
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(
        outcome.stderr.contains("rows of 3 ids are cut to 2"),
        "{}",
        outcome.stderr
    );
    assert_eq!(
        tokens(&scratch, "t.safetensors").values,
        [5.0, 6.0, 8.0, 9.0],
        "cut to the context size"
    );
}

#[test]
fn the_file_says_how_it_was_made() {
    let scratch = Scratch::new();
    scratch.ok("tokenize --tokenizer $MODEL --dataset $TEXT --context-size 16 --sequences 2 --out t.safetensors");
    let bytes = std::fs::read(scratch.path("t.safetensors")).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let made = &header.metadata().as_ref().unwrap()["sae_lens"];
    let made: serde_json::Value = serde_json::from_str(made).unwrap();
    assert_eq!(made["context_size"], 16);
    assert_eq!(made["begin_batch_token"], 0);
    assert_eq!(made["sequence_separator_token"], 1);
    assert_eq!(made["packing"], "notebook");
    assert_eq!(made["vocab_size"], 2048);
    assert_eq!(
        made["original_dataset"],
        demo("text/kjv.jsonl").to_str().unwrap()
    );
}

#[test]
fn a_tokenizer_may_be_given_by_its_file() {
    let scratch = Scratch::new();
    let mut by_file = scratch.command("tokenize --dataset $TEXT --context-size 16 --sequences 9 --out file.safetensors --tokenizer");
    let outcome = finish(by_file.arg(demo("model/tokenizer.json")));
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    scratch.ok("tokenize --dataset $TEXT --context-size 16 --sequences 9 --out folder.safetensors --tokenizer $MODEL");
    assert_eq!(
        tokens(&scratch, "file.safetensors"),
        tokens(&scratch, "folder.safetensors")
    );
}
