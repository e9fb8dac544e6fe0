//! `sae serve`, `POST /api/generate`: both continuations are those of their definitions.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod live;
mod support;

use burn::tensor::Tensor;
use live::{Peer, Served, loss};
use llama_hooked::NoHooks;
use serde_json::{Value, json};
use support::Scratch;

const HOOK: usize = 2;
const FEATURE: usize = 12;
const TEXT: &str = "In the beginning God created";

fn lines(served: &Served, question: &Value) -> Vec<Value> {
    let (status, body) = served.ask("POST /api/generate", &question.to_string());
    let body = String::from_utf8(body).unwrap();
    assert_eq!(status, 200, "{body}");
    body.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

/// The tokens of a side.
fn side(lines: &[Value], side: &str) -> Vec<Value> {
    let of_side = lines
        .iter()
        .filter(|l| l["event"] == "token" && l["side"] == side);
    of_side.cloned().collect()
}

fn ids(tokens: &[Value]) -> Vec<u64> {
    let ids = tokens.iter().map(|t| t["token"]["id"].as_u64().unwrap());
    ids.collect()
}

/// What one of the kinds of steering does to what enters block 2, at all tokens but BOS. By hand, of the whole text.
fn steered(peer: &Peer, kind: &str, amount: f32) -> Tensor<3> {
    let resid = peer.resid_pre(HOOK);
    let [_, n, d] = resid.dims();
    let row = peer.sae.w_dec().narrow(0, FEATURE, 1);
    let f = peer
        .sae
        .encode(resid.clone())
        .features
        .narrow(2, FEATURE, 1);
    let length: f32 = row.clone().square().sum().sqrt().into_scalar();
    let by = match kind {
        "add" => f.zeros_like().add_scalar(amount / length),
        "clamp" => f.mul_scalar(-1.0).add_scalar(amount),
        "scale" => f.mul_scalar(amount - 1.0),
        _ => f.mul_scalar(-1.0),
    };
    let change = by * row.unsqueeze::<3>();
    let after_bos = resid.clone() + change;
    let kept = resid.narrow(1, 0, 1);
    Tensor::cat(vec![kept, after_bos.slice([0..1, 1..n, 0..d])], 1)
}

/// That each token is the likeliest of a whole pass without a cache, with its log-probability.
fn check(peer: &mut Peer, tokens: &[Value], resid: impl Fn(&Peer) -> Tensor<3>) {
    let n_prompt = peer.ids.len();
    let n_layers = peer.model.config().n_layers;
    for token in tokens {
        let last = peer.model.blocks(resid(peer), HOOK..n_layers, &mut NoHooks);
        let logits = peer.logits(last, peer.ids.len() - 1);
        let id = token["token"]["id"].as_u64().unwrap() as usize;
        let most = logits.iter().copied().fold(f32::MIN, f32::max);
        assert!(logits[id] > most - 1e-4, "{id}: {} {most}", logits[id]);
        let log_prob = token["log_prob"].as_f64().unwrap();
        assert!(
            (log_prob + loss(&logits, id)).abs() < 1e-3,
            "{log_prob} {}",
            loss(&logits, id)
        );
        let top = token["top"].as_array().unwrap();
        assert_eq!((top.len(), &top[0]["id"]), (3, &token["token"]["id"]));
        assert!(top[1]["log_prob"].as_f64().unwrap() <= log_prob);
        peer.ids.push(id as i32);
    }
    peer.ids.truncate(n_prompt);
}

#[test]
fn both_sides_are_those_of_their_definitions() {
    let scratch = Scratch::new();
    let served = Served::start(&scratch);
    let mut n_different = 0;
    for (kind, amount) in [
        ("add", Some(30.0)),
        ("clamp", Some(25.0)),
        ("scale", Some(-8.0)),
        ("ablate", None),
    ] {
        let mut steer = json!({"feature": FEATURE, "kind": kind});
        if let Some(amount) = amount {
            steer["amount"] = amount.into();
        }
        let question = json!({"text": TEXT, "steer": [steer], "max_new_tokens": 12});
        let found = lines(&served, &question);
        assert_eq!(found[0]["event"], "prompt");
        assert_eq!(found.last().unwrap(), &json!({"event": "done"}));
        let mut peer = Peer::new(&found[0]["tokens"]);
        assert_eq!(peer.ids[0], 0, "BOS");
        let (plain, other) = (side(&found, "plain"), side(&found, "steered"));
        assert!(plain.len() == 12 && !other.is_empty());
        check(&mut peer, &plain, |peer| peer.resid_pre(HOOK));
        let amount = amount.unwrap_or_default() as f32;
        check(&mut peer, &other, |peer| steered(peer, kind, amount));
        n_different += u32::from(ids(&plain) != ids(&other));
    }
    assert!(
        n_different >= 2,
        "steering has no effect here: {n_different}"
    );
}

#[test]
fn chance_is_the_same_on_both_sides_and_repeats() {
    let scratch = Scratch::new();
    let served = Served::start(&scratch);
    let ask = |kind: &str, amount: f32, seed: u64| {
        let steer = json!([{"feature": FEATURE, "kind": kind, "amount": amount}]);
        let question = json!({"text": TEXT, "steer": steer, "max_new_tokens": 20, "temperature": 1.0, "seed": seed});
        let found = lines(&served, &question);
        (ids(&side(&found, "plain")), ids(&side(&found, "steered")))
    };
    let (plain, same) = ask("scale", 1.0, 7);
    assert_eq!(plain, same, "steering that changes nothing");
    let (again, steered) = ask("add", 60.0, 7);
    assert_eq!(plain, again);
    assert_ne!(plain, steered);
    assert_ne!(plain, ask("scale", 1.0, 8).0);
}

#[test]
fn what_cannot_be_continued_is_told() {
    let scratch = Scratch::new();
    let served = Served::start(&scratch);
    let (_, health) = served.ask("GET /api/health", "");
    let health: Value = serde_json::from_slice(&health).unwrap();
    assert_eq!(
        (&health["offers"]["generate"], &health["offers"]["chat"]),
        (&json!(true), &json!(false))
    );
    let steer = json!([{"feature": 1, "kind": "ablate"}]);
    for (question, said) in [
        (
            json!({"text": TEXT, "steer": [{"feature": 1024, "kind": "ablate"}]}),
            "there is no feature 1024: the dictionary has 1024",
        ),
        (
            json!({"text": TEXT, "steer": steer, "chat": true}),
            "this model has no chat template",
        ),
        (
            json!({"text": TEXT, "steer": steer, "max_new_tokens": 125}),
            "and the model reads 128; shorten the text or ask for fewer",
        ),
        (json!({"text": TEXT, "steer": []}), "no feature is steered"),
        (
            json!({"text": TEXT, "steer": [{"feature": 1, "kind": "add", "amount": 1e38}]}),
            "needs an amount from -1000000 to 1000000",
        ),
    ] {
        let (status, answer) = served.post("/api/generate", &question);
        assert_eq!(status, 422, "{answer}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(said), "{error}");
    }
}
