//! Parts of a file: the right bytes, no others asked for, and what cannot be had.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};

use common::server::{Reply, Request, Server};
use common::{content, plain};
use hub_io::FetchError;

const TAG: &str = "\"one\"";
const LEN: usize = 50_000;

fn server(change: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static) -> Server {
    let content = content(LEN);
    Server::start(move |request| change(request, Reply::file(request, &content, TAG)))
}

#[test]
fn parts_are_the_files_and_nothing_else_is_asked_for() {
    let server = server(|_, good| good);
    let mut file = plain().hub.open_url_ranges(&server.url("/f")).unwrap();
    assert_eq!((file.len(), file.is_empty()), (LEN as u64, false));
    let content = content(LEN);
    for (at, len) in [
        (LEN - 8, 8),
        (0, 4),
        (1000, 30_000),
        (1004, 1),
        (7, 0),
        (0, LEN),
    ] {
        let part = file.read_at(at as u64, len).unwrap();
        assert!(part == content[at..at + len], "{len} bytes from {at} on");
    }
    let asked: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.header("range").unwrap().to_owned())
        .collect();
    let expected = [
        "bytes=0-0",
        "bytes=49992-49999",
        "bytes=0-3",
        "bytes=1000-30999",
        "bytes=1004-1004",
        "bytes=0-49999",
    ];
    assert_eq!(asked, expected);
    let error = file.read_at(LEN as u64 - 1, 2).unwrap_err();
    assert!(matches!(error, FetchError::PastEnd { .. }), "{error}");
    let error = file.read_at(u64::MAX, 2).unwrap_err();
    assert!(matches!(error, FetchError::PastEnd { .. }), "{error}");
}

#[test]
fn faults_do_not_change_the_bytes() {
    let server = server(|request, good| match request.number % 5 {
        0 => Reply::new(503),
        1 => good.cut(700),
        3 => Reply::raw("no HTTP"),
        // A server may give less than it was asked for.
        4 if good.body.len() > 3000 => {
            let from = request.from().unwrap();
            let short = good.body[..3000].to_vec();
            Reply {
                body: short,
                ..good.with(
                    "Content-Range",
                    format!("bytes {from}-{}/{LEN}", from + 2999),
                )
            }
        }
        _ => good,
    });
    let mut file = plain().hub.open_url_ranges(&server.url("/f")).unwrap();
    let content = content(LEN);
    for (at, len) in [(40_000, 10_000), (0, 20_000), (19_000, 3000)] {
        assert!(file.read_at(at as u64, len).unwrap() == content[at..at + len]);
    }
    let requests = server.requests();
    assert!(requests.len() >= 10, "{} requests", requests.len());
    let ends: Vec<_> = requests.iter().filter_map(Request::to).collect();
    assert!(ends.contains(&49_999) && ends.contains(&19_999) && ends.contains(&21_999));
    assert_eq!(ends.len(), requests.len(), "each has its end");
}

#[test]
fn what_gives_no_parts_is_told() {
    let whole = Server::start(|_| Reply::body(content(LEN)));
    let error = plain()
        .hub
        .open_url_ranges(&whole.url("/f?key=x"))
        .unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, FetchError::NoRanges { .. }), "{message}");
    assert!(message.contains("as a whole only; download it") && !message.contains("key"));
    let endless = server(|request, good| {
        let from = request.from().unwrap();
        good.with("Content-Range", format!("bytes {from}-{from}/*"))
    });
    let error = plain().hub.open_url_ranges(&endless.url("/f")).unwrap_err();
    assert!(
        error.to_string().contains("does not say how long it is"),
        "{error}"
    );
    let empty = Server::start(|request| Reply::file(request, b"", TAG));
    let mut file = plain().hub.open_url_ranges(&empty.url("/f")).unwrap();
    assert!(file.is_empty());
    assert!(file.read_at(0, 0).unwrap().is_empty());
}

#[test]
fn a_file_that_changes_between_parts_is_an_error() {
    let changed = std::sync::Arc::new(AtomicBool::new(false));
    let seen = changed.clone();
    let server = Server::start(move |request| {
        let tag = if seen.load(Ordering::Relaxed) {
            "\"two\""
        } else {
            TAG
        };
        Reply::file(request, &content(LEN), tag)
    });
    let mut file = plain().hub.open_url_ranges(&server.url("/f")).unwrap();
    file.read_at(0, 100).unwrap();
    changed.store(true, Ordering::Relaxed);
    let error = file.read_at(100, 100).unwrap_err();
    assert!(matches!(error, FetchError::Changed { .. }), "{error}");
}
