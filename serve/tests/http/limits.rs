//! What is too much, too long or too slow.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::client::{Client, ask, get, post, prompt};
use crate::support::{Fake, PATIENCE, Running};
use sae_serve::ServeOptions;

const SHORT: Duration = Duration::from_millis(300);

#[test]
fn long_texts_are_refused_whatever_their_spelling() {
    let mut options = ServeOptions::default();
    options.max_text_bytes = 1000;
    let server = Running::new(Fake::default(), options);
    assert_eq!(ask(server.address, prompt(&"x".repeat(1000))).status, 200);
    // Six bytes of JSON for each.
    let escaped = format!("{{\"text\": \"{}\"}}", "\\u0001".repeat(1000));
    assert_eq!(
        ask(server.address, post("/api/prompt", &escaped)).status,
        200
    );
    for request in [
        prompt(&"x".repeat(1001)),
        prompt(&"é".repeat(501)),
        post("/api/check", &format!("{{\"prompt\": \"{}\", \"answer\": \"{}\"}}", "x".repeat(600), "y".repeat(401))),
        // Far too long, but heard to the end by clients that send before they listen.
        prompt(&"x".repeat(5 << 20)),
        // Bodies of which the rest is not waited for.
        "POST /api/prompt HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n".to_owned(),
        "POST /api/prompt HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 99999\r\n\r\n".to_owned(),
        format!("POST /api/prompt HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2000\r\n{}\r\n0\r\n\r\n", " ".repeat(0x2000)),
    ] {
        let reply = ask(server.address, &request);
        assert_eq!(reply.status, 413, "{}", &request[..60]);
        assert_eq!(reply.error(), "the text is too long: this server takes 1000 bytes at once");
    }
    assert_eq!(server.backend.begun().len(), 2);
}

#[test]
fn long_heads_are_refused() {
    let server = Running::new(Fake::default(), ServeOptions::default());
    let header = format!("X-Long: {}\r\n", "x".repeat(30_000));
    let many = "X-Many: y\r\n".repeat(100);
    for extra in [header, many] {
        let mut client = Client::new(server.address);
        let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n");
        // It may be closed before all of it is taken.
        let _ = client.stream.get_mut().write_all(request.as_bytes());
        if let Some(reply) = client.reply() {
            assert_eq!(reply.status, 431);
        }
    }
    let path = "x".repeat(20_000);
    let mut client = Client::new(server.address);
    let request = format!("GET /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let _ = client.stream.get_mut().write_all(request.as_bytes());
    if let Some(reply) = client.reply() {
        assert!([414, 431].contains(&reply.status), "{}", reply.status);
    }
    assert_eq!(get(server.address, "/api/health").status, 200);
}

#[test]
fn slow_heads_and_silence_end_the_connection() {
    let mut options = ServeOptions::default();
    options.client_timeout = SHORT;
    let server = Running::new(Fake::default(), options);
    let begun = Instant::now();
    let mut silent = Client::new(server.address);
    let mut slow = Client::new(server.address);
    slow.send("GET / HTTP/1.1\r\nHost: lo");
    let mut kept = Client::new(server.address);
    kept.send("GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .reply()
        .unwrap();
    for client in [&mut silent, &mut kept, &mut slow] {
        // A server may say 408 first.
        let mut rest = Vec::new();
        let _ = client.stream.read_to_end(&mut rest);
        assert!(
            rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"),
            "{rest:?}"
        );
    }
    let took = begun.elapsed();
    assert!(took >= SHORT && took < PATIENCE, "{took:?}");
}

#[test]
fn slow_bodies_are_told_so() {
    let mut options = ServeOptions::default();
    options.client_timeout = SHORT;
    let server = Running::new(Fake::default(), options);
    let whole = prompt("a text that never comes");
    let mut client = Client::new(server.address);
    client.send(&whole[..whole.len() - 5]);
    let reply = client.reply().unwrap();
    assert_eq!(
        (reply.status, reply.error().as_str()),
        (408, "the body of the request did not arrive in time")
    );
    let mut broken = Client::new(server.address);
    broken.send(&whole[..whole.len() - 5]);
    broken
        .stream
        .get_mut()
        .shutdown(std::net::Shutdown::Write)
        .unwrap();
    if let Some(reply) = broken.reply() {
        assert_eq!(reply.status, 400);
    }
    assert_eq!(server.backend.begun(), [""; 0]);
}

#[test]
fn a_client_that_does_not_read_is_left() {
    let mut options = ServeOptions::default();
    options.client_timeout = SHORT;
    options.max_connections = 1;
    // More than the buffers between two sockets hold.
    let fake = Fake {
        overview: vec![7; 64 << 20],
        ..Fake::default()
    };
    let server = Running::new(fake, options);
    let mut deaf = Client::new(server.address);
    deaf.send("GET /api/overview HTTP/1.1\r\nHost: localhost\r\n\r\n");
    // There is one place, so this one waits until the other has been given up.
    let begun = Instant::now();
    assert_eq!(get(server.address, "/api/health").status, 200);
    assert!(begun.elapsed() >= SHORT / 2, "{:?}", begun.elapsed());
    let mut taken = Vec::new();
    let _ = deaf.stream.read_to_end(&mut taken);
    assert!(taken.len() < 64 << 20);
    // One that reads gets all of it.
    assert_eq!(get(server.address, "/api/overview").body.len(), 64 << 20);
}

#[test]
fn no_limit_is_too_high_or_too_low() {
    let mut most = ServeOptions::default();
    most.max_text_bytes = usize::MAX;
    most.queue = usize::MAX;
    most.timeout = Duration::MAX;
    most.client_timeout = Duration::MAX;
    most.grace = Duration::MAX;
    most.max_connections = usize::MAX;
    let mut least = ServeOptions::default();
    least.queue = 0;
    least.max_connections = 0;
    for options in [most, least] {
        let server = Running::new(Fake::default(), options);
        assert_eq!(ask(server.address, prompt("a")).status, 200);
        assert_eq!(get(server.address, "/api/health").status, 200);
    }
}
