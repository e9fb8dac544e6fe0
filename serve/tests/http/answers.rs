//! What is answered, and how what is not.

use crate::client::{Client, ask, get, post, prompt};
use crate::support::{Fake, Running};
use sae_serve::ServeOptions;
use serde_json::json;

fn running() -> Running {
    let fake = Fake {
        overview: b"an overview".to_vec(),
        features: vec![b"feature 0".to_vec(), b"feature 1".to_vec()],
        ..Fake::default()
    };
    Running::new(fake, ServeOptions::default())
}

#[test]
fn the_page_and_its_data() {
    let server = running();
    let page = get(server.address, "/");
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(page.body, sae_dashboard::page::live_page().into_bytes());
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(get(server.address, "/api/overview").body, b"an overview");
    let feature = get(server.address, "/api/features/1");
    assert_eq!(feature.body, b"feature 1");
    assert_eq!(
        feature.header("content-type"),
        Some("application/octet-stream")
    );
    let health = json!({"status": "ok", "offers": {"prompt": true, "check": true, "activations": true, "generate": true, "attribute": true, "contrast": true, "chat": true, "labels": "none"}, "running": 0, "waiting": 0});
    assert_eq!(get(server.address, "/api/health").json(), health);
}

#[test]
fn ones_own_text() {
    let server = running();
    let answer = ask(server.address, prompt("In the"));
    assert_eq!(answer.status, 200);
    let list = |index: u32| json!([{"index": index, "value": 2.5, "quantile": 0.875, "effect": null, "exact": null}]);
    let expected = json!({
        "tokens": [{"id": 7, "text": "In ", "counts": true, "n_active": 31}, {"id": 8, "text": "the", "counts": true, "n_active": 31}],
        "features": [list(2), list(3)],
        "answer": " and <i>so</i> on",
        "next": [
            {"id": 5, "text": " Mary", "counts": true, "log_prob": -0.25},
            {"id": 6, "text": " <b>", "counts": true, "log_prob": -1.75},
            {"id": 13, "text": "\n", "counts": true, "log_prob": -4.0},
        ],
    });
    assert_eq!(answer.json(), expected);
    let body = r#"{"text": "a", "effects": true}"#;
    let answer = ask(server.address, post("/api/prompt", body)).json();
    assert_eq!(answer["features"][0][0]["effect"], json!(-0.0125));
    assert_eq!(answer["features"][0][0]["exact"], json!(null));
    let body = r#"{"text": "a b", "exact": 1}"#;
    let answer = ask(server.address, post("/api/prompt", body)).json();
    assert_eq!(answer["features"][0][0]["exact"], json!(null));
    assert_eq!(answer["features"][1][0]["exact"], json!(-0.025));
    for wrong in [
        r#"{"text": "a", "exact": -1}"#,
        r#"{"text": "a", "exact": true}"#,
    ] {
        assert_eq!(ask(server.address, post("/api/prompt", wrong)).status, 400);
    }
    let body = r#"{"prompt": "gave the bag to", "answer": " Mary"}"#;
    let answer = ask(server.address, post("/api/check", body)).json();
    assert_eq!(answer["baseline"]["rank"], 0);
    assert_eq!(answer["with_sae"]["top"][1]["token"], " <b>");
}

