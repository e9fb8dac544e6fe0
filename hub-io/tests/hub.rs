//! Repositories: commits, lists of files, files, and refusals.
#![allow(clippy::unwrap_used)]

mod common;

use common::server::{Reply, Request, Server};
use common::{client, options, read_on};
use hub_io::{FetchError, HubError, Lfs};

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

fn route(request: &Request) -> Reply {
    let path = request.path.as_str();
    let info = [
        "/api/datasets/org/set/revision/main",
        "/api/models/org/net/revision/refs%2Fpr%2F1",
    ];
    if info.contains(&path) {
        return Reply::body(format!(
            r#"{{"id": "org/set", "sha": "{SHA}", "siblings": []}}"#
        ));
    }
    let tree = format!("/api/datasets/org/set/tree/{SHA}?recursive=true");
    if path == tree {
        let page = r#"[{"type": "directory", "path": "data", "oid": "x"},
            {"type": "file", "path": "data/a b.parquet", "size": 133, "lfs": {"oid": "abc", "size": 5, "pointerSize": 133}}]"#;
        return Reply::body(page).with("Link", format!("<{tree}&cursor=2>; rel=\"next\""));
    }
    if path == format!("{tree}&cursor=2") {
        return Reply::body(r#"[{"type": "file", "path": "README.md", "size": 7}]"#);
    }
    if path == format!("/datasets/org/set/resolve/{SHA}/data/a%20b.parquet") {
        return Reply::file(request, b"bytes", "\"t\"");
    }
    if path == format!("/org/net/resolve/{SHA}/README.md") {
        return Reply::file(request, "# caf\u{e9}".as_bytes(), "\"t\"");
    }
    Reply::new(404)
}

#[test]
fn a_data_set_from_its_name_to_its_bytes() {
    let server = Server::start(route);
    let hub = client(options(&server.url("/"), Some("hf_secret"))).hub;
    let set = hub.dataset("org/set", "main").unwrap();
    assert_eq!((set.id(), set.sha()), ("org/set", SHA));
    let files = set.files().unwrap();
    let seen: Vec<_> = files.iter().map(|f| (f.path.as_str(), f.size)).collect();
    assert_eq!(seen, [("data/a b.parquet", 5), ("README.md", 7)]);
    let oid = "abc".to_owned();
    assert_eq!(files[0].lfs, Some(Lfs { oid, size: 5 }));
    assert_eq!(
        read_on(&mut set.open("data/a b.parquet").unwrap()).unwrap(),
        b"bytes"
    );
    assert_eq!(set.readme().unwrap(), None);
    for request in server.requests() {
        assert_eq!(request.header("authorization"), Some("Bearer hf_secret"));
    }
}

#[test]
fn a_model() {
    let server = Server::start(route);
    let net = client(options(&server.url(""), None))
        .hub
        .model("org/net", "refs/pr/1")
        .unwrap();
    assert_eq!(net.readme().unwrap().unwrap(), "# caf\u{e9}");
    assert!(
        server
            .requests()
            .iter()
            .all(|r| r.header("authorization").is_none())
    );
}

#[test]
fn names_that_lead_elsewhere_are_not_asked_for() {
    let server = Server::start(route);
    let hub = client(options(&server.url(""), None)).hub;
    for id in [
        "",
        "/",
        "../x",
        "a/b/c",
        "a/..",
        "a b/c",
        "a/b?x",
        "a/b#",
        ".hidden/x",
        "é/x",
    ] {
        let error = hub.dataset(id, "main").unwrap_err();
        assert!(
            matches!(
                error,
                HubError::Name {
                    what: "repository",
                    ..
                }
            ),
            "{id}: {error}"
        );
    }
    for revision in ["", "..", "a/../b", "a\nb"] {
        let error = hub.dataset("org/set", revision).unwrap_err();
        assert!(
            matches!(
                error,
                HubError::Name {
                    what: "revision",
                    ..
                }
            ),
            "{revision}: {error}"
        );
    }
    assert_eq!(server.requests().len(), 0);
    let set = hub.dataset("org/set", "main").unwrap();
    let message = set.open("../../secret").unwrap_err().to_string();
    assert_eq!(
        message,
        "\"../../secret\" is not the name of a file in a repository: empty segments, `.` and `..` are not allowed"
    );
    assert_eq!(server.requests().len(), 1);
}

/// What a look-up ends with when this is the answer.
fn refused(token: Option<&str>, reply: Reply) -> String {
    let server = Server::start(move |_| reply.clone());
    let error = client(options(&server.url(""), token))
        .hub
        .dataset("org/set", "main")
        .unwrap_err();
    assert_eq!(server.requests().len(), 1, "{error}");
    error.to_string().replace(&server.url(""), "HUB")
}

