//! `sae serve`: attribution, two texts and what steering changes are those of the commands and of their definitions.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod live;
mod support;

use live::{Peer, Served};
use serde_json::{Value, json};
use support::Scratch;

const TEXT: &str = "And the LORD spake unto";

fn close(a: &Value, b: &Value) -> bool {
    let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
    (a - b).abs() <= 1e-6 * a.abs().max(b.abs()).max(1e-3)
}

fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// The likeliest tokens after a text, which are those of the model.
fn next(served: &Served, text: &str) -> Vec<Value> {
    let (status, found) = served.post("/api/prompt", &json!({"text": text}));
    assert_eq!(status, 200, "{found}");
    let next = array(&found["next"]).to_vec();
    let peer = Peer::new(&found["tokens"]);
    let n_layers = peer.model.config().n_layers;
    let logits = peer.logits(peer.resid_pre(n_layers), peer.ids.len() - 1);
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    assert_eq!(next.len(), 10);
    for (token, id) in next.iter().zip(order) {
        assert_eq!(token["id"], id);
        let log_prob = token["log_prob"].as_f64().unwrap();
        assert!((log_prob + live::loss(&logits, id)).abs() < 1e-4);
    }
    assert_eq!(found["answer"], next[0]["text"]);
    next
}

#[test]
fn attribution_is_that_of_the_command() {
    let scratch = Scratch::new();
    let served = Served::start(&scratch);
    let next = next(&served, TEXT);
    let (answer, against) = (&next[0], &next[1]);
    for with in [None, Some(against)] {
        let mut question = json!({"text": TEXT, "answer": answer["id"], "top": 30});
        // A token's text as an answer, which gets its space by itself.
        let flag = |token: &Value| token["text"].as_str().unwrap().trim().to_owned();
        let mut call = vec![TEXT.to_owned(), "--answer".into(), flag(answer)];
        if let Some(against) = with {
            question["against"] = against["id"].clone();
            call.extend(["--against".into(), flag(against)]);
        }
        let (status, found) = served.post("/api/attribute", &question);
        assert_eq!(status, 200, "{found}");
        let mut command = scratch
            .command("attribute --sae $RUN --model $MODEL --no-components --top 30 --quiet --json");
        command.args(&call);
        let outcome = support::finish(&mut command);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let expected = outcome.json();
        assert_eq!(found["answer"]["text"], expected["answer"]);
        assert_eq!(found["metric"], expected["metric"]);
        assert!(close(&found["value"], &expected["value"]));
        let sae = &expected["saes"][0];
        for key in ["hook_name", "write_hook", "n_active"] {
            assert_eq!(found[key], sae[key], "{key}");
        }
        assert!(close(&found["sum"], &sae["completeness"]["sum"]));
        assert!(close(&found["measured"], &sae["completeness"]["measured"]));
        for key in ["by_position", "error", "bias"] {
            let (a, b) = (array(&found[key]), array(&sae[key]));
            assert_eq!((a.len(), a.len()), (b.len(), array(&found["tokens"]).len()));
            assert!(
                a.iter().zip(b).all(|(a, b)| close(a, b)),
                "{key}: {a:?} {b:?}"
            );
        }
        for (list, keys) in [
            (
                "features",
                &["feature", "position", "activation", "effect"][..],
            ),
            ("totals", &["feature", "n_positions", "effect"]),
        ] {
            let (a, b) = (array(&found[list]), array(&sae[list]));
            assert!(a.len() == b.len() && a.len() > 20, "{list}: {}", a.len());
            for (a, b) in a.iter().zip(b) {
                assert!(keys.iter().all(|key| close(&a[*key], &b[*key])), "{a} {b}");
            }
        }
        let texts = array(&found["tokens"]).iter().map(|token| &token["text"]);
        assert!(texts.eq(array(&expected["prompt_tokens"])));
    }
}