#[test]
fn what_is_wrong_is_said() {
    let server = running();
    let long_number = "9".repeat(40);
    for (request, status, message) in [
        ("GET /nothing", 404, "there is nothing at \"/nothing\" here"),
        ("GET /api/features/2", 404, "there is no feature 2"),
        ("GET /api/features/666", 500, "its shard cannot be read"),
        ("GET /api/features/+1", 400, "\"+1\" is not one of them"),
        (
            "GET /api/features/%31%00",
            400,
            "\"1\\0\" is not one of them",
        ),
        (
            &format!("GET /api/features/{long_number}"),
            400,
            "features are numbered from 0",
        ),
        ("GET /api/features/", 404, "there is nothing"),
        ("GET /api/features/1/2", 404, "there is nothing"),
        ("GET /../../etc/passwd", 404, "there is nothing"),
        ("GET /api/prompt", 405, "\"/api/prompt\" does not take GET"),
        ("DELETE /", 405, "does not take DELETE"),
        ("OPTIONS /api/prompt", 405, "does not take OPTIONS"),
    ] {
        let reply = ask(
            server.address,
            format!("{request} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        );
        assert_eq!(reply.status, status, "{request}");
        assert!(
            reply.error().contains(message),
            "{request}: {}",
            reply.error()
        );
        assert!(
            !reply
                .headers
                .iter()
                .any(|(name, _)| name.starts_with("access-control"))
        );
    }
    let reply = get(server.address, "/api/check");
    assert_eq!(reply.header("allow"), Some("POST"));
    for (body, status, message) in [
        ("", 400, "EOF while parsing"),
        ("{\"text\": \"a\"", 400, "EOF while parsing"),
        ("{\"text\": 7}", 400, "invalid type: integer `7`"),
        ("{\"text\": \"\\ud800\"}", 400, "not the JSON"),
        (
            "{\"text\": \"a\", \"model\": 1}",
            400,
            "unknown field `model`",
        ),
        ("[[[[[[", 400, "not the JSON"),
        ("{\"text\": \"invalid\"}", 422, "this text has no tokens"),
        ("{\"text\": \"fail\"}", 500, "out of <b>memory</b>"),
        (
            "{\"text\": \"nan\"}",
            500,
            "feature 3 on token 0 is not a finite number",
        ),
        ("{\"text\": \"panic\"}", 500, "a defect in it"),
        ("{\"text\": \"panic\"}", 500, "a defect in it"),
    ] {
        let reply = ask(server.address, post("/api/prompt", body));
        assert_eq!(reply.status, status, "{body}: {}", reply.error());
        assert!(reply.error().contains(message), "{body}: {}", reply.error());
    }
    assert_eq!(ask(server.address, prompt("and still it runs")).status, 200);
}

#[test]
fn what_is_not_offered_is_not_there() {
    let fake = Fake {
        no_check: true,
        no_generate: true,
        no_effects: true,
        ..Fake::default()
    };
    let server = Running::new(fake, ServeOptions::default());
    let body = r#"{"prompt": "a", "answer": "b"}"#;
    assert_eq!(ask(server.address, post("/api/check", body)).status, 404);
    let body = r#"{"text": "a", "steer": [{"feature": 1, "kind": "ablate"}]}"#;
    assert_eq!(ask(server.address, post("/api/generate", body)).status, 404);
    let health = get(server.address, "/api/health").json();
    assert_eq!(
        health["offers"],
        json!({"prompt": true, "check": false, "activations": true, "generate": false, "attribute": false, "contrast": false, "chat": true, "labels": "none"})
    );
    assert_eq!(server.backend.begun(), [""; 0]);
}

#[test]
fn a_connection_takes_one_request_after_another() {
    let server = running();
    let mut client = Client::new(server.address);
    for text in ["one", "fail", "two"] {
        client.send(prompt(text));
        assert!([200, 500].contains(&client.reply().unwrap().status));
    }
    client.send("HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut head = Vec::new();
    std::io::Read::read_to_end(&mut client.stream, &mut head).unwrap();
    let head = String::from_utf8(head).unwrap();
    assert!(
        head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    assert_eq!(server.backend.begun(), ["one", "fail", "two"]);
}

#[test]
fn activations_of_features_on_a_text() {
    let server = running();
    let body = r#"{"text": "alpha bee nan", "features": [5, 3, 5]}"#;
    let answer = ask(server.address, post("/api/activations", body));
    assert_eq!(answer.status, 500, "{}", answer.error());
    assert!(answer.error().contains("not a finite number"));
    let body = r#"{"text": "<s> alpha bee", "features": [5, 3, 5]}"#;
    let answer = ask(server.address, post("/api/activations", body)).json();
    assert_eq!(
        answer["values"],
        json!([[0.0, 2.5, 0.0], [1.5, 0.0, 1.5], [0.0, 2.5, 0.0]])
    );
    assert_eq!(answer["tokens"][0]["counts"], false);
    let many = json!({"text": "a", "features": vec![0; 65]}).to_string();
    for (body, status) in [
        (r#"{"text": "a"}"#, 400),
        (r#"{"text": "a", "features": [-1]}"#, 400),
        (r#"{"text": "a", "features": [1], "more": 1}"#, 400),
        (many.as_str(), 422),
        (r#"{"text": "invalid", "features": [1]}"#, 422),
    ] {
        let answer = ask(server.address, post("/api/activations", body));
        assert_eq!(answer.status, status, "{body}");
    }
}

#[test]
fn labels_are_read_and_changed_where_they_are_offered() {
    let server = running();
    assert_eq!(get(server.address, "/api/labels").status, 404);
    let body = r#"{"labels": [{"feature": 1, "label": "one"}]}"#;
    assert_eq!(ask(server.address, post("/api/labels", body)).status, 404);
    let fake = Fake {
        labels: Some(std::sync::Mutex::default()),
        ..Fake::default()
    };
    let server = Running::new(fake, ServeOptions::default());
    assert_eq!(
        get(server.address, "/api/labels").json(),
        json!({"labels": []})
    );
    assert_eq!(ask(server.address, post("/api/labels", body)).status, 200);
    let body = r#"{"labels": [{"feature": 0, "note": "<b>", "star": true}, {"feature": 1}]}"#;
    assert_eq!(ask(server.address, post("/api/labels", body)).status, 200);
    let kept = json!({"labels": [{"feature": 0, "note": "<b>", "star": true}]});
    assert_eq!(get(server.address, "/api/labels").json(), kept);
    for (body, status) in [
        (r#"{"labels": [{"label": "of what?"}]}"#, 400),
        (r#"{"labels": [{"feature": 1, "lable": "x"}]}"#, 400),
        (r#"{"labels": [{"feature": 1, "label": "refused"}]}"#, 422),
    ] {
        assert_eq!(
            ask(server.address, post("/api/labels", body)).status,
            status
        );
    }
    // As every request that changes something: not for pages of other sites.
    let foreign =
        post("/api/labels", body).replacen("\r\n", "\r\nOrigin: http://evil.example\r\n", 1);
    assert_eq!(ask(server.address, foreign).status, 403);
    assert_eq!(get(server.address, "/api/labels").json(), kept);
}
