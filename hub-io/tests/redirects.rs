//! Redirects: who gets the token, and signed addresses that run out.
#![allow(clippy::unwrap_used)]

mod common;

use common::server::{Reply, Request, Server};
use common::{client, content, options, plain};
use hub_io::FetchError;

const TAG: &str = "\"one\"";
const LEN: usize = 200_000;

/// A storage whose signed addresses work `uses` times, and then are refused with `status`.
fn storage(
    uses: usize,
    status: u16,
    change: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static,
) -> Server {
    let used = std::sync::Mutex::new(std::collections::HashMap::<String, usize>::new());
    Server::start(move |request| {
        let mut used = used.lock().unwrap();
        let count = used.entry(request.path.clone()).or_default();
        *count += 1;
        if *count > uses {
            return Reply::new(status);
        }
        change(request, Reply::file(request, &content(LEN), TAG))
    })
}

/// A Hub that sends on to a newly signed address each time.
fn signing(storage: &Server) -> Server {
    let target = storage.url("/blob?signature=");
    Server::start(move |request| Reply::redirect(format!("{target}{}", request.number)))
}

#[test]
fn the_token_goes_to_the_hub_and_nowhere_else() {
    let storage = storage(9, 403, |_, good| good);
    let target = storage.url("/blob");
    let hub = Server::start(move |request| match request.path.as_str() {
        "/f" => Reply::redirect("/g"),
        _ => Reply::redirect(target.as_str()),
    });
    let client = client(options(&hub.url(""), Some("hf_secret")));
    assert!(client.read(&hub.url("/f")).unwrap() == content(LEN));
    let tokens: Vec<_> = hub
        .requests()
        .iter()
        .map(|r| r.header("authorization").map(str::to_owned))
        .collect();
    assert_eq!(
        tokens,
        [
            Some("Bearer hf_secret".to_owned()),
            Some("Bearer hf_secret".to_owned())
        ]
    );
    assert_eq!(storage.requests().len(), 1);
    for request in storage.requests() {
        assert_eq!(request.header("authorization"), None);
        assert_eq!(request.header("range"), Some("bytes=0-"));
        assert_eq!(request.header("cookie"), None);
    }
}

#[test]
fn an_address_that_leads_away_and_back_gets_no_token() {
    // Two servers that name each other need an address known in advance.
    let back = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let to = std::sync::Arc::clone(&back);
    let other = Server::start(move |_| Reply::redirect(to.lock().unwrap().as_str()));
    let target = other.url("/x");
    let hub = Server::start(move |request| match request.path.as_str() {
        "/f" => Reply::redirect(target.as_str()),
        _ => Reply::file(request, b"bytes", TAG),
    });
    *back.lock().unwrap() = hub.url("/home");
    let client = client(options(&hub.url(""), Some("hf_secret")));
    assert_eq!(client.read(&hub.url("/f")).unwrap(), b"bytes");
    assert_eq!(
        hub.requests()[0].header("authorization"),
        Some("Bearer hf_secret")
    );
    assert_eq!(hub.requests()[1].header("authorization"), None);
    assert_eq!(other.requests()[0].header("authorization"), None);
}

#[test]
fn other_servers_never_see_the_token() {
    let server = Server::start(|request| Reply::file(request, b"bytes", TAG));
    assert_eq!(plain().read(&server.url("/f")).unwrap(), b"bytes");
    assert_eq!(server.requests()[0].header("authorization"), None);
}

#[test]
fn a_known_target_is_asked_directly() {
    let storage = storage(9, 403, |request, good| {
        if request.number < 3 {
            good.cut(50_000)
        } else {
            good
        }
    });
    let hub = signing(&storage);
    assert!(plain().read(&hub.url("/f")).unwrap() == content(LEN));
    // The Hub is asked once: the storage answered each time, so its address is still good.
    assert_eq!((hub.requests().len(), storage.requests().len()), (1, 4));
}

