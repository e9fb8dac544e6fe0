//! `sae serve` on the demo, running, and the demo's model and SAE to compare with.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

use crate::support::{Scratch, demo};
use burn::tensor::{Device, FloatDType, Int, Tensor};
use llama_hooked::{Llama, ModelSource, NoHooks};
use sae_core::Sae;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

pub(crate) const CALL: &str =
    "serve --sae $RUN --model $MODEL --dataset $TEXT --context-size 32 --sequences 60 --port 0";

/// A running server; killed when the test ends.
pub(crate) struct Served {
    child: Child,
    host: String,
}

impl Served {
    pub(crate) fn start(scratch: &Scratch) -> Self {
        Self::start_with(scratch, "")
    }

    pub(crate) fn start_with(scratch: &Scratch, more: &str) -> Self {
        let mut child = scratch
            .command(&format!("{CALL} {more}"))
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

    pub(crate) fn ask(&self, head: &str, body: &str) -> (u16, Vec<u8>) {
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
        let body = answer.split_off(end + 4);
        let head = String::from_utf8(answer).unwrap().to_ascii_lowercase();
        if head.contains("transfer-encoding: chunked") {
            return (status, joined(&body));
        }
        (status, body)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
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

/// A body from its chunks.
fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|w| w == b"\r\n").unwrap();
        let size = std::str::from_utf8(&chunks[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let chunk = &chunks[end + 2..];
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&chunk[..size]);
        chunks = &chunk[size + 2..];
    }
}

/// −log softmax(x)[target], in f64.
pub(crate) fn loss(logits: &[f32], target: usize) -> f64 {
    let max = logits.iter().copied().fold(f32::MIN, f32::max);
    let sum: f64 = logits.iter().map(|x| f64::from(x - max).exp()).sum();
    sum.ln() - f64::from(logits[target] - max)
}

/// The model and the SAE of the demo, and texts run through them by definition.
pub(crate) struct Peer {
    pub(crate) model: Llama,
    pub(crate) sae: Sae,
    pub(crate) ids: Vec<i32>,
}

impl Peer {
    pub(crate) fn new(tokens: &Value) -> Self {
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
    pub(crate) fn resid_pre(&self, layer: usize) -> Tensor<3> {
        let ids = Tensor::<1, Int>::from_ints(self.ids.as_slice(), &Device::flex());
        let embedded = self.model.embed(ids.unsqueeze::<2>(), &mut NoHooks);
        self.model.blocks(embedded, 0..layer, &mut NoHooks)
    }

    /// The residual less what a feature writes at a position.
    pub(crate) fn without(&self, resid: &Tensor<3>, position: usize, feature: &Value) -> Tensor<3> {
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
    pub(crate) fn loss_after(&self, resid: Tensor<3>, position: usize) -> f64 {
        loss(
            &self.logits(resid, position),
            self.ids[position + 1] as usize,
        )
    }

    /// At a position, of what leaves the last block.
    pub(crate) fn logits(&self, resid: Tensor<3>, position: usize) -> Vec<f32> {
        let [_, _, d] = resid.dims();
        let row = resid.narrow(1, position, 1);
        let normed = self.model.ln_final(row, &mut NoHooks).reshape([1, d]);
        self.model.unembed(normed).into_data().iter().collect()
    }
}
