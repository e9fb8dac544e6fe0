//! What is logged. A file of its own: there is one log to a process.
#![allow(clippy::unwrap_used, reason = "test code")]

#[allow(dead_code, reason = "others use all of it")]
#[path = "http/client.rs"]
mod client;
mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};

use client::{ask, get, post, prompt};
use sae_serve::ServeOptions;
use support::{Fake, Running};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[test]
fn texts_are_not_logged_but_failures_are() {
    let lines = Lines::default();
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
    log.with_writer(lines.clone()).with_ansi(false).init();
    let server = Running::new(Fake::default(), ServeOptions::default());
    for text in [
        "confidential",
        "fail confidential",
        "invalid confidential",
        "nan confidential",
    ] {
        ask(server.address, prompt(text));
    }
    ask(server.address, post("/api/prompt", "{\"confidential\": 1}"));
    ask(server.address, prompt(&"confidential".repeat(10_000)));
    ask(
        server.address,
        prompt("confidential").replace("Host: localhost", "Host: elsewhere.example"),
    );
    get(server.address, "/api/features/666");
    drop(server);
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(!log.contains("confidential"), "{log}");
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains(" WARN ")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(warnings[0].contains("index=666") && warnings[0].contains("its shard cannot be read"));
    assert!(
        log.lines()
            .any(|line| line.contains("DEBUG") && line.contains("elsewhere.example")),
        "{log}"
    );
}
