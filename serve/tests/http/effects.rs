//! Attribution, and two texts.

use std::time::Duration;

use crate::client::{Client, Reply, ask, get, post, prompt};
use crate::support::{Fake, Running, wait};
use sae_serve::ServeOptions;
use serde_json::{Value, json};

fn attribute(body: &Value) -> String {
    post("/api/attribute", &body.to_string())
}

fn contrast(body: &Value) -> String {
    post("/api/contrast", &body.to_string())
}

fn server() -> Running {
    Running::new(Fake::default(), ServeOptions::default())
}

fn said(reply: &Reply) -> (u16, String) {
    (reply.status, reply.error())
}

#[test]
fn effects_and_differences_come_as_the_backend_has_them() {
    let server = server();
    let question = json!({"text": "of bees", "answer": 5, "against": 6, "top": 1});
    let found = ask(server.address, attribute(&question)).json();
    assert_eq!(found["answer"]["text"], " <i>5</i>");
    assert_eq!(found["metric"], "logit_diff");
    assert_eq!(
        found["features"],
        json!([{"feature": 4, "position": 1, "activation": 2.5, "effect": -4.0}])
    );
    assert_eq!(found["by_position"], json!([2.0, -4.0]));
    assert_eq!(found["measured"], 4.25);
    let found = ask(
        server.address,
        attribute(&json!({"text": "of bees", "answer": 5})),
    )
    .json();
    assert_eq!(
        (&found["metric"], &found["against"]),
        (&json!("log_prob"), &Value::Null)
    );
    assert_eq!(found["features"].as_array().unwrap().len(), 2);
    let question = json!({"text": "of bees", "other": "of wasps", "top": 2});
    let found = ask(server.address, contrast(&question)).json();
    assert_eq!(found["n_different"], 2);
    assert_eq!(
        found["features"][0],
        json!({"index": 5, "max": [0.0, 2.5], "token": [null, 1], "difference": -2.5})
    );
    assert_eq!(found["texts"][1][1]["text"], "wasps");
    let health = get(server.address, "/api/health").json();
    assert_eq!(
        (
            &health["offers"]["attribute"],
            &health["offers"]["contrast"]
        ),
        (&json!(true), &json!(true))
    );
}

#[test]
fn what_harms_is_refused() {
    let mut options = ServeOptions::default();
    options.max_text_bytes = 60;
    let server = Running::new(Fake::default(), options);
    let status = |request: String| said(&ask(server.address, request));
    for (body, code, part) in [
        (r#"{"text":"a"}"#, 400, "missing field `answer`"),
        (
            r#"{"text":"a","answer":-1}"#,
            400,
            "invalid value: integer `-1`",
        ),
        (r#"{"text":"a","answer":4294967296}"#, 400, "invalid value"),
        (r#"{"text":"a","answer":1e400}"#, 400, "number out of range"),
        (r#"{"text":"a","answer":NaN}"#, 400, "is not the JSON"),
        (r#"{"text":"a","answer":1.5}"#, 400, "floating point"),
        (
            r#"{"text":"a","answer":"Mary"}"#,
            400,
            "invalid type: string",
        ),
        (
            r#"{"text":"a","answer":1,"answers":2}"#,
            400,
            "unknown field `answers`",
        ),
        (
            r#"{"text":"a","answer":1,"top":0}"#,
            422,
            "top is 0: it must be 1 to 500",
        ),
        (
            r#"{"text":"a","answer":1,"top":501}"#,
            422,
            "top is 501: it must be 1 to 500",
        ),
        (
            r#"{"text":"a","answer":1,"top":18446744073709551616}"#,
            400,
            "invalid",
        ),
        (
            r#"{"text":"invalid","answer":1}"#,
            422,
            "this text has no tokens",
        ),
        (r#"{"text":"fail","answer":1}"#, 500, "out of <b>memory</b>"),
        (r#"{"text":"panic","answer":1}"#, 500, "a defect in it"),
        (
            r#"{"text":"nan","answer":1}"#,
            500,
            "is not a finite number",
        ),
        (r#"{"text":"a","answer":13}"#, 500, "is not a finite number"),
    ] {
        let (found, error) = status(post("/api/attribute", body));
        assert_eq!(found, code, "{body}: {error}");
        assert!(error.contains(part), "{body}: {error}");
    }
    for (body, code, part) in [
        (r#"{"text":"a"}"#, 400, "missing field `other`"),
        (r#"{"text":"a","other":7}"#, 400, "invalid type"),
        (r#"{"text":"a","other":"b","top":501}"#, 422, "top is 501"),
        (
            r#"{"text":"invalid","other":"b"}"#,
            422,
            "this text has no tokens",
        ),
        (
            r#"{"text":"nan","other":"b"}"#,
            500,
            "is not a finite number",
        ),
    ] {
        let (found, error) = status(post("/api/contrast", body));
        assert_eq!(found, code, "{body}: {error}");
        assert!(error.contains(part), "{body}: {error}");
    }
    // Both texts count together.
    let long = "long ".repeat(7);
    assert_eq!(
        status(attribute(&json!({"text": long.repeat(2), "answer": 1}))).0,
        413
    );
    assert_eq!(
        status(contrast(&json!({"text": long, "other": long}))).0,
        413
    );
    assert_eq!(
        ask(
            server.address,
            contrast(&json!({"text": long, "other": "b"}))
        )
        .status,
        200
    );
}

#[test]
fn they_share_the_queue_with_everything_else() {
    let mut options = ServeOptions::default();
    options.queue = 1;
    let server = Running::new(Fake::default(), options);
    let mut first = Client::new(server.address);
    first.send(attribute(&json!({"text": "hold on", "answer": 1})));
    wait("the model to be taken", || {
        server.backend.begun() == ["hold on"]
    });
    let mut second = Client::new(server.address);
    second.send(contrast(&json!({"text": "of bees", "other": "of wasps"})));
    wait("the second question to wait", || {
        get(server.address, "/api/health").json()["waiting"] == 1
    });
    let refused = ask(server.address, prompt("a third"));
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("5"))
    );
    server.backend.release();
    assert_eq!(first.reply().unwrap().status, 200);
    assert_eq!(second.reply().unwrap().status, 200);
    assert_eq!(server.backend.log.lock().unwrap().most_at_once, 1);
}

#[test]
fn who_closes_the_connection_or_waits_too_long_ends_the_work() {
    let mut options = ServeOptions::default();
    options.timeout = Duration::from_millis(400);
    let server = Running::new(Fake::default(), options);
    for (at, request) in [
        attribute(&json!({"text": "hold on", "answer": 1})),
        contrast(&json!({"text": "hold on", "other": "b"})),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = Client::new(server.address);
        client.send(request.clone());
        wait("the work to begin", || {
            server.backend.begun().len() == 2 * at + 1
        });
        drop(client);
        wait("the work to be told", || {
            server.backend.log.lock().unwrap().stopped.len() == 2 * at + 1
        });
        let late = ask(server.address, request);
        assert_eq!(late.status, 504, "{}", late.error());
        wait("the work to be told", || {
            server.backend.log.lock().unwrap().stopped.len() == 2 * at + 2
        });
    }
}

#[test]
fn who_does_not_offer_them_has_no_such_address() {
    let backend = Fake {
        no_effects: true,
        ..Fake::default()
    };
    let server = Running::new(backend, ServeOptions::default());
    for request in [
        attribute(&json!({"text": "a", "answer": 1})),
        contrast(&json!({"text": "a", "other": "b"})),
    ] {
        assert_eq!(ask(server.address, request).status, 404);
    }
}