#[test]
fn an_address_that_ran_out_is_signed_anew() {
    for status in [401, 403] {
        let storage = storage(2, status, |request, good| {
            if request.number < 5 {
                good.cut(20_000)
            } else {
                good
            }
        });
        let hub = signing(&storage);
        let client = plain();
        assert!(client.read(&hub.url("/f")).unwrap() == content(LEN));
        // Only the broken connections are failures.
        assert!(
            client.events().iter().all(|e| !e.contains("refused")),
            "{:?}",
            client.events()
        );
        assert!(hub.requests().len() > 1);
    }
}

#[test]
fn a_storage_that_refuses_new_addresses_is_given_up() {
    let storage = storage(0, 403, |_, good| good);
    let hub = signing(&storage);
    let error = plain().read(&hub.url("/f")).unwrap_err();
    let FetchError::GaveUp { reason, .. } = &error else {
        panic!("{error}");
    };
    assert!(
        reason.ends_with("/blob?… refused the signed address with status 403"),
        "{reason}"
    );
    assert!(!error.to_string().contains("signature"), "{error}");
    assert_eq!(hub.requests().len(), 4);
}

/// Reads through a Hub that names the content so at each request, from a storage with a tag of its own for each answer, whose
/// addresses work once.
fn linked(name: fn(usize) -> String) -> Result<Vec<u8>, FetchError> {
    let storage = storage(1, 403, |request, good| {
        let good = good.with("ETag", format!("\"{}\"", request.number));
        if request.number < 3 {
            good.cut(50_000)
        } else {
            good
        }
    });
    let target = storage.url("/blob?signature=");
    let hub = Server::start(move |request| {
        Reply::redirect(format!("{target}{}", request.number))
            .with("X-Linked-Etag", name(request.number))
    });
    let mut file = plain().open(&hub.url("/f"))?;
    assert_eq!(file.etag(), Some(name(0).as_str()));
    common::read_on(&mut file)
}

#[test]
fn the_hub_says_what_the_content_is() {
    assert!(linked(|_| "\"sha\"".to_owned()).unwrap() == content(LEN));
    let error = linked(|n| format!("\"sha {n}\"")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it was \"sha 0\" and is \"sha 1\""),
        "{error}"
    );
}

#[test]
fn circles_and_long_ways_are_errors() {
    let server = Server::start(|request| match request.path.as_str() {
        "/a" => Reply::redirect("/b"),
        "/b" => Reply::redirect("/a#again"),
        "/self" => Reply::redirect("/self"),
        _ => Reply::redirect(format!("/{}", request.number)),
    });
    for path in ["/a", "/self"] {
        let error = plain().read(&server.url(path)).unwrap_err();
        assert!(error.to_string().contains("in a circle"), "{error}");
    }
    let error = plain().read(&server.url("/long")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("there are more than 10 in a row"),
        "{error}"
    );
    assert_eq!(server.requests().len(), 2 + 1 + 11);
}

#[test]
fn ten_redirects_are_followed() {
    let server = Server::start(|request| match request.number {
        10 => Reply::file(request, b"bytes", TAG),
        n => Reply::redirect(format!("/{n}")),
    });
    assert_eq!(plain().read(&server.url("/f")).unwrap(), b"bytes");
}

#[test]
fn redirects_to_nowhere_are_errors() {
    for to in [
        "ftp://h/",
        "file:///etc/passwd",
        "http://u:p@127.0.0.1/",
        "http://",
        "data:,x",
    ] {
        let server = Server::start(move |_| Reply::redirect(to));
        let error = plain().read(&server.url("/f")).unwrap_err();
        assert!(
            matches!(error, FetchError::Redirect { .. }),
            "{to}: {error}"
        );
    }
    let server = Server::start(|_| Reply::new(302));
    let error = plain().read(&server.url("/f")).unwrap_err();
    assert!(
        error.to_string().contains("it says not where to"),
        "{error}"
    );
}