#[test]
fn refusals_say_what_to_do() {
    let url = "HUB/api/datasets/org/set/revision/main";
    let gated = Reply::new(403).with("X-Error-Code", "GatedRepo");
    assert_eq!(
        refused(None, gated.clone()),
        format!(
            "{url}: no access (status 403); it is gated: accept the terms on HUB/datasets/org/set and set HF_TOKEN to a token of yours"
        )
    );
    assert_eq!(
        refused(Some("t"), gated),
        format!(
            "{url}: no access (status 403); it is gated: accept the terms on HUB/datasets/org/set, as the user whose token HF_TOKEN is"
        )
    );
    assert_eq!(
        refused(Some("t"), Reply::new(401)),
        format!(
            "{url}: no access (status 401); the token is not valid: set HF_TOKEN to one from https://huggingface.co/settings/tokens; or check the name"
        )
    );
    let missing = refused(None, Reply::new(401).with("X-Error-Code", "RepoNotFound"));
    assert!(
        missing.contains("check the name, set HF_TOKEN to a token that may read it"),
        "{missing}"
    );
    assert_eq!(
        refused(None, Reply::new(404)),
        format!(
            "{url}: not found (status 404); check the name, the revision and the path; if it is private, set HF_TOKEN to a token that may read it"
        )
    );
}

#[test]
fn answers_that_make_no_sense_are_errors() {
    for body in [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"sha": 7}"#,
        r#"{"sha": "main"}"#,
        r#"{"sha": "../../../../../../../../../../../../../x"}"#,
    ] {
        let message = refused(None, Reply::body(body));
        assert!(message.contains("check HF_ENDPOINT"), "{body}: {message}");
    }
}

#[test]
fn answers_are_asked_for_again() {
    let server = Server::start(|request| match request.number {
        0 => Reply::new(502),
        1 => route(request).cut(20),
        2 => Reply::raw("HTTP/1.1 200"),
        _ => route(request),
    });
    let client = client(options(&server.url(""), None));
    assert_eq!(client.hub.dataset("org/set", "main").unwrap().sha(), SHA);
    assert_eq!(client.pauses().len(), 3);
}

/// How a list ends that is served like this.
fn listed(tree: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Result<usize, HubError> {
    let server = Server::start(move |request| {
        if request.path.contains("/tree/") {
            tree(request)
        } else {
            route(request)
        }
    });
    let mut options = options(&server.url(""), Some("t"));
    (options.max_pages, options.max_entries) = (5, 20);
    let hub = client(options).hub;
    Ok(hub.dataset("org/set", "main").unwrap().files()?.len())
}

#[test]
fn lists_are_bounded_and_stay_on_their_server() {
    let file = |path: &str| format!(r#"{{"type": "file", "path": {path:?}, "size": 1}}"#);
    let one = format!("[{}]", file("a"));
    let body = one.clone();
    let circle = listed(move |r| {
        Reply::body(body.clone()).with("Link", format!("<{}>; rel=\"next\"", r.path))
    });
    assert!(
        matches!(
            circle,
            Err(HubError::TooMany {
                of: "pages",
                limit: 5,
                ..
            })
        ),
        "{circle:?}"
    );
    let many = format!("[{}]", vec![file("a"); 21].join(","));
    let many = listed(move |_| Reply::body(many.clone()));
    assert!(
        matches!(
            many,
            Err(HubError::TooMany {
                of: "entries",
                limit: 20,
                ..
            })
        ),
        "{many:?}"
    );
    let elsewhere = Server::start(|_| Reply::body("[]"));
    let link = format!("<{}>; rel=\"next\"", elsewhere.url("/next"));
    let away = listed(move |_| Reply::body(one.clone()).with("Link", link.clone())).unwrap_err();
    assert!(
        away.to_string()
            .contains("its next page is on another server"),
        "{away}"
    );
    assert_eq!(elsewhere.requests().len(), 0);
    for path in ["../x", "/etc/passwd", "a/../b", "a\\b", ""] {
        let body = format!("[{}]", file(path));
        let error = listed(move |_| Reply::body(body.clone())).unwrap_err();
        assert!(matches!(error, HubError::Answer { .. }), "{path}: {error}");
    }
    assert_eq!(listed(|_| Reply::body("[]")).unwrap(), 0);
}

#[test]
fn offline_nobody_is_asked() {
    let server = Server::start(route);
    let mut options = options(&server.url(""), None);
    options.offline = true;
    let error = client(options).hub.dataset("org/set", "main").unwrap_err();
    assert!(
        matches!(error, HubError::Fetch(FetchError::Offline { .. })),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        "org/set@main would need the network, and HF_HUB_OFFLINE is set; unset it, or give a local file"
    );
    assert_eq!(server.requests().len(), 0);
}
