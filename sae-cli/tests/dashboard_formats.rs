//! `sae dashboard --format`: files for other programs, from the same pass as the pages.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;
use support::{Scratch, keys, read_json};

const CALL: &str = "dashboard --sae $RUN --model $MODEL --tokens t.st";
const ALL: &str = "--format html,neuronpedia,export,parquet --neuronpedia-id model/2-sae";

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.ok(
        "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 32 --sequences 90 --out t.st",
    );
    scratch
}

/// Every file of a folder, and what is in it.
fn files(scratch: &Scratch, folder: &str) -> BTreeMap<String, Vec<u8>> {
    let root = scratch.path(folder);
    let all = scratch.listing().into_iter();
    let own = all.filter(|path| path.starts_with(&root) && path.is_file());
    own.map(|path| {
        let name = path.strip_prefix(&root).unwrap();
        (name.to_str().unwrap().to_owned(), fs::read(&path).unwrap())
    })
    .collect()
}

fn rows(path: &Path) -> Vec<Row> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let rows: Result<_, _> = reader.get_row_iter(None).unwrap().collect();
    rows.unwrap()
}

fn field<'a>(row: &'a Row, name: &str) -> &'a Field {
    let (_, field) = row
        .get_column_iter()
        .find(|(found, _)| *found == name)
        .unwrap();
    field
}

fn lines(path: &Path) -> Vec<Value> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn all_formats_from_one_call_say_the_same() {
    let scratch = scratch();
    let line = format!("{CALL} --features 300 {ALL} --out all");
    let result = scratch.json(&line);
    assert_eq!(
        keys(&result["outputs"]),
        ["html", "neuronpedia", "export", "parquet"]
    );
    for path in result["outputs"].as_object().unwrap().values() {
        assert!(scratch.path(path.as_str().unwrap()).exists(), "{path}");
    }
    let names: Vec<String> = files(&scratch, "all").into_keys().collect();
    assert_eq!(
        names,
        [
            "export/activations/batch-0.jsonl.gz",
            "export/features/batch-0.jsonl.gz",
            "html/index.html",
            "html/shards/00000.js",
            "html/shards/00001.js",
            "html/shards/00002.js",
            "html/shards/00003.js",
            "html/shards/00004.js",
            "neuronpedia/batch-0.json",
            "neuronpedia/batch-1.json",
            "neuronpedia/batch-2.json",
            "neuronpedia/run_settings.json",
            "neuronpedia/skipped_indexes.json",
            "parquet/activations.parquet",
            "parquet/features.parquet",
        ]
    );

    let batches =
        (0..3).map(|n| read_json(&scratch.path(&format!("all/neuronpedia/batch-{n}.json"))));
    let batches: Vec<Value> = batches.collect();
    // cfg.json does not say what Neuronpedia is to call it.
    assert_eq!(
        (&batches[0]["model_id"], &batches[0]["sae_set"]),
        (&"model".into(), &"sae".into())
    );
    assert_eq!(batches[0]["layer"], 2);
    let features: Vec<&Value> = batches
        .iter()
        .flat_map(|b| b["features"].as_array().unwrap())
        .collect();
    let exported = lines(&scratch.path("all/export/features/batch-0.jsonl.gz"));
    let table = rows(&scratch.path("all/parquet/features.parquet"));
    assert_eq!([features.len(), exported.len(), table.len()], [300; 3]);
    let of_tokens = 90.0 * 32.0;
    for ((feature, exported), row) in features.iter().zip(&exported).zip(&table) {
        assert_eq!(exported["index"], feature["feature_index"].to_string());
        assert_eq!(
            field(row, "index").to_string(),
            feature["feature_index"].to_string()
        );
        assert_eq!(exported["pos_str"], feature["pos_str"]);
        assert_eq!(exported["vector"], feature["vector"]);
        assert_eq!(feature["vector"].as_array().unwrap().len(), 128);
        let Field::Long(n_fired) = field(row, "n_fired") else {
            panic!("{row}")
        };
        let share = feature["frac_nonzero"].as_f64().unwrap();
        assert!((share - *n_fired as f64 / of_tokens).abs() < 1e-12);
        let counts = feature["freq_hist_data_bar_heights"].as_array().unwrap();
        assert_eq!(
            counts.iter().map(|n| n.as_i64().unwrap()).sum::<i64>(),
            *n_fired
        );
    }

    let activations = lines(&scratch.path("all/export/activations/batch-0.jsonl.gz"));
    let of_batches = features
        .iter()
        .flat_map(|f| f["activations"].as_array().unwrap());
    assert_eq!(of_batches.clone().count(), activations.len());
    let examples = rows(&scratch.path("all/parquet/activations.parquet"));
    let group = |row: &Row| field(row, "group").to_string();
    let in_both: Vec<&Row> = examples
        .iter()
        .filter(|row| !group(row).contains("random"))
        .collect();
    assert!(examples.len() > in_both.len());
    assert_eq!(in_both.len(), activations.len());
    for ((row, exported), activation) in in_both.iter().zip(&activations).zip(of_batches) {
        assert_eq!(exported["tokens"], activation["tokens"]);
        let context = field(row, "context").to_string();
        assert_eq!(exported["dataIndex"], context);
        let (Field::Float(value), Field::ListInternal(tokens)) =
            (field(row, "value"), field(row, "tokens"))
        else {
            panic!("{row}")
        };
        let place = activation["qualifying_token_index"].as_u64().unwrap() as usize;
        // The demo's directions are one long.
        assert!((activation["values"][place].as_f64().unwrap() - f64::from(*value)).abs() < 0.001);
        assert_eq!(tokens.len(), activation["tokens"].as_array().unwrap().len());
    }
}

