//! Inputs as they are found in the wild, and what Python's libraries make of them.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use flate2::Compression;
use flate2::write::GzEncoder;
use safetensors::Dtype;
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;
use support::Scratch;
use support::tensors::{Numbers, read, write};

const TEXT: &str = "In the beginning God created the heaven and the earth.";

/// The ids of all rows that a data set gives, and the warnings.
fn rows(scratch: &Scratch, dataset: &str) -> (Vec<f64>, String) {
    let line = format!(
        "tokenize --tokenizer $MODEL --dataset {dataset} --context-size 8 --out {dataset}.safetensors"
    );
    let json = scratch.json(&line);
    let file = read(&scratch.path(&format!("{dataset}.safetensors")));
    (file["tokens"].values.clone(), json["warnings"].to_string())
}

fn lines(records: &[Value]) -> String {
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    lines.join("\n") + "\n"
}

/// A data set and the rows that it gives.
fn plain(scratch: &Scratch) -> Vec<f64> {
    scratch.write(
        "plain.jsonl",
        lines(&[json!({ "text": TEXT }), json!({ "text": TEXT })]),
    );
    rows(scratch, "plain.jsonl").0
}

/// `datasets` reads all of these, with other libraries or by their first bytes.
#[test]
fn text_is_read_whatever_wraps_it() {
    let scratch = Scratch::new();
    let expected = plain(&scratch);
    let text = lines(&[json!({ "text": TEXT }), json!({ "text": TEXT })]);
    let gzip = |padding: usize| {
        let mut to = GzEncoder::new(Vec::new(), Compression::default());
        to.write_all(text.as_bytes()).unwrap();
        let mut bytes = to.finish().unwrap();
        bytes.resize(bytes.len() + padding, 0);
        bytes
    };
    scratch.write("hidden.jsonl", gzip(0));
    scratch.write("padded.jsonl.gz", gzip(512));
    scratch.write("bare.jsonl", text.replace('\n', "\r"));
    for (name, said) in [
        ("hidden.jsonl", "gzip"),
        ("padded.jsonl.gz", ""),
        ("bare.jsonl", ""),
    ] {
        let (found, warnings) = rows(&scratch, name);
        assert_eq!(found, expected, "{name}");
        assert!(warnings.contains(said), "{name}: {warnings}");
    }
}

#[test]
fn numbers_that_only_python_writes_stand_in_other_columns() {
    let scratch = Scratch::new();
    let expected = plain(&scratch);
    let line = |score: &str| format!("{{\"score\": {score}, \"text\": \"{TEXT}\"}}\n");
    scratch.write("nan.jsonl", line("NaN") + &line("-Infinity"));
    assert_eq!(rows(&scratch, "nan.jsonl").0, expected);
}

#[test]
fn a_column_of_ids_that_holds_none_is_passed_over() {
    let scratch = Scratch::new();
    let expected = plain(&scratch);
    for (name, ids) in [("empty.jsonl", json!([])), ("string.jsonl", json!("1 2 3"))] {
        let record = json!({ "tokens": ids, "text": TEXT });
        scratch.write(name, lines(&[record.clone(), record]));
        let (found, warnings) = rows(&scratch, name);
        assert_eq!(found, expected, "{name}");
        assert!(
            warnings.contains("tokens") && warnings.contains("text"),
            "{warnings}"
        );
    }
}

#[test]
fn text_that_begins_with_bos_is_warned_of() {
    let scratch = Scratch::new();
    let text = format!("<|begin_of_text|>{TEXT}");
    scratch.write("bos.jsonl", lines(&[json!({ "text": text })]));
    let (found, warnings) = rows(&scratch, "bos.jsonl");
    assert_eq!(found[..2], [0.0, 0.0], "as TransformerLens packs it");
    assert!(warnings.contains("BOS"), "{warnings}");

    // A prompt gets one, and says so.
    let mut command = scratch.command("prompt --answer the --model $MODEL --json");
    let outcome = support::finish(command.arg("<|begin_of_text|>In"));
    let json = outcome.json();
    assert_eq!(json["prompt_tokens"], json!(["<|begin_of_text|>", "In"]));
    assert!(
        outcome.stderr.contains("gets no second one"),
        "{outcome:#?}"
    );
}