#[test]
fn attribution_that_cannot_be_had_is_told() {
    let scratch = Scratch::new();
    let said = |served: &Served, question: &Value| {
        let (status, answer) = served.post("/api/attribute", question);
        assert_eq!(status, 422, "{answer}");
        answer["error"].as_str().unwrap().to_owned()
    };
    let served = Served::start(&scratch);
    let n_vocab = 100_000_000;
    for (question, part) in [
        (
            json!({"text": TEXT, "answer": n_vocab}),
            "token 100000000 is outside the model's vocabulary",
        ),
        (
            json!({"text": TEXT, "answer": 5, "against": 4_294_967_295_u32}),
            "token 4294967295 is outside",
        ),
        (
            json!({"text": TEXT, "answer": 5, "against": 5}),
            "are the same token",
        ),
        (
            json!({"text": "word ".repeat(200), "answer": 5}),
            "are what can be run here; shorten it",
        ),
    ] {
        let error = said(&served, &question);
        assert!(error.contains(part), "{error}");
    }
    drop(served);
    // Just as much as serving needs, in which a long text has no room.
    let few = "--batch-size 1 --memory";
    let plan = scratch.command(&format!("{} --batch-size 1 --plan --json", live::CALL));
    let plan = support::finish(&mut { plan }).json();
    let total = plan["total_bytes"].as_u64().unwrap();
    let narrow = Served::start_with(&scratch, &format!("{few} {total}"));
    let question = json!({"text": "word ".repeat(60), "answer": 5});
    let error = said(&narrow, &question);
    assert!(
        error.contains("for which gradients take about") && error.contains("shorten the text"),
        "{error}"
    );
    drop(narrow);
    let question = json!({"text": TEXT, "answer": 5});
    let streamed = Served::start_with(&scratch, "--stream-layers");
    let error = said(&streamed, &question);
    assert!(
        error.contains("weights are streamed") && error.contains("without --stream-layers"),
        "{error}"
    );
}

