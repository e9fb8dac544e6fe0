//! Pages of other sites get nothing.

use crate::client::{ask, prompt};
use crate::support::{Fake, Running};
use sae_serve::ServeOptions;

#[test]
fn names_of_others_are_refused() {
    let mut options = ServeOptions::default();
    options.host_names = vec!["gpu.example".into()];
    let server = Running::new(Fake::default(), options);
    let get = |head: &str| ask(server.address, format!("GET {head}\r\n\r\n"));
    for (head, status) in [
        ("/ HTTP/1.1\r\nHost: evil.example", 403),
        ("/api/health HTTP/1.1\r\nHost: evil.example:80", 403),
        ("http://evil.example/ HTTP/1.1\r\nHost: localhost", 403),
        ("/ HTTP/1.1\r\nHost: localhost\r\nHost: evil.example", 400),
        ("/ HTTP/1.1", 400),
        ("/ HTTP/1.0", 400),
        ("/ HTTP/1.1\r\nHost: gpu.example", 200),
        ("http://localhost/ HTTP/1.1\r\nHost: localhost", 200),
    ] {
        assert_eq!(get(head).status, status, "{head}");
    }
    let own = format!("/ HTTP/1.1\r\nHost: {}", server.address);
    assert_eq!(get(&own).status, 200);
    let refused = get("/ HTTP/1.1\r\nHost: evil.example").error();
    assert!(
        refused.contains("does not answer to the name \"evil.example\""),
        "{refused}"
    );
}

#[test]
fn requests_of_others_pages_are_refused_before_they_are_read() {
    let server = Running::new(Fake::default(), ServeOptions::default());
    let with = |header: &str| {
        let request = prompt("from elsewhere")
            .replace("Host: localhost", &format!("Host: localhost\r\n{header}"));
        ask(server.address, request)
    };
    for header in [
        "Origin: https://evil.example",
        "Origin: null",
        "Origin: http://localhost:1234",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site",
    ] {
        let reply = with(header);
        assert_eq!(reply.status, 403, "{header}");
        assert!(reply.error().contains("another site"), "{header}");
    }
    assert_eq!(server.backend.begun(), [""; 0]);
    // What a form can send without asking first is no JSON.
    let form = prompt("from elsewhere").replace("application/json", "text/plain");
    assert_eq!(ask(server.address, form).status, 415);
    assert_eq!(server.backend.begun(), [""; 0]);
    assert_eq!(
        with("Origin: http://localhost\r\nSec-Fetch-Site: same-origin").status,
        200
    );
}

#[test]
fn every_answer_is_for_its_own_page_only() {
    let server = Running::new(Fake::default(), ServeOptions::default());
    for request in [
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ] {
        let reply = ask(server.address, request);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{request}");
        }
        let policy = reply.header("content-security-policy").unwrap();
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{request}: {policy}"
        );
    }
}
