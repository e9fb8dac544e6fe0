//! How a server ends.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::{Client, get, prompt};
use crate::support::{Fake, Running, wait};
use sae_serve::{ServeError, ServeOptions, Server, Shutdown};

#[test]
fn what_runs_is_finished_and_who_waits_is_told() {
    let mut server = Running::new(Fake::default(), ServeOptions::default());
    let mut idle = Client::new(server.address);
    idle.send("GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .reply()
        .unwrap();
    let mut running = Client::new(server.address);
    running.send(prompt("hold"));
    wait("the first to run", || !server.backend.begun().is_empty());
    let mut waiting = Client::new(server.address);
    waiting.send(prompt("second"));
    wait("the second to wait", || {
        get(server.address, "/api/health").json()["waiting"] == 1
    });
    server.shutdown.trigger();
    let told = waiting.reply().unwrap();
    assert_eq!(
        (told.status, told.error().as_str()),
        (503, "the server is being stopped")
    );
    assert!(idle.is_closed());
    wait("no more connections", || {
        TcpStream::connect(server.address).is_err()
    });
    server.backend.release();
    assert_eq!(running.reply().unwrap().status, 200);
    assert!(running.is_closed());
    server.join();
    assert_eq!(server.backend.begun(), ["hold"]);
}

#[test]
fn neither_long_work_nor_impatience_holds_it_up() {
    for impatient in [false, true] {
        let grace = Duration::from_millis(if impatient { 60_000 } else { 200 });
        let mut options = ServeOptions::default();
        options.grace = grace;
        let mut server = Running::new(Fake::default(), options);
        let mut client = Client::new(server.address);
        client.send(prompt("hold"));
        wait("it to run", || !server.backend.begun().is_empty());
        let begun = Instant::now();
        server.shutdown.trigger();
        if impatient {
            server.shutdown.trigger();
        }
        server.join();
        assert!(impatient || begun.elapsed() >= grace);
        assert!(client.reply().is_none());
        wait("the work to stop", || {
            server.backend.log.lock().unwrap().stopped == ["hold"]
        });
    }
}

#[test]
fn an_address_that_is_taken_is_named() {
    let server = Running::new(Fake::default(), ServeOptions::default());
    let again = Server::bind(
        server.address,
        Arc::new(Fake::default()),
        ServeOptions::default(),
    );
    let error = again.unwrap_err();
    assert!(matches!(error, ServeError::Bind { .. }));
    let text = error.to_string();
    assert!(
        text.starts_with(&server.address.to_string())
            && text.contains("another program listens there"),
        "{text}"
    );
    let nowhere = Server::bind(
        ([192, 0, 2, 1], 0).into(),
        Arc::new(Fake::default()),
        ServeOptions::default(),
    );
    let text = nowhere.unwrap_err().to_string();
    assert!(text.contains("no such address"), "{text}");
}

#[test]
fn told_before_it_runs_it_ends_at_once() {
    let address = ([127, 0, 0, 1], 0).into();
    let server = Server::bind(address, Arc::new(Fake::default()), ServeOptions::default()).unwrap();
    let shutdown = Shutdown::manual();
    shutdown.trigger();
    server.run_until(&shutdown).unwrap();
}

#[cfg(unix)]
#[test]
fn a_signal_stops_it() {
    let address = ([127, 0, 0, 1], 0).into();
    let server = Server::bind(address, Arc::new(Fake::default()), ServeOptions::default()).unwrap();
    let address = server.address();
    let thread = std::thread::spawn(move || server.run_until(&Shutdown::on_signals()));
    // Whoever answers listens for signals, too.
    assert_eq!(get(address, "/api/health").status, 200);
    let own = std::process::id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &own])
        .status();
    assert!(sent.unwrap().success());
    wait("the server to end", || thread.is_finished());
    thread.join().unwrap().unwrap();
}