#[test]
fn two_texts_differ_as_their_activations_do() {
    let scratch = Scratch::new();
    let served = Served::start(&scratch);
    let texts = [
        TEXT,
        "In the beginning God created the heaven and the earth",
    ];
    let question = json!({"text": texts[0], "other": texts[1], "top": 500});
    let (status, found) = served.post("/api/contrast", &question);
    assert_eq!(status, 200, "{found}");
    // By definition: the SAE's dense activations, BOS left out.
    let dense = [0, 1].map(|which| {
        let peer = Peer::new(&found["texts"][which]);
        assert_eq!(
            (peer.ids[0], &found["texts"][which][0]["counts"]),
            (0, &json!(false))
        );
        let f = peer.sae.encode(peer.resid_pre(2)).features;
        let [_, n, d_sae] = f.dims();
        let values: Vec<f32> = f.into_data().iter().collect();
        let at = move |token: usize, feature: usize| values[token * d_sae + feature];
        (n, d_sae, at)
    });
    let most = |which: usize, feature: usize| {
        let (n, _, at) = &dense[which];
        let mut best = (0.0_f32, None);
        for token in 1..*n {
            if at(token, feature) > best.0 {
                best = (at(token, feature), Some(token));
            }
        }
        best
    };
    let d_sae = dense[0].1;
    let differences = (0..d_sae).map(|f| (most(0, f).0 - most(1, f).0, f));
    let mut expected: Vec<(f32, usize)> = differences.filter(|(d, _)| d.abs() > 1e-4).collect();
    expected.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
    let features = array(&found["features"]);
    assert_eq!(found["n_different"], features.len());
    assert!(features.len() >= expected.len() && expected.len() > 20);
    for ((difference, _), feature) in expected.iter().zip(features) {
        let index = feature["index"].as_u64().unwrap() as usize;
        assert!((feature["difference"].as_f64().unwrap() - f64::from(*difference)).abs() < 1e-3);
        for which in [0, 1] {
            let (value, token) = most(which, index);
            assert!((feature["max"][which].as_f64().unwrap() - f64::from(value)).abs() < 1e-3);
            assert_eq!(feature["token"][which], json!(token));
        }
    }
    // What colours the texts is the same.
    let index = &features[0]["index"];
    for (which, text) in texts.iter().enumerate() {
        let question = json!({"text": text, "features": [index]});
        let (_, values) = served.post("/api/activations", &question);
        let Some(token) = features[0]["token"][which].as_u64() else {
            continue;
        };
        assert_eq!(
            values["values"][0][token as usize],
            features[0]["max"][which]
        );
    }
    for (question, part) in [
        (
            json!({"text": TEXT, "other": ""}),
            "the second text: has no tokens that count",
        ),
        (
            json!({"text": "", "other": TEXT}),
            "the first text: has no tokens that count",
        ),
        (
            json!({"text": TEXT, "other": "word ".repeat(200)}),
            "the second text: the text has",
        ),
    ] {
        let (status, answer) = served.post("/api/contrast", &question);
        assert_eq!(status, 422, "{answer}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn what_steering_changes_is_what_the_command_compares() {
    let scratch = Scratch::new();
    let served = Served::start(&scratch);
    let steer = json!([{"feature": 12, "kind": "add", "amount": 30.0}]);
    let question = json!({"text": TEXT, "steer": steer, "max_new_tokens": 12});
    let (status, body) = served.ask("POST /api/generate", &question.to_string());
    assert_eq!(status, 200);
    let lines = String::from_utf8(body).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let of = |side: &str| {
        let is = |l: &&Value| l["event"] == "changes" && l["side"] == side;
        array(&lines.iter().find(is).unwrap()["tokens"]).to_vec()
    };
    let said = |side: &str| -> Vec<Value> {
        let is = |l: &&Value| l["event"] == "token" && l["side"] == side;
        lines.iter().filter(is).cloned().collect()
    };
    let mut command = scratch.command(
        "generate --model $MODEL --sae $RUN --steer 12=add:30 --compare --max-new-tokens 12 --quiet --json",
    );
    command.arg(TEXT);
    let outcome = support::finish(&mut command);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let expected = outcome.json();
    let expected = array(&expected["comparison"][0]["tokens"]);
    let (plain, steered) = (of("plain"), of("steered"));
    assert_eq!(plain.len(), expected.len());
    for (found, expected) in plain.iter().zip(expected) {
        for key in ["log_prob", "steered_log_prob", "kl"] {
            assert!(
                close(&found[key], &expected[key]),
                "{key}: {found} {expected}"
            );
        }
    }
    // Each side's own log-probability is that of its generation, and where both have said the same so far, they are compared in the same place.
    let (tokens, others) = (said("plain"), said("steered"));
    assert_eq!((plain.len(), steered.len()), (tokens.len(), others.len()));
    let near = |a: &Value, b: &Value| (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-4;
    assert!(
        plain
            .iter()
            .zip(&tokens)
            .all(|(c, t)| near(&c["log_prob"], &t["log_prob"]))
    );
    let own = |(c, t): (&Value, &Value)| near(&c["steered_log_prob"], &t["log_prob"]);
    assert!(steered.iter().zip(&others).all(own));
    let alike = tokens.iter().zip(&others);
    let alike = alike
        .take_while(|(a, b)| a["token"]["id"] == b["token"]["id"])
        .count();
    assert!(alike < tokens.len(), "steering has an effect here");
    for at in 0..=alike {
        assert!(near(&plain[at]["kl"], &steered[at]["kl"]), "{at}");
    }
    assert!(
        plain
            .iter()
            .chain(&steered)
            .all(|c| c["kl"].as_f64().unwrap() >= 0.0)
    );
    assert!(steered.iter().any(|c| c["kl"].as_f64().unwrap() > 0.01));
}
