//! `sae serve` on the demo: what it answers is what the other commands and the mathematics say.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use burn::tensor::{Device, FloatDType, Int, Tensor};
use llama_hooked::{Llama, ModelSource, NoHooks};
use sae_core::Sae;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use support::{Scratch, demo};

const CALL: &str =
    "serve --sae $RUN --model $MODEL --dataset $TEXT --context-size 32 --sequences 60 --port 0";

/// A running server; killed when the test ends.
struct Served {
    child: Child,
    host: String,
}

impl Served {
    fn start(scratch: &Scratch) -> Self {
        let mut child = scratch
            .command(CALL)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let host = line.trim().strip_prefix("http://127.0.0.1:").unwrap();
        let host = format!("127.0.0.1:{}", host.trim_end_matches('/'));
        Self { child, host }
    }

    fn ask(&self, head: &str, body: &str) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        write!(
            stream,
            "{head} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let status = std::str::from_utf8(&answer[9..12])
            .unwrap()
            .parse()
            .unwrap();
        (status, answer.split_off(end + 4))
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let (status, answer) = self.ask(&format!("POST {path}"), &body.to_string());
        (status, serde_json::from_slice(&answer).unwrap())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// −log softmax(x)[target], in f64.
fn loss(logits: &[f32], target: usize) -> f64 {
    let max = logits.iter().copied().fold(f32::MIN, f32::max);
    let sum: f64 = logits.iter().map(|x| f64::from(x - max).exp()).sum();
    sum.ln() - f64::from(logits[target] - max)
}

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

/// The model and the SAE of the demo, and texts run through them by definition.
struct Peer {
    model: Llama,
    sae: Sae,
    ids: Vec<i32>,
}

impl Peer {
    fn new(tokens: &Value) -> Self {
        let device = Device::flex();
        let files = ModelSource::Dir(demo("model")).resolve().unwrap();
        let options = llama_hooked::LlamaLoadOptions::new(&device, FloatDType::F32);
        let id = |token: &Value| token["id"].as_i64().unwrap() as i32;
        Self {
            model: Llama::load(&files, &options).unwrap(),
            sae: Sae::load(demo("run"), &sae_core::SaeLoadOptions::new(&device)).unwrap(),
            ids: tokens.as_array().unwrap().iter().map(id).collect(),
        }
    }

    /// `[1, p, d_model]`, what enters a block.
    fn resid_pre(&self, layer: usize) -> Tensor<3> {
        let ids = Tensor::<1, Int>::from_ints(self.ids.as_slice(), &Device::flex());
        let embedded = self.model.embed(ids.unsqueeze::<2>(), &mut NoHooks);
        self.model.blocks(embedded, 0..layer, &mut NoHooks)
    }

    /// The residual less what a feature writes at a position.
    fn without(&self, resid: &Tensor<3>, position: usize, feature: &Value) -> Tensor<3> {
        let index = feature["index"].as_u64().unwrap() as usize;
        let value = feature["value"].as_f64().unwrap() as f32;
        let [_, _, d] = resid.dims();
        let write = self.sae.w_dec().narrow(0, index, 1).mul_scalar(value);
        let row = resid.clone().narrow(1, position, 1) - write.unsqueeze();
        resid
            .clone()
            .slice_assign([0..1, position..position + 1, 0..d], row)
    }

    /// Of the token after a position, of what leaves the last block.
    fn loss_after(&self, resid: Tensor<3>, position: usize) -> f64 {
        let [_, _, d] = resid.dims();
        let row = resid.narrow(1, position, 1);
        let normed = self.model.ln_final(row, &mut NoHooks).reshape([1, d]);
        let logits: Vec<f32> = self.model.unembed(normed).into_data().iter().collect();
        loss(&logits, self.ids[position + 1] as usize)
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
