//! Each fault of a server by itself, and what becomes of it.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Read;
use std::time::Duration;

use common::server::{Reply, Request, Server};
use common::{STALL, client, content, options, plain, read_on};
use hub_io::FetchError;

const TAG: &str = "\"one\"";
const LEN: usize = 200_000;

/// A server of one file whose n-th answer is changed.
fn faulty(change: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static) -> Server {
    let content = content(LEN);
    Server::start(move |request| change(request, Reply::file(request, &content, TAG)))
}

/// The first answer is `fault`'s, all others are good; reading must give the file.
fn survives(
    fault: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static,
) -> (Server, common::Client) {
    let server = faulty(move |request, good| match request.number {
        0 => fault(request, good),
        _ => good,
    });
    let client = plain();
    let read = client.read(&server.url("/f?signature=x")).unwrap();
    assert!(read == content(LEN), "other bytes");
    (server, client)
}

/// All answers are `fault`'s; how reading ends.
fn fails(fault: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static) -> FetchError {
    let server = faulty(fault);
    plain().read(&server.url("/f?signature=x")).unwrap_err()
}

#[test]
fn a_good_server_is_asked_once() {
    let (server, client) = survives(|_, good| good);
    assert_eq!(server.requests().len(), 1);
    assert_eq!(client.events(), ["connected at 0 of Some(200000)"]);
    let request = &server.requests()[0];
    assert_eq!(request.header("accept-encoding"), Some("identity"));
    assert_eq!(request.header("authorization"), None);
}

#[test]
fn a_cut_connection_goes_on_at_the_byte() {
    let (server, client) = survives(|_, good| good.cut(70_000));
    let again = &server.requests()[1];
    assert_eq!(again.header("range"), Some("bytes=70000-"));
    assert_eq!(again.header("if-range"), Some(TAG));
    let events = client.events();
    assert!(events[1].starts_with("retrying 1: "), "{events:?}");
    assert_eq!(
        events[2..],
        ["connected at 70000 of Some(200000)", "resumed at 70000"]
    );
}

#[test]
fn a_stall_goes_on_at_the_byte() {
    let (server, client) = survives(|_, mut good| {
        good.stall = 20 * STALL;
        good.cut(70_000)
    });
    assert_eq!(server.requests()[1].from(), Some(70_000));
    let events = client.events();
    assert_eq!(
        events[1],
        "retrying 1: the server sent nothing for too long"
    );
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let error = fails(|_, _| {
        let mut reply = Reply::raw("");
        reply.stall = 20 * STALL;
        reply
    });
    let FetchError::GaveUp {
        tries: 4,
        at: 0,
        reason,
        url,
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(reason, "the server sent nothing for too long");
    assert!(url.ends_with("/f?…"), "{url}");
}

#[test]
fn a_body_in_chunks_needs_no_length() {
    let chunked = |_: &Request, good: Reply| {
        let mut reply = Reply {
            status: 200,
            chunked: true,
            ..good
        }
        .without("Content-Range");
        reply.headers.retain(|(name, _)| name == "ETag");
        reply
    };
    let (server, _) = survives(chunked);
    assert_eq!(server.requests().len(), 1);
    let (server, _) = survives(move |request, good| chunked(request, good).cut(90_000));
    assert_eq!(server.requests()[1].from(), Some(90_000));
}

#[test]
fn busy_servers_say_how_long_to_wait() {
    let (_, client) = survives(|_, _| Reply::new(429).with("Retry-After", "17"));
    assert_eq!(client.pauses(), [Duration::from_secs(17)]);
    let date = "Fri, 06 Nov 2026 08:50:37 GMT";
    let (_, client) = survives(move |_, _| Reply::new(503).with("Retry-After", date));
    assert_eq!(client.pauses(), [Duration::from_mins(1)]);
    let (_, client) = survives(|_, _| Reply::new(503).with("Retry-After", "9999999"));
    assert_eq!(client.pauses(), [Duration::from_mins(5)]);
    for status in [408, 500, 502, 504, 599] {
        let (_, client) = survives(move |_, _| Reply::new(status));
        let pause = client.pauses()[0];
        assert!(pause >= Duration::from_millis(250) && pause <= Duration::from_millis(500));
    }
}

#[test]
fn tries_are_counted_since_the_last_byte() {
    // Two refusals before each connection, which brings 50,000 bytes and breaks: eleven failures in all, with four allowed.
    let server = faulty(|request, good| match request.number % 3 {
        2 => good.cut(50_000),
        _ => Reply::new(500),
    });
    let client = plain();
    assert!(client.read(&server.url("/f")).unwrap() == content(LEN));
    assert_eq!(client.pauses().len(), 11);
    let error = fails(|_, _| Reply::new(500));
    assert!(error.to_string().ends_with(
        "/f?…: gave up at byte 0 after 4 tries without a new byte; the last: the server answered with status 500; \
         check the connection, or try later"
    ));
}

#[test]
fn after_an_error_the_next_read_tries_again() {
    let server = faulty(|request, good| match request.number {
        0 => good.cut(1_000),
        1..=3 => Reply::new(500),
        _ => good,
    });
    let mut file = plain().open(&server.url("/f")).unwrap();
    let mut read = Vec::new();
    let error = file.read_to_end(&mut read).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert_eq!((read.len(), file.position()), (1_000, 1_000));
    read.extend(read_on(&mut file).unwrap());
    assert!(read == content(LEN));
}

#[test]
fn a_refused_connection_is_tried_again() {
    let url = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/f", listener.local_addr().unwrap())
    };
    let client = plain();
    let error = client.open(&url).unwrap_err();
    assert!(
        matches!(error, FetchError::GaveUp { tries: 4, .. }),
        "{error}"
    );
    assert_eq!(client.pauses().len(), 3);
}

