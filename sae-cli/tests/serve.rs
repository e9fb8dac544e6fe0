//! `sae serve` on the demo: what it answers is what the other commands and the mathematics say.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod live;
mod support;

use live::{CALL, Peer, Served};
use llama_hooked::NoHooks;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use support::Scratch;

#[test]
fn texts_and_checks_are_answered() {
    let scratch = Scratch::new();
    let served = Served::start(&scratch);
    let (status, page) = served.ask("GET /", "");
    assert_eq!(status, 200);
    assert!(String::from_utf8(page).unwrap().contains("<html"));
    assert_eq!(served.ask("GET /api/overview", "").0, 200);
    let (status, feature) = served.ask("GET /api/features/3", "");
    assert!(status == 200 && feature.len() > 100);
    assert_eq!(served.ask("GET /api/features/3", "").1, feature);
    assert_eq!(served.ask("GET /api/features/99999999", "").0, 404);

    let prompt = json!({ "text": "In the beginning God created", "effects": true });
    let (status, found) = served.post("/api/prompt", &prompt);
    assert_eq!(status, 200, "{found}");
    let tokens = found["tokens"].as_array().unwrap();
    let features = found["features"].as_array().unwrap();
    assert_eq!(tokens.len(), features.len());
    assert!(found["answer"].is_string());
    for of_token in features {
        let values: Vec<f64> = of_token
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["value"].as_f64().unwrap())
            .collect();
        assert!(values.is_sorted_by(|a, b| a >= b) && values.iter().all(|&v| v > 0.0));
        for feature in of_token.as_array().unwrap() {
            let quantile = feature["quantile"].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&quantile));
        }
    }
    assert!(
        features
            .last()
            .unwrap()
            .as_array()
            .unwrap()
            .iter()
            .all(|f| f["effect"].is_null())
    );

    let check = json!({ "prompt": "In the beginning God created the", "answer": "heaven" });
    let (status, found) = served.post("/api/check", &check);
    assert_eq!(status, 200, "{found}");
    let mut command = scratch.command("prompt --answer heaven --sae $RUN --model $MODEL --json");
    let said = support::finish(command.arg("In the beginning God created the"));
    let mut said = said.json();
    let warnings = said.as_object_mut().unwrap().remove("warnings");
    assert_eq!(warnings, Some(json!([])));
    assert_eq!(found, said);

    for (path, body) in [
        ("/api/prompt", json!({ "text": "word ".repeat(9000) })),
        ("/api/check", json!({ "prompt": "a", "answer": "" })),
    ] {
        let (status, found) = served.post(path, &body);
        assert!((400..500).contains(&status), "{path} {status} {found}");
        assert!(found["error"].as_str().unwrap().len() > 10);
    }
}

#[test]
fn effects_are_those_of_their_definitions() {
    const HOOK: usize = 2;
    let scratch = Scratch::new();
    let served = Served::start(&scratch);
    let text = "In the beginning God created";
    let place = 3;
    let question = json!({ "text": text, "effects": true, "exact": place });
    let (status, found) = served.post("/api/prompt", &question);
    assert_eq!(status, 200, "{found}");
    let peer = Peer::new(&found["tokens"]);
    let n_layers = peer.model.config().n_layers;
    let (at_hook, last) = (peer.resid_pre(HOOK), peer.resid_pre(n_layers));
    let n = peer.ids.len();
    let (mut n_direct, mut n_exact) = (0, 0);
    for position in 0..n {
        for feature in found["features"][position].as_array().unwrap() {
            if position + 1 == n {
                assert!(feature["effect"].is_null() && feature["exact"].is_null());
                continue;
            }
            let plain = peer.loss_after(last.clone(), position);
            let without = peer.without(&last, position, feature);
            let direct = peer.loss_after(without, position) - plain;
            let effect = feature["effect"].as_f64().unwrap();
            assert!((effect - direct).abs() < 1e-4, "{effect} {direct}");
            n_direct += 1;
            if position != place {
                assert!(feature["exact"].is_null());
                continue;
            }
            let without = peer.without(&at_hook, position, feature);
            let without = peer.model.blocks(without, HOOK..n_layers, &mut NoHooks);
            let exact = peer.loss_after(without, position) - plain;
            let effect = feature["exact"].as_f64().unwrap();
            assert!((effect - exact).abs() < 1e-4, "{effect} {exact}");
            assert!((exact - direct).abs() > 1e-6, "the layers above do nothing");
            n_exact += 1;
        }
    }
    assert!(n_direct > 10 && n_exact > 2, "{n_direct} {n_exact}");

    let last = json!({ "text": text, "exact": n - 1 });
    let (status, found) = served.post("/api/prompt", &last);
    assert_eq!(status, 200, "{found}");
    let (status, found) = served.post("/api/prompt", &json!({ "text": text, "exact": n }));
    assert_eq!(status, 422, "{found}");
    assert!(
        found["error"]
            .as_str()
            .unwrap()
            .contains("the place of a token, 0 to")
    );
}

