//! Continuations that come token by token.

use std::io::{BufRead, Read};
use std::time::Duration;

use crate::client::{Client, ask, get, post, prompt};
use crate::support::{Fake, Running, wait};
use sae_serve::ServeOptions;
use serde_json::{Value, json};

fn body(text: &str) -> String {
    json!({"text": text, "steer": [{"feature": 5, "kind": "add", "amount": 2.5}], "max_new_tokens": 4}).to_string()
}

fn generate(text: &str) -> String {
    post("/api/generate", &body(text))
}

fn server() -> Running {
    Running::new(Fake::default(), ServeOptions::default())
}

impl Client {
    /// The next chunk of an answer whose head has been read, as the JSON of its line; none at the end.
    fn line(&mut self) -> Option<Value> {
        let mut size = String::new();
        self.stream.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).unwrap();
        let text = std::str::from_utf8(&chunk[..size]).unwrap();
        (size > 0).then(|| {
            assert!(text.ends_with('\n'), "one line a chunk: {text:?}");
            serde_json::from_str(text).unwrap()
        })
    }

    fn lines(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.line()).collect()
    }
}

#[test]
fn tokens_of_both_sides_come_as_lines() {
    let server = server();
    let mut client = Client::new(server.address);
    let head = client.send(generate("of bees")).reply().unwrap();
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(head.header("cache-control"), Some("no-store"));
    assert_eq!(head.header("x-content-type-options"), Some("nosniff"));
    let lines = client.lines();
    assert_eq!(lines[0]["event"], "prompt");
    assert_eq!(lines[0]["tokens"][1]["text"], "bees");
    assert_eq!(
        lines[1],
        json!({
            "event": "token", "side": "plain", "token": {"id": 0, "text": " tick", "counts": true}, "log_prob": -0.5,
            "top": [{"id": 99, "text": " <i>tuck</i>", "counts": true, "log_prob": -2.0}],
        })
    );
    let of = |side: &str| {
        let tokens = lines
            .iter()
            .filter(|l| l["event"] == "token" && l["side"] == side);
        let texts = tokens.map(|l| l["token"]["text"].as_str().unwrap());
        texts.collect::<Vec<_>>()
    };
    assert_eq!(of("plain"), [" tick", " tock", " tick", " tock"]);
    let steered = " {feature:5,kind:add,amount:2.5}";
    assert_eq!(of("steered"), [" tick", " tock", steered]);
    let ends = lines.iter().filter(|l| l["event"] == "end");
    let ends: Vec<&Value> = ends.collect();
    assert_eq!(
        *ends[0],
        json!({"event": "end", "side": "steered", "reason": "stop"})
    );
    assert_eq!(
        *ends[1],
        json!({"event": "end", "side": "plain", "reason": "length"})
    );
    let changes = |n: usize| -> Vec<Value> {
        let of = |at: usize| {
            let steered = if at == 3 { Value::Null } else { json!(-1.5) };
            json!({"log_prob": -0.5, "steered_log_prob": steered, "kl": at as f64 / 4.0})
        };
        (0..n).map(of).collect()
    };
    let [.., plain, other, _] = &lines[..] else {
        panic!("{lines:?}")
    };
    let event = |side: &str, n| json!({"event": "changes", "side": side, "tokens": changes(n)});
    assert_eq!((plain, other), (&event("plain", 4), &event("steered", 3)));
    assert_eq!(lines.last().unwrap(), &json!({"event": "done"}));
    // The connection goes on.
    assert_eq!(client.send(prompt("next")).reply().unwrap().status, 200);
}

#[test]
fn tokens_are_there_before_the_work_is_done_and_the_model_is_taken_meanwhile() {
    let server = server();
    let mut client = Client::new(server.address);
    client.send(generate("pause a while")).reply().unwrap();
    let first: Vec<Value> = (0..5).map(|_| client.line().unwrap()).collect();
    assert_eq!(first[4]["token"]["text"], " tock");
    let mut second = Client::new(server.address);
    second.send(prompt("of bees"));
    wait("the second text to wait", || {
        get(server.address, "/api/health").json()["waiting"] == 1
    });
    server.backend.release();
    assert_eq!(client.lines().last().unwrap()["event"], "done");
    assert_eq!(second.reply().unwrap().status, 200);
    assert_eq!(server.backend.log.lock().unwrap().most_at_once, 1);
}

#[test]
fn who_closes_the_connection_ends_the_work() {
    let server = server();
    let mut client = Client::new(server.address);
    client.send(generate("pause a while")).reply().unwrap();
    for _ in 0..5 {
        client.line().unwrap();
    }
    drop(client);
    wait("the work to be told", || {
        server.backend.log.lock().unwrap().stopped == ["hold"]
    });
    assert_eq!(ask(server.address, prompt("next")).status, 200);
}

#[test]
fn what_goes_wrong_after_the_first_line_is_the_last_one() {
    let mut options = ServeOptions::default();
    options.timeout = Duration::from_millis(400);
    let server = Running::new(Fake::default(), options);
    for (text, said) in [
        ("broken off", "out of <b>memory</b>"),
        (
            "pause a while",
            "the 0.4 s that a request may take are over; ask for fewer tokens",
        ),
    ] {
        let mut client = Client::new(server.address);
        let head = client.send(generate(text)).reply().unwrap();
        assert_eq!(head.status, 200);
        let lines = client.lines();
        assert_eq!(lines.len(), 6, "{lines:?}");
        assert_eq!(lines[5], json!({"event": "error", "error": said}));
    }
    wait("the work to be told", || {
        server.backend.log.lock().unwrap().stopped == ["hold"]
    });
}

#[test]
fn what_goes_wrong_before_it_has_a_status() {
    let mut options = ServeOptions::default();
    options.queue = 0;
    options.max_text_bytes = 40;
    let server = Running::new(Fake::default(), options);
    let says = |body: &str| {
        let reply = ask(server.address, post("/api/generate", body));
        (reply.status, reply.error())
    };
    assert_eq!(
        says(&body("invalid")),
        (422, "this text has no tokens".into())
    );
    assert_eq!(says(&body("fail")), (500, "out of <b>memory</b>".into()));
    assert_eq!(says(&body(&"long ".repeat(9))).0, 413);
    let (status, error) = says(r#"{"text":"a","steer":[]}"#);
    assert_eq!(status, 422);
    assert!(error.contains("no feature is steered"), "{error}");
    let (status, error) = says(r#"{"text":"a","steer":[{"feature":1,"kind":"melt","amount":1}]}"#);
    assert_eq!(status, 400);
    assert!(error.contains("unknown variant `melt`"), "{error}");
    let mut busy = Client::new(server.address);
    busy.send(prompt("hold"));
    wait("the model to be taken", || {
        server.backend.begun().contains(&"hold".to_owned())
    });
    let refused = ask(server.address, generate("of bees"));
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("5"))
    );
    server.backend.release();
}