#[test]
fn garbage_and_broken_heads_are_tried_again() {
    for raw in [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "\0\u{1}garbage\r\n\r\n",
        "HTTP/1.1 9999 X\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
    ] {
        let (server, _) = survives(move |_, _| Reply::raw(raw));
        assert_eq!(server.requests().len(), 2, "{raw:?}");
    }
    let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "a".repeat(1 << 20));
    survives(move |_, _| Reply::raw(endless.clone()));
}

#[test]
fn a_wrong_length_is_tried_again() {
    for length in [0, 199_999, 200_001, usize::MAX] {
        let (server, _) = survives(move |_, mut good| {
            good.length = Some(length);
            good
        });
        assert_eq!(server.requests().len(), 2, "{length}");
    }
}

#[test]
fn a_changed_file_is_an_error() {
    let other: Vec<_> = content(LEN).iter().map(|b| !b).collect();
    let fault = move |request: &Request, good: Reply| match request.number {
        0 => good.cut(70_000),
        _ => Reply::file(request, &other, "\"two\""),
    };
    let error = fails(fault);
    assert!(
        error.to_string().ends_with(
            "/f?…: the file changed on the server while it was read, at byte 70000: it was \"one\" and is \"two\"; \
             start again, and pin a commit to be safe"
        ),
        "{error}"
    );
    // Without strong tags the date and the length tell.
    let error = fails(|request, good| match request.number {
        0 => good
            .with("ETag", "W/\"a\"")
            .with("Last-Modified", "Mon")
            .cut(70_000),
        _ => good.with("ETag", "W/\"a\"").with("Last-Modified", "Tue"),
    });
    assert!(
        matches!(error, FetchError::Changed { at: 70_000, .. }),
        "{error}"
    );
    let longer = content(LEN + 1);
    let error = fails(move |request, good| match request.number {
        0 => good.without("ETag").cut(70_000),
        _ => Reply::file(request, &longer, TAG).without("ETag"),
    });
    assert!(
        error
            .to_string()
            .contains("it had 200000 bytes and has 200001"),
        "{error}"
    );
}