#[test]
fn one_format_alone_is_the_same_as_among_others() {
    let scratch = scratch();
    let line = format!("{CALL} --features 70");
    scratch.ok(&format!("{line} {ALL} --out all"));
    for format in ["html", "neuronpedia", "export", "parquet"] {
        let id = match format {
            "neuronpedia" | "export" => "--neuronpedia-id model/2-sae",
            _ => "",
        };
        let human = scratch.ok(&format!("{line} --format {format} {id} --out {format}"));
        assert!(human.stdout.contains(format), "{}", human.stdout);
        assert!(
            files(&scratch, format) == files(&scratch, &format!("all/{format}")),
            "{format}"
        );
    }
    // Given several times, in another order.
    scratch.ok(&format!("{line} --format parquet --format html --out two"));
    let names: Vec<String> = files(&scratch, "two").into_keys().collect();
    assert_eq!(names.len(), 2 + 1 + 2);
}

#[test]
fn files_are_the_same_bytes_for_any_batches_and_shards() {
    let scratch = scratch();
    let line = format!("{CALL} --features 200 {ALL}");
    scratch.ok(&format!("{line} --batch-size 7 --out whole"));
    let whole = files(&scratch, "whole");
    for (name, more) in [
        ("one", "--batch-size 1"),
        ("many", "--batch-size 32 --threads 1 --gather 1kB"),
    ] {
        scratch.ok(&format!("{line} {more} --out {name}"));
        assert!(files(&scratch, name) == whole, "{more}");
    }
    for shard in 0..3 {
        scratch.ok(&format!(
            "{CALL} --shard {shard}/3 --work w{shard} --log-only"
        ));
    }
    scratch.ok(&format!(
        "{line} --merge w2 --merge w0 --merge w1 --out merged"
    ));
    assert!(files(&scratch, "merged") == whole);
}

/// Temporary folders, which only kills leave behind.
fn temporary(scratch: &Scratch) -> usize {
    let entries = fs::read_dir(scratch.path(".")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_str().unwrap().starts_with(".sae-"))
        .count()
}

#[test]
fn killed_while_it_writes_nothing_has_its_name() {
    let scratch = scratch();
    scratch.ok(&format!("{CALL} {ALL} --out whole"));
    let whole = files(&scratch, "whole");
    assert_eq!(temporary(&scratch), 0);
    scratch.ok(&format!("{CALL} --work work --log-only"));
    let line = format!("{CALL} {ALL} --work work --out out");
    let mut kills = 0;
    for delay in [0, 5, 20, 80, 160] {
        let before = temporary(&scratch);
        let mut child = scratch
            .command(&line)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while temporary(&scratch) == before && child.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        let killed = !child.wait().unwrap().success();
        if scratch.path("out").exists() {
            assert!(files(&scratch, "out") == whole, "after {delay} ms");
            fs::remove_dir_all(scratch.path("out")).unwrap();
        } else {
            assert!(killed && temporary(&scratch) > before, "after {delay} ms");
            kills += 1;
        }
    }
    assert!(kills > 0);
    scratch.ok(&line);
    assert!(files(&scratch, "out") == whole);
}

