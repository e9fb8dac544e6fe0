//! Who waits for the model, and for how long.

use std::time::{Duration, Instant};

use crate::client::{Client, ask, get, prompt};
use crate::support::{Fake, Running, wait};
use sae_serve::ServeOptions;

/// How many texts run and wait.
fn load(server: &Running) -> (u64, u64) {
    let health = get(server.address, "/api/health").json();
    (
        health["running"].as_u64().unwrap(),
        health["waiting"].as_u64().unwrap(),
    )
}

/// Asks without waiting for the answer, but until it is in its place.
fn queue_up(server: &Running, text: &str, place: (u64, u64)) -> Client {
    let mut client = Client::new(server.address);
    client.send(prompt(text));
    wait(&format!("{text} in its place"), || load(server) == place);
    client
}

fn with(options: ServeOptions) -> Running {
    let fake = Fake {
        features: vec![b"zero".to_vec()],
        ..Fake::default()
    };
    Running::new(fake, options)
}

#[test]
fn texts_run_one_at_a_time_in_their_order_and_features_meanwhile() {
    let server = with(ServeOptions::default());
    let mut clients = vec![queue_up(&server, "hold first", (1, 0))];
    for n in 1..=5 {
        clients.push(queue_up(&server, &format!("text {n}"), (1, n)));
    }
    assert_eq!(get(server.address, "/api/features/0").body, b"zero");
    assert_eq!(get(server.address, "/").status, 200);
    assert_eq!(server.backend.begun(), ["hold first"]);
    server.backend.release();
    for client in &mut clients {
        assert_eq!(client.reply().unwrap().status, 200);
    }
    let order = [
        "hold first",
        "text 1",
        "text 2",
        "text 3",
        "text 4",
        "text 5",
    ];
    assert_eq!(server.backend.begun(), order);
    assert_eq!(server.backend.log.lock().unwrap().most_at_once, 1);
    wait("nothing to run", || load(&server) == (0, 0));
}

#[test]
fn a_full_queue_says_when_to_come_back() {
    let mut options = ServeOptions::default();
    options.queue = 2;
    let server = with(options);
    let mut first = queue_up(&server, "hold", (1, 0));
    let mut second = queue_up(&server, "second", (1, 1));
    let third = queue_up(&server, "third", (1, 2));
    let refused = ask(server.address, prompt("too many"));
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), Some("5"));
    assert!(
        refused.error().contains("the queue is full"),
        "{}",
        refused.error()
    );
    // Who goes makes room at once.
    drop(third);
    wait("the third to leave", || load(&server) == (1, 1));
    let mut fourth = queue_up(&server, "fourth", (1, 2));
    server.backend.release();
    for client in [&mut first, &mut second, &mut fourth] {
        assert_eq!(client.reply().unwrap().status, 200);
    }
    assert_eq!(server.backend.begun(), ["hold", "second", "fourth"]);
}

#[test]
fn time_runs_out_in_the_queue_and_at_work() {
    let timeout = Duration::from_millis(400);
    let mut options = ServeOptions::default();
    options.timeout = timeout;
    let server = with(options);
    let begun = Instant::now();
    // This one does not look whether anybody still waits.
    let mut working = queue_up(&server, "deaf", (1, 0));
    let mut waiting = queue_up(&server, "waits in vain", (1, 1));
    for client in [&mut working, &mut waiting] {
        let reply = client.reply().unwrap();
        assert_eq!(reply.status, 504);
        assert!(
            reply.error().starts_with("no answer within 0.4 s"),
            "{}",
            reply.error()
        );
    }
    assert!(
        (timeout..Duration::from_secs(3)).contains(&begun.elapsed()),
        "{:?}",
        begun.elapsed()
    );
    // It still has its turn: nothing else runs beside it.
    assert_eq!(load(&server), (1, 0));
    wait("the end of the first", || load(&server) == (0, 0));
    assert_eq!(ask(server.address, prompt("next")).status, 200);
    assert_eq!(server.backend.begun(), ["deaf", "next"]);
    assert_eq!(server.backend.log.lock().unwrap().most_at_once, 1);
    // One that looks stops by itself.
    assert_eq!(ask(server.address, prompt("hold")).status, 504);
    wait("it to stop", || {
        server.backend.log.lock().unwrap().stopped == ["hold"]
    });
}

#[test]
fn who_goes_leaves_the_queue_or_stops_the_work() {
    let server = with(ServeOptions::default());
    let running = queue_up(&server, "hold", (1, 0));
    let waiting = queue_up(&server, "never begun", (1, 1));
    let mut last = queue_up(&server, "last", (1, 2));
    drop(waiting);
    wait("it to leave", || load(&server) == (1, 1));
    drop(running);
    assert_eq!(last.reply().unwrap().status, 200);
    assert_eq!(server.backend.begun(), ["hold", "last"]);
    assert_eq!(server.backend.log.lock().unwrap().stopped, ["hold"]);
}