#[test]
fn activations_on_a_text_are_those_of_the_sae() {
    const HOOK: usize = 2;
    let scratch = Scratch::new();
    let served = Served::start(&scratch);
    let text = "In the beginning 日 God created";
    let features: Vec<u32> = (0..64).collect();
    let question = json!({ "text": text, "features": features });
    let (status, found) = served.post("/api/activations", &question);
    assert_eq!(status, 200, "{found}");
    let peer = Peer::new(&found["tokens"]);
    let dense = peer.sae.encode(peer.resid_pre(HOOK)).features;
    let [_, n, d_sae] = dense.dims();
    let dense: Vec<f32> = dense.into_data().iter().collect();
    let mut n_fired = 0;
    for (feature, values) in found["values"].as_array().unwrap().iter().enumerate() {
        for (place, value) in values.as_array().unwrap().iter().enumerate() {
            let (value, expected) = (
                value.as_f64().unwrap() as f32,
                dense[place * d_sae + feature],
            );
            assert!((value - expected).abs() < 1e-4, "{value} {expected}");
            n_fired += u32::from(value > 0.0);
        }
    }
    assert!(n_fired > 10, "{n_fired}");
    let tokens = found["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), n);
    for (place, token) in tokens.iter().enumerate() {
        let row = &dense[place * d_sae..][..d_sae];
        // Close to zero the two ways of computing may disagree on what fires.
        let least = row.iter().filter(|x| **x > 1e-4).count() as u64;
        let most = row.iter().filter(|x| **x > -1e-4 && **x != 0.0).count() as u64;
        let n_active = token["n_active"].as_u64().unwrap();
        assert!(
            (least..=most.max(least)).contains(&n_active),
            "{n_active} {least} {most}"
        );
        assert_eq!(token["counts"], place > 0, "BOS does not count");
    }
    // The bytes of a character that is several tokens are all there.
    let hex: String = tokens
        .iter()
        .filter_map(|token| token["hex"].as_str())
        .collect();
    assert_eq!(hex, "e697a5");
    // The same from what the prompt has left, and after another text.
    served.post("/api/prompt", &json!({ "text": text }));
    assert_eq!(served.post("/api/activations", &question).1, found);
    served.post(
        "/api/activations",
        &json!({ "text": "other", "features": [1] }),
    );
    assert_eq!(served.post("/api/activations", &question).1, found);
    let (status, refused) = served.post(
        "/api/activations",
        &json!({ "text": "a", "features": [d_sae] }),
    );
    assert_eq!(status, 422);
    assert!(
        refused["error"]
            .as_str()
            .unwrap()
            .contains("there is no feature"),
        "{refused}"
    );
}

#[test]
fn labels_are_kept_from_one_call_to_the_next_and_shown_on_pages() {
    let scratch = Scratch::new();
    let served = Served::start_with(&scratch, "--labels labels.jsonl");
    let labels = json!([
        { "feature": 3, "label": "<b>bearing</b>", "note": "two\nlines" },
        { "feature": 7, "star": true },
    ]);
    let (status, answer) = served.post("/api/labels", &json!({ "labels": labels }));
    assert_eq!(status, 200, "{answer}");
    let (status, answer) = served.post("/api/labels", &json!({ "labels": [{ "feature": 99999 }] }));
    assert_eq!(status, 422);
    assert!(
        answer["error"]
            .as_str()
            .unwrap()
            .contains("there is no feature 99999"),
        "{answer}"
    );
    drop(served);
    let written = scratch.read("labels.jsonl");
    let lines: Vec<Value> = written
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        lines[0]["labels_of"]["hook_name"],
        "blocks.2.hook_resid_pre"
    );
    assert_eq!(json!(lines[1..]), labels);
    let served = Served::start_with(&scratch, "--labels labels.jsonl");
    let (status, answer) = served.ask("GET /api/labels", "");
    assert_eq!(status, 200);
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["labels"], labels);
    drop(served);

    let text = "dashboard --sae $RUN --model $MODEL --dataset $TEXT --context-size 32 --sequences 60 --features 3,7,9";
    scratch.ok(&format!("{text} --labels labels.jsonl --out plain.html"));
    scratch.ok(&format!("{text} --out without.html"));
    let [with, without] = ["plain.html", "without.html"].map(|page| scratch.read(page));
    assert_ne!(with, without);
    let call = "--format export --neuronpedia-id m/3-res --out export";
    scratch.ok(&format!("{text} --labels labels.jsonl {call}"));
    let rows = std::fs::File::open(scratch.path("export/explanations/batch-0.jsonl.gz")).unwrap();
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(rows)
        .read_to_string(&mut unpacked)
        .unwrap();
    let row: Value = serde_json::from_str(&unpacked).expect("one explanation: a star is none");
    assert_eq!(
        (&row["index"], &row["description"]),
        (&json!("3"), &json!("<b>bearing</b>"))
    );
    // What was exported can be read again.
    scratch.ok(&format!(
        "{text} --labels export/explanations/batch-0.jsonl.gz --out again.html"
    ));

    scratch.edit("labels.jsonl", "blocks.2", "blocks.3");
    scratch.fails(
        1,
        &format!("{CALL} --labels labels.jsonl"),
        &["of another SAE", "blocks.3.hook_resid_pre"],
    );
    scratch.fails(
        1,
        &format!("{text} --labels labels.jsonl --out no.html"),
        &["of another SAE"],
    );
    scratch.fails(
        1,
        &format!("{text} --labels nowhere.jsonl --out no.html"),
        &["cannot read nowhere.jsonl"],
    );
    assert!(!scratch.path("no.html").exists());
    scratch.fails(
        2,
        &format!("{text} --labels plain.html --out plain.html"),
        &["would be replaced"],
    );
    scratch.fails(
        2,
        &format!("{CALL} --labels labels.jsonl --json=labels.jsonl"),
        &["are the same file"],
    );
}

#[cfg(unix)]
#[test]
fn it_ends_when_it_is_told_and_leaves_nothing() {
    let scratch = Scratch::new();
    let temporary = scratch.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut child = scratch
        .command(CALL)
        .env("TMPDIR", &temporary)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.starts_with("http://"));
    assert!(std::fs::read_dir(&temporary).unwrap().next().is_some());
    let told = std::process::Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    assert!(told.success());
    assert!(child.wait().unwrap().success());
    assert!(std::fs::read_dir(&temporary).unwrap().next().is_none());
}

#[test]
fn what_cannot_be_served_is_told() {
    let scratch = Scratch::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let line = CALL.replace("--port 0", &format!("--port {port}"));
    scratch.fails(1, &line, &["another program listens there"]);
    scratch.fails(2, &CALL.replace("--port 0", "--port 99999"), &["99999"]);
    scratch.fails(2, &CALL.replace("--port 0", "--host nowhere"), &["nowhere"]);
}
