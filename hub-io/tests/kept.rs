//! Files that are kept as they are read.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use common::server::Server;
use common::server::hub::Repository;
use common::{client, content, options};
use hub_io::{Cache, CacheError, KeptFile};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const LEN: usize = 700_000;

fn tag() -> String {
    format!("{:x}", Sha256::digest(content(LEN)))
}

fn server() -> Server {
    let repository = Repository::new("org/net", COMMIT).tagged("a/w", content(LEN), tag());
    Server::start(move |request| repository.answer(request).cut(250_000))
}

fn open(server: &Server, cache: &Path) -> Result<KeptFile, CacheError> {
    let hub = client(options(&server.url(""), None)).hub;
    let repo = hub.model("org/net", "main").unwrap();
    repo.open_kept("a/w", &Cache::new(cache))
}

fn blob(cache: &Path, name: &str) -> PathBuf {
    cache.join("models--org--net/blobs").join(name)
}

fn partial(cache: &Path) -> PathBuf {
    blob(cache, &format!("{}.incomplete", tag()))
}

fn named(cache: &Path) -> PathBuf {
    cache.join(format!("models--org--net/snapshots/{COMMIT}/a/w"))
}

/// Up to `n` bytes, in odd pieces.
fn some(file: &mut KeptFile, n: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 70_001];
    while bytes.len() < n {
        let most = piece.len().min(n - bytes.len());
        let got = file.read(&mut piece[..most]).unwrap();
        if got == 0 {
            break;
        }
        bytes.extend_from_slice(&piece[..got]);
    }
    bytes
}

/// The ranges that bodies were asked for from.
fn asked(server: &Server) -> Vec<usize> {
    let requests = server.requests();
    let bodies = requests.iter().filter(|r| r.path.contains("/resolve/"));
    let bodies = bodies.filter(|r| r.method == "GET");
    bodies.map(|r| r.from().unwrap()).collect()
}

#[test]
fn what_was_read_to_its_end_is_not_asked_for_again() {
    let server = server();
    let dir = tempfile::tempdir().unwrap();
    let mut file = open(&server, dir.path()).unwrap();
    assert!(some(&mut file, usize::MAX) == content(LEN));
    assert_eq!(file.read(&mut [0; 8]).unwrap(), 0, "nothing after the end");
    assert_eq!(fs::read(named(dir.path())).unwrap(), content(LEN));
    assert!(!partial(dir.path()).exists());
    let before = asked(&server).len();
    let mut again = open(&server, dir.path()).unwrap();
    assert!(some(&mut again, usize::MAX) == content(LEN));
    assert_eq!(asked(&server).len(), before);
    // As a download of the whole file finds it.
    let hub = client(options(&server.url(""), None)).hub;
    let repo = hub.model("org/net", "main").unwrap();
    let go_on = &mut |_: &hub_io::DownloadProgress| std::ops::ControlFlow::Continue(());
    let found = repo.download("a/w", &Cache::new(dir.path()), go_on);
    assert_eq!(found.unwrap(), named(dir.path()));
}

#[test]
fn two_readers_at_once_both_read_and_one_keeps() {
    let server = server();
    let dir = tempfile::tempdir().unwrap();
    let mut first = open(&server, dir.path()).unwrap();
    assert!(some(&mut first, 1000) == content(LEN)[..1000]);
    let mut second = open(&server, dir.path()).unwrap();
    assert!(some(&mut second, usize::MAX) == content(LEN));
    assert!(!named(dir.path()).exists());
    assert!(some(&mut first, usize::MAX) == content(LEN)[1000..]);
    assert_eq!(fs::read(named(dir.path())).unwrap(), content(LEN));
}

#[test]
fn bytes_of_another_hash_are_an_error_and_not_kept() {
    for left in [0, 300_000] {
        let repository = Repository::new("org/net", COMMIT).tagged("a/w", content(LEN), tag());
        let mut wrong = content(LEN);
        // Either what comes is wrong, or what was left.
        wrong[usize::from(left > 0) * 5 + 400_000 * usize::from(left == 0)] ^= 1;
        let repository = match left {
            0 => Repository::new("org/net", COMMIT).tagged("a/w", wrong.clone(), tag()),
            _ => repository,
        };
        let server = Server::start(move |request| repository.answer(request));
        let dir = tempfile::tempdir().unwrap();
        if left > 0 {
            fs::create_dir_all(partial(dir.path()).parent().unwrap()).unwrap();
            fs::write(partial(dir.path()), &wrong[..left]).unwrap();
        }
        let mut file = open(&server, dir.path()).unwrap();
        let error = file.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other);
        let inside = error.get_ref().unwrap().downcast_ref::<CacheError>();
        assert!(matches!(inside, Some(CacheError::Hash { .. })), "{error}");
        assert!(!partial(dir.path()).exists() && !named(dir.path()).exists());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_kept_is_read() {
    let server = server();
    let dir = tempfile::tempdir().unwrap();
    // What is written there finds the disk full.
    fs::create_dir_all(partial(dir.path()).parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/full", partial(dir.path())).unwrap();
    let mut file = open(&server, dir.path()).unwrap();
    assert!(some(&mut file, usize::MAX) == content(LEN));
    assert!(!named(dir.path()).exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Readers that stop anywhere leave a part that later ones resume from.
    #[test]
    fn what_a_reader_leaves_the_next_one_starts_with(stops in prop::collection::vec(0..LEN, 0..4)) {
        let server = server();
        let dir = tempfile::tempdir().unwrap();
        let mut furthest = 0;
        for stop in stops {
            let mut file = open(&server, dir.path()).unwrap();
            prop_assert!(some(&mut file, stop) == content(LEN)[..stop]);
            furthest = furthest.max(stop);
            drop(file);
            let left = fs::read(partial(dir.path())).unwrap();
            prop_assert_eq!(left.len(), furthest);
        }
        let before = asked(&server).len();
        let mut file = open(&server, dir.path()).unwrap();
        prop_assert!(some(&mut file, usize::MAX) == content(LEN));
        prop_assert_eq!(fs::read(named(dir.path())).unwrap(), content(LEN));
        let asked = asked(&server)[before..].to_vec();
        prop_assert!(asked.iter().all(|&from| from >= furthest), "{:?} from {}", asked, furthest);
    }
}
