//! Bytes that mean nothing, or harm.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::LazyLock;
use std::time::Duration;

use crate::client::{Client, get, post, prompt};
use crate::support::{Fake, Running};
use proptest::prelude::*;
use sae_serve::ServeOptions;

/// One for all cases: it must outlive every one of them.
static SERVER: LazyLock<Running> = LazyLock::new(|| {
    let mut options = ServeOptions::default();
    options.client_timeout = Duration::from_millis(250);
    Running::new(Fake::default(), options)
});

/// Sends bytes and no more, and reads until the connection ends. Whatever comes back is HTTP.
fn throw(bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(SERVER.address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut back = Vec::new();
    match stream.read_to_end(&mut back) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("{error}"),
        _ => {}
    }
    assert!(
        back.is_empty() || back.starts_with(b"HTTP/1.1 "),
        "{back:?}"
    );
    back
}

fn lives() {
    assert_eq!(get(SERVER.address, "/api/health").status, 200);
}

#[test]
fn malformed_requests_are_refused_and_smuggle_nothing() {
    for request in [
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03",
        "GET / HTTP/1.1\r\nHost localhost\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX\0: y\r\n\r\n",
        "POST /api/prompt HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "POST /api/prompt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "POST /api/prompt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST /api/prompt HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /api/prompt HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
    ] {
        let back = String::from_utf8_lossy(&throw(request.as_bytes())).into_owned();
        assert!(!back.starts_with("HTTP/1.1 2"), "{request:?}: {back}");
        lives();
    }
    assert!(
        SERVER
            .backend
            .begun()
            .iter()
            .all(|text| !text.contains("smuggled"))
    );
    // Two lengths: the inner request must not be taken for one of its own.
    let inner = prompt("smuggled");
    let outer = format!(
        "POST /api/prompt HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
        inner.len() + 5
    );
    throw(outer.as_bytes());
    assert!(
        SERVER
            .backend
            .begun()
            .iter()
            .all(|text| !text.contains("smuggled"))
    );
}

#[test]
fn a_request_in_pieces_is_one_request() {
    let mut client = Client::new(SERVER.address);
    for byte in prompt("piece by piece").as_bytes() {
        client.send([*byte]);
    }
    assert_eq!(client.reply().unwrap().status, 200);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_end_the_server(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        throw(&bytes);
        lives();
    }

    #[test]
    fn nor_do_requests_with_random_parts(
        method in "[A-Z]{1,8}|GET|POST",
        path in "/(api/(features/)?)?[ -~]{0,40}",
        headers in proptest::collection::vec("[A-Za-z-]{1,20}: [ -~]{0,60}", 0..8),
        body in proptest::collection::vec(any::<u8>(), 0..512),
    ) {
        let headers = headers.join("\r\n");
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n").into_bytes();
        request.extend(body);
        throw(&request);
        lives();
    }

    #[test]
    fn nor_do_requests_that_are_nearly_right(
        at in any::<prop::sample::Index>(),
        with in proptest::collection::vec(any::<u8>(), 0..4),
        body in "[ -~é\u{0}]{0,60}|\\{\"text\": ?[ -~]{0,40}\\}",
    ) {
        let mut request = post("/api/prompt", &body).into_bytes();
        let at = at.index(request.len());
        request.splice(at..(at + with.len()).min(request.len()), with);
        throw(&request);
        lives();
    }

    #[test]
    fn every_text_comes_back_as_it_was(text in "\\PC{1,60}") {
        prop_assume!(!["hold", "slow", "deaf", "invalid", "fail", "panic", "nan"].contains(&text.split(' ').next().unwrap()));
        let reply = crate::client::ask(SERVER.address, prompt(&text)).json();
        let tokens = reply["tokens"].as_array().unwrap().iter();
        let back: String = tokens.map(|token| token["text"].as_str().unwrap()).collect();
        prop_assert_eq!(back, text);
    }
}