#[cfg(unix)]
#[test]
fn one_call_at_a_time_goes_on_with_an_output() {
    let scratch = Scratch::new();
    scratch.write("big.jsonl", lines(&vec![json!({ "text": TEXT }); 200_000]));
    let line = "tokenize --tokenizer $MODEL --dataset big.jsonl --context-size 8 --resume --checkpoint-every 8 --out o.safetensors";
    let mut first = scratch
        .command(line)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !scratch.path("o.safetensors.part").exists() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let second = scratch.sae(line);
    let running = first.try_wait().unwrap().is_none();
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(running, "the first call must be at work still");
    assert_eq!(second.code, 1, "{second:#?}");
    assert!(
        second.stderr.contains("being written by another process"),
        "{second:#?}"
    );
}

const EVAL: &str = "eval --sae run --model $MODEL --dataset $TEXT --sequences 2";
const CFG: &str = "run/final_sae/cfg.json";

fn edit(scratch: &Scratch, change: impl FnOnce(&mut Value)) {
    let mut cfg: Value = serde_json::from_str(&scratch.read(CFG)).unwrap();
    change(&mut cfg);
    scratch.write(CFG, cfg.to_string());
}

#[test]
fn a_configuration_with_nan_where_nobody_looks_is_read() {
    let scratch = Scratch::new();
    scratch.copy_demo("run");
    let cfg = scratch.read(CFG);
    let at = cfg.find('{').unwrap() + 1;
    scratch.write(CFG, format!("{}\"lr\": NaN, {}", &cfg[..at], &cfg[at..]));
    scratch.ok("info run");
    scratch.write(CFG, format!("\u{feff}{cfg}"));
    scratch.fails(
        1,
        "info run",
        &[
            "cfg.json",
            "byte order mark",
            "save it as UTF-8 without one",
        ],
    );
}

#[test]
fn weights_in_float64_are_rounded_with_a_note() {
    let scratch = Scratch::new();
    scratch.copy_demo("run");
    let expected = scratch.json(EVAL)["metrics"].clone();
    let path = scratch.path("run/final_sae/sae_weights.safetensors");
    let wide = read(&path);
    let wide = wide
        .iter()
        .map(|(name, x)| (name.as_str(), x.clone().of(Dtype::F64)));
    write(&path, wide);
    let found = scratch.json(EVAL);
    assert_eq!(found["metrics"], expected);
    assert!(found["warnings"].to_string().contains("float64"));
}

#[test]
fn how_the_model_was_loaded_is_honoured_or_said() {
    let scratch = Scratch::new();
    scratch.copy_demo("run");
    edit(&scratch, |cfg| {
        cfg["metadata"]["model_from_pretrained_kwargs"] =
            json!({ "fold_ln": true, "center_unembed": true });
    });
    let warnings = scratch.json(EVAL)["warnings"].to_string();
    assert!(
        warnings.contains("fold_ln = true: it is not done here"),
        "{warnings}"
    );
    assert!(warnings.contains("no figure depends on it"), "{warnings}");
    // A repository at the revision that cfg.json names; nothing of it is here.
    edit(&scratch, |cfg| {
        cfg["metadata"]["model_name"] = json!("org/model");
        cfg["metadata"]["model_from_pretrained_kwargs"] = json!({ "revision": "step1000" });
    });
    scratch.fails(1, "eval --sae run --dataset $TEXT", &["org/model@step1000"]);
}

#[test]
fn a_sparsity_of_minus_infinity_has_no_mean() {
    let scratch = Scratch::new();
    scratch.copy_demo("run");
    let path = scratch.path("run/sparsity.safetensors");
    let n = read(&path)["sparsity"].values.len();
    write(
        &path,
        [("sparsity", Numbers::f32(&[n], vec![f32::NEG_INFINITY; n]))],
    );
    let json = scratch.json("info run");
    assert!(json["mean_log_sparsity"].is_null());
    assert_eq!(json["dead_fraction"], 1.0);
    let text = scratch.ok("info run").stdout;
    assert!(
        text.contains("not finite (features recorded at -inf), 100.00 % dead"),
        "{text}"
    );
}

#[test]
fn every_warning_is_in_the_json() {
    let scratch = Scratch::new();
    scratch.copy_demo("model");
    scratch.edit(
        "model/config.json",
        "\"max_position_embeddings\": 128",
        "\"max_position_embeddings\": 64",
    );
    let json = scratch.json("eval --sae $RUN --model model --dataset $TEXT --sequences 1");
    let warnings = json["warnings"].to_string();
    assert!(warnings.contains("longer than the 64"), "{warnings}");
}
