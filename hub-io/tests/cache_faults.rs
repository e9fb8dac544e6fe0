//! Downloads that fail, and resume.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::server::hub::Repository;
use common::server::{Reply, Request, Server};
use common::{client, content, options};
use hub_io::{Cache, CacheError, DownloadProgress, FetchError, HubError, RepoKind};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const LEN: usize = 700_000;

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn tag() -> String {
    sha256(&content(LEN))
}

fn repository() -> Repository {
    Repository::new("org/net", COMMIT).tagged("w", content(LEN), tag())
}

/// What a download ends with, on a server that answers like this, with the cache as it is left.
fn download(
    server: &Server,
    cache: &Path,
    observer: &mut dyn hub_io::Observer<DownloadProgress>,
) -> Result<PathBuf, CacheError> {
    let hub = client(options(&server.url(""), None)).hub;
    let repo = hub.model("org/net", "main").unwrap();
    repo.download("w", &Cache::new(cache), observer)
}

fn go_on(_: &DownloadProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn partial(cache: &Path) -> PathBuf {
    blob(cache, &format!("{}.incomplete", tag()))
}

fn blob(cache: &Path, name: &str) -> PathBuf {
    cache.join("models--org--net/blobs").join(name)
}

/// The first bytes of the ranges that were asked for.
fn ranges(server: &Server) -> Vec<usize> {
    let requests = server.requests();
    let bodies = requests.iter().filter(|r| r.path.contains("/resolve/"));
    let bodies = bodies.filter(|r| r.method == "GET");
    bodies.map(|r| r.from().unwrap()).collect()
}

#[test]
fn bodies_that_break_off_go_on_at_the_byte() {
    let server = Server::start(|request| repository().answer(request).cut(100_000));
    let dir = tempfile::tempdir().unwrap();
    let path = download(&server, dir.path(), &mut go_on).unwrap();
    assert_eq!(fs::read(path).unwrap(), content(LEN));
    let expected: Vec<_> = (0..7).map(|i| i * 100_000).collect();
    assert_eq!(ranges(&server), expected);
    assert!(!partial(dir.path()).exists());
}

#[test]
fn what_an_earlier_call_left_is_not_asked_for_again() {
    let server = Server::start(|request| repository().answer(request));
    let dir = tempfile::tempdir().unwrap();
    let mut stop = |p: &DownloadProgress| {
        assert_eq!((p.path.as_str(), p.total), ("w", Some(LEN as u64)));
        if p.done > 300_000 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let error = download(&server, dir.path(), &mut stop).unwrap_err();
    assert!(matches!(error, CacheError::Stopped { .. }), "{error}");
    let arrived = fs::read(partial(dir.path())).unwrap();
    assert!(arrived.len() > 300_000 && arrived.len() < LEN);
    assert_eq!(arrived, content(LEN)[..arrived.len()]);
    let path = download(&server, dir.path(), &mut go_on).unwrap();
    assert_eq!(ranges(&server), [0, arrived.len()]);
    assert_eq!(fs::read(path).unwrap(), content(LEN));
}

/// A server that says nothing more does not hold up who wants to stop.
#[test]
fn a_download_that_stalls_can_be_stopped() {
    let server = Server::start(|request| {
        let mut reply = repository().answer(request);
        if request.method == "GET" && request.path.contains("/resolve/") {
            reply = reply.cut(100_000);
            reply.stall = Duration::from_mins(5);
        }
        reply
    });
    let dir = tempfile::tempdir().unwrap();
    let mut patient = options(&server.url(""), None);
    patient.net.stall_timeout = Duration::from_mins(5);
    let repo = client(patient).hub.model("org/net", "main").unwrap();
    let start = Instant::now();
    let mut arrived = 0;
    let mut stop = |progress: &DownloadProgress| {
        arrived = progress.done;
        if arrived == 100_000 && start.elapsed() > Duration::from_millis(300) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let stopped = repo.download("w", &Cache::new(dir.path()), &mut stop);
    let error = stopped.unwrap_err();
    assert!(matches!(error, CacheError::Stopped { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_mins(1));
    assert_eq!(arrived, 100_000);
    let kept = fs::read(partial(dir.path())).unwrap();
    assert_eq!(kept, content(LEN)[..100_000], "for the next call");
}

/// What was there before the download, and where that then asks from.
#[test]
fn remains_are_used_if_they_can_be() {
    let whole = content(LEN);
    let other: Vec<u8> = whole.iter().map(|b| !b).collect();
    let longer = [whole.clone(), vec![0; 9]].concat();
    for (name, remains, asked) in [
        ("a part", &whole[..1000], &[1000][..]),
        ("all", &whole[..], &[]),
        ("too much", &longer[..], &[0]),
        ("of another file", &other[..1000], &[1000, 0]),
        ("another file", &other[..], &[0]),
        ("nothing", &[], &[0]),
    ] {
        let server = Server::start(|request| repository().answer(request));
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(partial(dir.path()).parent().unwrap()).unwrap();
        fs::write(partial(dir.path()), remains).unwrap();
        let path = download(&server, dir.path(), &mut go_on).unwrap();
        assert_eq!(fs::read(path).unwrap(), whole, "{name}");
        assert_eq!(ranges(&server), asked, "{name}");
    }
}

#[test]
fn a_damaged_blob_is_replaced() {
    let server = Server::start(|request| repository().answer(request));
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(blob(dir.path(), "")).unwrap();
    fs::write(blob(dir.path(), &tag()), "cut short").unwrap();
    let path = download(&server, dir.path(), &mut go_on).unwrap();
    assert_eq!(fs::read(path).unwrap(), content(LEN));
}

#[test]
fn other_bytes_than_the_hubs_get_no_name() {
    let git = "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f"; // of "abc"
    for (name, kind) in [(tag(), "SHA-256"), (git.to_owned(), "git hash")] {
        let repository = Repository::new("org/net", COMMIT).tagged("w", "abd", name.clone());
        let server = Server::start(move |request| repository.answer(request));
        let dir = tempfile::tempdir().unwrap();
        let error = download(&server, dir.path(), &mut go_on).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains(&format!("the {kind} of the bytes that came is ")),
            "{message}"
        );
        assert!(
            message.contains(&format!("the Hub names {name}")),
            "{message}"
        );
        assert_eq!(fs::read_dir(blob(dir.path(), "")).unwrap().count(), 0);
        let snapshots = dir.path().join("models--org--net/snapshots");
        assert!(!snapshots.exists());
    }
}

#[test]
fn one_failure_among_many_keeps_what_the_others_brought() {
    let names: Vec<_> = (0..9).map(|i| format!("w{i}")).collect();
    let all = |damaged: bool| {
        let add = |repository: Repository, (i, name): (usize, &String)| {
            let bytes = content(1000 + i);
            let tag = sha256(&bytes);
            let damage = damaged && i == 5;
            repository.tagged(name, if damage { content(7) } else { bytes }, tag)
        };
        let repository = Repository::new("org/net", COMMIT);
        names.iter().enumerate().fold(repository, add)
    };
    let dir = tempfile::tempdir().unwrap();
    let fetch = |repository: Repository, stop: bool| {
        let server = Server::start(move |request| repository.answer(request));
        let hub = client(options(&server.url(""), None)).hub;
        let cache = Cache::new(dir.path());
        let mut net = cache
            .snapshot(&hub, RepoKind::Model, "org/net", "main")
            .unwrap();
        let paths: Vec<_> = names.iter().map(String::as_str).collect();
        let mut observer = |_: &DownloadProgress| {
            if stop {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        (net.fetch(&paths, &mut observer), ranges(&server).len())
    };
    let (stopped, _) = fetch(all(false), true);
    assert!(matches!(stopped, Err(CacheError::Stopped { .. }) | Ok(())));
    let (failed, _) = fetch(all(true), false);
    assert!(matches!(failed, Err(CacheError::Hash { .. })), "{failed:?}");
    let there = |name: &&String| {
        let path = format!("models--org--net/snapshots/{COMMIT}/{name}");
        dir.path().join(path).is_file()
    };
    let before = names.iter().filter(there).count();
    assert!((1..9).contains(&before) && !there(&&names[5]), "{before}");
    let (done, asked) = fetch(all(false), false);
    done.unwrap();
    assert!(asked <= 9 - before, "{asked} after {before}");
    assert_eq!(names.iter().filter(there).count(), 9);
}

/// How a download ends whose bodies are served like this, while `HEAD` tells the truth.
fn served(body: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static) -> FetchError {
    let server = Server::start(move |request| {
        let reply = repository().answer(request);
        if request.method == "GET" && request.path.contains("/resolve/") {
            body(request, reply)
        } else {
            reply
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let error = download(&server, dir.path(), &mut go_on).unwrap_err();
    assert!(!blob(dir.path(), &tag()).exists(), "{error}");
    match error {
        CacheError::Hub(HubError::Fetch(error)) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn another_size_or_tag_is_another_file() {
    let shorter = served(|_, reply| Reply {
        body: reply.body[..10].to_vec(),
        ..reply.with("Content-Range", "bytes 0-9/10")
    });
    let FetchError::Changed { what, .. } = shorter else {
        panic!("{shorter}")
    };
    assert_eq!(what, "it had 700000 bytes and has 10");
    let cut = AtomicUsize::new(0);
    let pushed = served(move |_, reply| match cut.fetch_add(1, Ordering::Relaxed) {
        0 => reply.cut(1000),
        _ => reply.with("ETag", "\"other\""),
    });
    let FetchError::Changed { at, what, .. } = pushed else {
        panic!("{pushed}")
    };
    assert_eq!(at, 1000);
    assert!(what.ends_with("and is \"other\""), "{what}");
}

#[test]
fn refusals_of_a_file_say_what_to_do() {
    for (status, code, advice) in [
        (401, "GatedRepo", "set HF_TOKEN to a token of yours"),
        (403, "GatedRepo", "it is gated: accept the terms on "),
        (403, "", "accept the terms, if there are any, on "),
    ] {
        let server = Server::start(move |request| {
            if request.path.contains("/resolve/") {
                return Reply::new(status).with("X-Error-Code", code);
            }
            repository().answer(request)
        });
        let dir = tempfile::tempdir().unwrap();
        let error = download(&server, dir.path(), &mut go_on).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(advice), "{message}");
        assert!(message.contains("/org/net"), "{message}");
    }
}

#[test]
fn a_server_without_tags_is_no_hub() {
    let server = Server::start(|request| repository().answer(request).without("ETag"));
    let dir = tempfile::tempdir().unwrap();
    let error = download(&server, dir.path(), &mut go_on).unwrap_err();
    assert!(error.to_string().contains("there is no ETag"), "{error}");
}

/// A disk without room, as Linux has one for such tests.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let server = Server::start(|request| repository().answer(request));
    let dir = tempfile::tempdir().unwrap();
    let partial = partial(dir.path());
    fs::create_dir_all(partial.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/full", &partial).unwrap();
    let message = download(&server, dir.path(), &mut go_on)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("no room left on the disk after 0 bytes of 700000; free some"),
        "{message}"
    );
    assert!(message.contains("set HF_HUB_CACHE"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_cache_that_cannot_be_written_is_told() {
    let server = Server::start(|request| repository().answer(request));
    let dir = tempfile::tempdir().unwrap();
    // A file where a folder should be: no user, not even root, can write there.
    fs::write(dir.path().join("models--org--net"), "").unwrap();
    let error = download(&server, dir.path(), &mut go_on).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("models--org--net"), "{message}");
    assert!(
        message.contains("check the folder's owner and permissions"),
        "{message}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// However often the server breaks off, fails or is stopped from here, the file in the end is the Hub's.
    #[test]
    fn interruptions_leave_no_trace(
        cuts in prop::collection::vec(prop_oneof![Just(None), (1usize..300_000).prop_map(Some)], 1..12),
        stops in prop::collection::vec(0u64..LEN as u64, 0..4),
    ) {
        let n = AtomicUsize::new(0);
        let server = Server::start(move |request| {
            let reply = repository().answer(request);
            if request.method == "HEAD" || !request.path.contains("/resolve/") {
                return reply;
            }
            match cuts.get(n.fetch_add(1, Ordering::Relaxed)) {
                Some(Some(cut)) => reply.cut(*cut),
                Some(None) => Reply::new(503),
                None => reply,
            }
        });
        let dir = tempfile::tempdir().unwrap();
        for stop in stops {
            let mut observer = |p: &DownloadProgress| if p.done > stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            let _ = download(&server, dir.path(), &mut observer);
        }
        let mut last = download(&server, dir.path(), &mut go_on);
        for _ in 0..12 {
            if last.is_ok() { break; }
            last = download(&server, dir.path(), &mut go_on);
        }
        prop_assert_eq!(fs::read(last.unwrap()).unwrap(), content(LEN));
        prop_assert!(!partial(dir.path()).exists());
        // Nothing was asked for from before where it had broken off.
        let asked = ranges(&server);
        prop_assert!(asked.is_sorted(), "{:?}", asked);
    }
}
