//! A server of `api/…` as the live page wants it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::fixture::Fixture;
use sae_dashboard::page::{feature_bytes, live_page, overview_bytes};
use serde_json::{Value, json};

/// Serves until the test ends; its address.
pub(crate) fn serve(fixture: Fixture) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let fixture = Arc::new(fixture);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let fixture = Arc::clone(&fixture);
            std::thread::spawn(move || answer(stream, &fixture));
        }
    });
    address
}

fn answer(mut stream: TcpStream, fixture: &Fixture) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut request = String::new();
    reader.read_line(&mut request).ok()?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let vocabulary = &fixture.corpus.vocabulary;
    let mut words = request.split(' ');
    let (status, kind, content) = match (words.next()?, words.next()?) {
        ("GET", "/") => (
            "200 OK",
            "text/html; charset=utf-8",
            live_page().into_bytes(),
        ),
        ("GET", "/api/health") => (
            "200 OK",
            "application/json",
            br#"{"status":"ok","offers":{"prompt":true,"check":false}}"#.to_vec(),
        ),
        ("GET", "/api/overview") => (
            "200 OK",
            "application/octet-stream",
            overview_bytes(&fixture.overview, vocabulary).ok()?,
        ),
        ("GET", path) if path.starts_with("/api/features/") => {
            let index: usize = path["/api/features/".len()..].parse().ok()?;
            (
                "200 OK",
                "application/octet-stream",
                feature_bytes(&fixture.features[index], vocabulary).ok()?,
            )
        }
        ("POST", "/api/prompt") => prompt(&serde_json::from_slice(&body).ok()?),
        _ => ("404 Not Found", "text/plain", Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&content).ok()
}

/// Features of the words of a text; `slow` takes its time, `fail` fails.
fn prompt(question: &Value) -> (&'static str, &'static str, Vec<u8>) {
    let text = question["text"].as_str().unwrap_or_default();
    if text.contains("slow") {
        std::thread::sleep(Duration::from_millis(1500));
    }
    if text.contains("fail") {
        return (
            "500 Internal Server Error",
            "text/plain",
            b"the model ran out of <b>memory</b>".to_vec(),
        );
    }
    if text.contains("special") {
        return (
            "200 OK",
            "application/json",
            special().to_string().into_bytes(),
        );
    }
    let words: Vec<&str> = text.split_inclusive(' ').collect();
    let tokens: Vec<Value> = words
        .iter()
        .zip(7..)
        .map(|(word, id)| json!({"id": id, "text": word}))
        .collect();
    let features = (0..words.len()).map(|at| {
        let exact = (question["exact"] == at).then_some(-0.5);
        match at {
            0 => json!([]),
            _ => json!([
                {"index": at, "value": 2.5, "quantile": 0.875, "effect": 0.0125, "exact": exact},
                {"index": at + 1, "value": 1.25, "quantile": 0.5, "effect": null, "exact": null},
            ]),
        }
    });
    let features: Vec<Value> = features.collect();
    let answer = json!({"tokens": tokens, "features": features, "answer": " and <i>so</i> on"});
    (
        "200 OK",
        "application/json",
        answer.to_string().into_bytes(),
    )
}

/// As a real model answers: the first token dwarfs the others, and a character is three tokens.
fn special() -> Value {
    let token = |id: u32, text: &str, n_active: u32| json!({"id": id, "text": text, "counts": id != 1, "n_active": n_active});
    let bytes = |hex: &str| json!({"id": 9, "text": "\u{fffd}", "hex": hex, "counts": true, "n_active": 58});
    let feature = |index: u32, value: f64, quantile: f64, effect: Option<f64>| json!({"index": index, "value": value, "quantile": quantile, "effect": effect, "exact": null});
    json!({
        "tokens": [token(1, "<s>", 512), token(2, "The", 61), token(3, " fox", 58), bytes("e6"), bytes("97"), bytes("a5")],
        "features": [
            [feature(0, 1000.0, 1.0, None)],
            [feature(1, 90.0, 0.25, Some(0.5)), feature(2, 9.0, 0.75, Some(-0.25)), feature(3, 3.0, 0.5, None)],
            [feature(1, 45.0, 0.5, None)],
            [feature(1, 9.0, 0.5, None)],
            [],
            [feature(4, 18.0, 0.5, None)],
        ],
    })
}