#[test]
fn a_server_without_ranges_is_read_again_from_the_start() {
    let server = Server::start(|request| {
        let reply = Reply::body(content(LEN)).with("ETag", TAG);
        if request.number < 3 {
            reply.cut(60_000 * (request.number + 1))
        } else {
            reply
        }
    });
    let client = plain();
    assert!(client.read(&server.url("/f")).unwrap() == content(LEN));
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn wrong_ranges_are_errors() {
    for range in [
        "bytes 1-199999/200000",
        "bytes 0-199999/7",
        "items 0-1/2",
        "bytes */200000",
        "",
    ] {
        let error = fails(move |_, good| good.with("Content-Range", range));
        assert!(
            matches!(error, FetchError::WrongRange { at: 0, .. }),
            "{range}: {error}"
        );
    }
    let error = fails(|_, good| good.without("Content-Range"));
    assert!(matches!(error, FetchError::WrongRange { .. }), "{error}");
}

#[test]
fn parts_of_what_was_asked_for_are_put_together() {
    for total in ["200000", "*"] {
        let server = faulty(move |request, mut good| {
            if let Some(from) = request.from().filter(|from| *from < LEN) {
                good.body.truncate(30_000);
                let last = from + good.body.len() - 1;
                good = good.with("Content-Range", format!("bytes {from}-{last}/{total}"));
            }
            good
        });
        let client = plain();
        assert!(client.read(&server.url("/f")).unwrap() == content(LEN));
        assert_eq!(server.requests().len(), if total == "*" { 8 } else { 7 });
        assert_eq!(client.pauses(), []);
    }
}

#[test]
fn bodies_that_do_not_fit_their_range() {
    // In chunks, so that the length does not tell.
    let error = fails(|_, mut good| {
        good.chunked = true;
        good.body.push(0);
        good
    });
    let FetchError::WrongRange {
        at: 200_000, got, ..
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(got, "more bytes than it announced");
    // Up to the end of the connection: nothing at all is no progress, a part is.
    let head = "HTTP/1.0 206 OK\r\nContent-Range: bytes";
    let server = Server::start(move |_| Reply::raw(format!("{head} 0-9/10\r\n\r\n")));
    let error = plain().read(&server.url("/f")).unwrap_err();
    assert!(
        matches!(
            error,
            FetchError::GaveUp {
                at: 0,
                tries: 4,
                ..
            }
        ),
        "{error}"
    );
    let server = Server::start(move |request| {
        let from = request.from().unwrap();
        Reply::raw(format!("{head} {from}-9/10\r\n\r\n{from}"))
    });
    assert_eq!(plain().read(&server.url("/f")).unwrap(), b"0123456789");
}

#[test]
fn empty_files_and_ends() {
    for status in [200, 416] {
        let server = Server::start(move |request| match status {
            200 => Reply::body(""),
            _ => Reply::file(request, b"", TAG),
        });
        let mut file = plain().open(&server.url("/f")).unwrap();
        assert_eq!(read_on(&mut file).unwrap(), b"");
        assert!(file.is_empty());
    }
    let error = fails(|_, _| Reply::new(416).with("Content-Range", "bytes */x"));
    assert!(
        matches!(
            error,
            FetchError::PastEnd {
                at: 0,
                len: None,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn seeking() {
    let server = faulty(|_, good| good);
    let mut file = plain().open(&server.url("/f")).unwrap();
    assert_eq!(
        (file.len(), file.etag(), file.position()),
        (Some(LEN as u64), Some(TAG), 0)
    );
    let mut byte = [0; 100];
    for at in [0, 150, 199_900, 10, 50_000, 199_999] {
        file.seek_to(at);
        assert_eq!(file.position(), at);
        let got = file.read(&mut byte).unwrap();
        assert!(
            got > 0 && byte[..got] == content(LEN)[at as usize..][..got],
            "{at}"
        );
    }
    // Near steps forward use the same connection: there are four backward or to the start.
    assert!(server.requests().len() <= 3, "{}", server.requests().len());
    file.seek_to(LEN as u64);
    assert_eq!(file.read(&mut byte).unwrap(), 0);
    file.seek_to(LEN as u64 + 1);
    let error = read_on(&mut file).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("byte 200001 was asked for, but the file ends at 200000"),
        "{error}"
    );
    file.seek_to(LEN as u64 - 10);
    assert_eq!(file.read(&mut byte[..5]).unwrap(), 5);
    file.seek_to(LEN as u64 + 5);
    let error = read_on(&mut file).unwrap_err();
    assert!(
        matches!(
            error,
            FetchError::PastEnd {
                at: 200_005,
                len: Some(200_000),
                ..
            }
        ),
        "{error}"
    );
    file.seek_to(5);
    assert!(read_on(&mut file).unwrap() == content(LEN)[5..]);
}

#[test]
fn compressed_answers_are_refused() {
    // With ureq's feature `gzip` on, as other crates of a build may have it, the header of the second does not reach us.
    for encoding in ["br", "gzip"] {
        let error = fails(move |_, good| good.with("Content-Encoding", encoding));
        assert!(matches!(error, FetchError::Encoded { .. }), "{error}");
    }
}

#[test]
fn a_body_may_end_with_the_connection() {
    for head in [
        "HTTP/1.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    ] {
        let server = Server::start(move |_| Reply::raw(format!("{head}bytes")));
        assert_eq!(plain().read(&server.url("/f")).unwrap(), b"bytes");
    }
}

#[test]
fn other_statuses_are_errors_at_once() {
    for status in [204, 304, 400, 418] {
        let server = faulty(move |_, _| Reply::new(status));
        let error = plain().read(&server.url("/f")).unwrap_err();
        assert!(
            matches!(error, FetchError::Status { status: s, .. } if s == status),
            "{error}"
        );
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn nothing_is_asked_offline_or_of_what_is_no_address() {
    let server = faulty(|_, good| good);
    let mut offline = options("http://127.0.0.1:1", None);
    offline.offline = true;
    let error = client(offline).open(&server.url("/f")).unwrap_err();
    assert!(matches!(error, FetchError::Offline { .. }), "{error}");
    let error = plain().open("https://me:hunter2@host/").unwrap_err();
    assert!(matches!(error, FetchError::Address { .. }), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_stream_can_go_to_another_thread() {
    fn sendable<T: Send>() {}
    sendable::<hub_io::RemoteFile>();
    sendable::<hub_io::Hub>();
}