#[test]
fn hostile_text_stays_text() {
    let scratch = Scratch::new();
    let long = "</script>\\u0000\\u202e\\\"é€\\u2028 ".repeat(1 << 15);
    assert!(long.len() > 1 << 20);
    let lone = r#"{"text": "a lone \ud800 surrogate"}"#;
    scratch.write("t.jsonl", format!("{{\"text\": \"{long}\"}}\n{lone}\n"));
    let text = "--dataset t.jsonl --on-bad-row skip --context-size 32 --sequences 200";
    let line = format!("dashboard --sae $RUN --model $MODEL {text} {ALL} --out out");
    let outcome = scratch.sae(&line);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let mut texts = Vec::new();
    for batch in 0..8 {
        let batch = read_json(&scratch.path(&format!("out/neuronpedia/batch-{batch}.json")));
        let features = batch["features"].as_array().unwrap().clone();
        let shown = features
            .iter()
            .flat_map(|f| f["activations"].as_array().unwrap());
        let text = |tokens: &Value| serde_json::from_value::<Vec<String>>(tokens.clone()).unwrap();
        texts.extend(shown.map(|activation| text(&activation["tokens"]).concat()));
    }
    assert!(texts.iter().any(|text| text.contains("</script>")));
    assert!(texts.iter().any(|text| text.contains('\u{fffd}')));
    assert!(!texts.iter().any(|text| text.contains('\0')));
    let activations = lines(&scratch.path("out/export/activations/batch-0.jsonl.gz"));
    assert!(!activations.is_empty());
    let examples = rows(&scratch.path("out/parquet/activations.parquet"));
    let shown: usize = examples
        .iter()
        .map(|row| match (field(row, "texts"), field(row, "tokens")) {
            (Field::ListInternal(texts), Field::ListInternal(tokens)) => {
                assert_eq!(texts.len(), tokens.len());
                let is_text =
                    |text: &Field| matches!(text, Field::Str(text) if !text.contains('\0'));
                assert!(texts.elements().iter().all(is_text));
                texts.len()
            }
            _ => panic!("{row}"),
        })
        .sum();
    assert!(shown > activations.len());
}

#[test]
fn what_does_not_go_together_is_refused() {
    let scratch = scratch();
    for (code, more, said) in [
        (2, "--format pdf --out o", vec!["'pdf'", "parquet"]),
        (
            2,
            "--format html,parquet --out o.html",
            vec!["html,parquet needs a folder"],
        ),
        (
            2,
            "--format parquet --out o.html",
            vec!["parquet needs a folder"],
        ),
        (
            2,
            "--neuronpedia-id m/2-s --out o",
            vec!["--neuronpedia-id is about"],
        ),
        (
            2,
            "--format export --neuronpedia-id m/s --out o",
            vec!["MODEL/LAYER-SET"],
        ),
        (
            2,
            "--format export --neuronpedia-id m/2-a__b__c --out o",
            vec!["suffix"],
        ),
        (
            1,
            "--format html,export --neuronpedia-id m/2-s --out no/such",
            vec!["no/such"],
        ),
    ] {
        scratch.fails(code, &format!("{CALL} {more}"), &said);
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_an_empty_folder_is_followed() {
    let scratch = scratch();
    fs::create_dir(scratch.path("real")).unwrap();
    std::os::unix::fs::symlink("real", scratch.path("link")).unwrap();
    scratch.ok(&format!(
        "{CALL} --features 3 --format parquet,html --out link"
    ));
    assert!(scratch.path("real/parquet/features.parquet").exists());
    assert!(scratch.path("link").is_symlink());
}

#[test]
fn delphi_and_questions_come_from_the_activations_alone() {
    let scratch = scratch();
    let line =
        format!("{CALL} --format delphi,questions --features all --min-windows 30 --out judged");
    let result = scratch.json(&line);
    assert_eq!(keys(&result["outputs"]), ["delphi", "questions"]);
    let warnings = result["warnings"].to_string();
    assert!(warnings.contains("fewer than 30 windows"), "{warnings}");
    let found = files(&scratch, "judged");
    let caches: Vec<&String> = found
        .keys()
        .filter(|name| name.ends_with(".safetensors"))
        .collect();
    assert_eq!(caches.len(), 5, "{caches:?}");
    assert!(caches.iter().all(|name| name.starts_with("delphi/blocks.")));
    let mut n = 0;
    for name in caches {
        let tensors = safetensors::SafeTensors::deserialize(&found[name]).unwrap();
        let [locations, activations] =
            ["locations", "activations"].map(|tensor| tensors.tensor(tensor).unwrap());
        assert_eq!(locations.shape(), [activations.shape()[0], 3]);
        assert_eq!(tensors.tensor("tokens").unwrap().shape(), [90, 32]);
        n += activations.shape()[0] as u64;
    }
    // delphi leaves out what is not above 1e-5, which hardly anything is.
    let all = result["n_activations"].as_u64().unwrap();
    assert!(n <= all && n * 1000 >= all * 999, "{n} of {all}");

    let questions = String::from_utf8(found["questions/questions.jsonl"].clone()).unwrap();
    let questions: Vec<Value> = questions
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(!questions.is_empty());
    for question in &questions {
        let text = question["text"].as_str().unwrap();
        assert_eq!(
            text.contains("<<"),
            question["kind"] == "fuzzing",
            "{question}"
        );
        assert_eq!(question["label"] == true, question["quantile"].is_u64());
    }
    let again = scratch.json(&line.replace("judged", "again"));
    assert_eq!(again["n_activations"], result["n_activations"]);
    assert_eq!(files(&scratch, "again"), found);
}
