//! Whole files in the cache: its layout, what is asked for, and what happens when nobody answers.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::path::Path;

use common::server::hub::Repository;
use common::server::{Request, Server};
use common::{client, content, options};
use hub_io::{Cache, CacheError, DownloadProgress, Hub, HubError, RepoKind, Snapshot};
use sha1::Sha1;
use sha2::{Digest, Sha256};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn git(bytes: &[u8]) -> String {
    let blob = [format!("blob {}\0", bytes.len()).as_bytes(), bytes].concat();
    format!("{:x}", Sha1::digest(blob))
}

/// A small file that git stores, a large one that the Hub keeps elsewhere, one in a folder.
fn net(storage: &Server) -> Repository {
    let (small, large) = (b"{}".to_vec(), content(700_000));
    let (tag, linked) = (git(&small), sha256(&large));
    Repository::new("org/net", COMMIT)
        .tagged("config.json", small, tag)
        .linked("w.safetensors", large, linked, &storage.url(""))
        .file("a/b/c.txt", "deep")
}

/// Where the Hub keeps large files.
fn storage() -> Server {
    Server::start(|request| {
        common::server::Reply::file(request, &content(700_000), "\"of the storage\"")
    })
}

fn go_on(_: &DownloadProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn open(hub: &Hub, cache: &Path) -> Result<Snapshot, CacheError> {
    Cache::new(cache).snapshot(hub, RepoKind::Model, "org/net", "main")
}

/// Methods and paths.
fn lines(requests: &[Request]) -> Vec<String> {
    let line = |r: &Request| format!("{} {}", r.method, r.path);
    requests.iter().map(line).collect()
}

#[test]
fn the_layout_is_that_of_huggingface_hub() {
    let storage = storage();
    let repository = net(&storage);
    let server = Server::start(move |request| repository.answer(request));
    let dir = tempfile::tempdir().unwrap();
    let hub = client(options(&server.url(""), Some("hf_secret"))).hub;
    let mut snapshot = open(&hub, dir.path()).unwrap();
    let mut heard = Vec::new();
    let mut observer = |p: &DownloadProgress| {
        heard.push((p.path.clone(), p.done, p.total));
        ControlFlow::Continue(())
    };
    snapshot.fetch(&["config.json"], &mut observer).unwrap();
    let rest = ["w.safetensors", "a/b/c.txt", "config.json"];
    snapshot.fetch(&rest, &mut observer).unwrap();
    snapshot.remember().unwrap();

    let root = dir.path().join("models--org--net");
    assert_eq!(snapshot.commit(), COMMIT);
    assert_eq!(snapshot.dir(), root.join("snapshots").join(COMMIT));
    let blob = root.join("blobs").join(sha256(&content(700_000)));
    assert_eq!(fs::read(&blob).unwrap(), content(700_000));
    #[cfg(unix)]
    for (path, target) in [
        ("config.json", format!("../../blobs/{}", git(b"{}"))),
        ("a/b/c.txt", "../../../../blobs/etag-a-b-c.txt".to_owned()),
    ] {
        let link = fs::read_link(snapshot.dir().join(path)).unwrap();
        assert_eq!(link, Path::new(&target));
    }
    assert_eq!(
        fs::read_to_string(snapshot.dir().join("a/b/c.txt")).unwrap(),
        "deep"
    );
    assert_eq!(
        fs::read_to_string(root.join("refs/main")).unwrap(),
        COMMIT,
        "to the byte as Python writes it"
    );
    let lock = format!("models--org--net/{}.lock", git(b"{}"));
    assert!(dir.path().join(".locks").join(lock).is_file());
    assert_eq!(fs::read_dir(root.join("blobs")).unwrap().count(), 3);
    let size = Some(700_000);
    assert!(heard.contains(&("w.safetensors".to_owned(), 700_000, size)));
    assert!(heard.contains(&("config.json".to_owned(), 2, Some(2))));

    // The token stays with the Hub, and the Hub's signature does not stay in any message or name.
    for request in server.requests() {
        assert_eq!(request.header("authorization"), Some("Bearer hf_secret"));
    }
    let elsewhere = storage.requests();
    assert_eq!(lines(&elsewhere), ["GET /w.safetensors?Signature=s3cret"]);
    assert_eq!(elsewhere[0].header("authorization"), None);

    // Nothing twice: a branch asks what it is, a commit asks nothing.
    let before = server.requests().len();
    let mut again = open(&hub, dir.path()).unwrap();
    again.fetch(&rest, &mut go_on).unwrap();
    assert_eq!(server.requests().len(), before + 1);
    let cache = Cache::new(dir.path());
    let mut pinned = cache
        .snapshot(&hub, RepoKind::Model, "org/net", COMMIT)
        .unwrap();
    pinned.fetch(&rest, &mut go_on).unwrap();
    assert_eq!(
        pinned.first_of(&["x", "config.json"]).unwrap(),
        Some("config.json")
    );
    assert_eq!(server.requests().len(), before + 1);
    assert_eq!(storage.requests().len(), 1);
}

#[test]
fn equal_bytes_are_downloaded_once() {
    let (bytes, tag) = (content(1000), sha256(&content(1000)));
    let repository = Repository::new("org/net", COMMIT)
        .tagged("a", bytes.clone(), tag.clone())
        .tagged("b", bytes, tag);
    let server = Server::start(move |request| repository.answer(request));
    let dir = tempfile::tempdir().unwrap();
    let hub = client(options(&server.url(""), None)).hub;
    let mut snapshot = open(&hub, dir.path()).unwrap();
    // Both at the same time: one waits for the other.
    snapshot.fetch(&["a", "b"], &mut go_on).unwrap();
    let bodies = server.requests();
    let bodies = bodies.iter().filter(|r| r.path.contains("/resolve/"));
    assert_eq!(bodies.filter(|r| r.method == "GET").count(), 1);
    assert_eq!(
        fs::read(snapshot.dir().join("b")).unwrap(),
        fs::read(snapshot.dir().join("a")).unwrap()
    );
}

#[test]
fn what_is_not_there_is_named() {
    let storage = storage();
    let repository = net(&storage);
    let server = Server::start(move |request| repository.answer(request));
    let dir = tempfile::tempdir().unwrap();
    let hub = client(options(&server.url(""), None)).hub;
    let mut snapshot = open(&hub, dir.path()).unwrap();
    assert_eq!(snapshot.first_of(&["x", "y"]).unwrap(), None);
    let asked = server.requests().len();
    let error = snapshot.fetch(&["config.json", "x"], &mut go_on);
    assert_eq!(
        error.unwrap_err().to_string(),
        "org/net@main has no file x; it has a/b/c.txt, config.json, w.safetensors"
    );
    assert_eq!(server.requests().len(), asked, "known without asking");
}

#[test]
fn offline_the_cache_answers_and_says_what_it_lacks() {
    let storage = storage();
    let repository = net(&storage);
    let server = Server::start(move |request| repository.answer(request));
    let dir = tempfile::tempdir().unwrap();
    let online = options(&server.url(""), None);
    let mut offline = online.clone();
    offline.offline = true;
    let (online, offline) = (client(online).hub, client(offline).hub);

    let message = open(&offline, dir.path()).unwrap_err().to_string();
    let expected = format!(
        "org/net@main is not in the cache {} and HF_HUB_OFFLINE is set; unset it, or give a local folder",
        dir.path().display()
    );
    assert_eq!(message, expected);
    assert_eq!(server.requests().len(), 0);

    let mut snapshot = open(&online, dir.path()).unwrap();
    snapshot
        .fetch(&["config.json", "a/b/c.txt"], &mut go_on)
        .unwrap();
    snapshot.remember().unwrap();
    let asked = server.requests().len();
    let mut snapshot = open(&offline, dir.path()).unwrap();
    snapshot
        .fetch(&["config.json", "a/b/c.txt"], &mut go_on)
        .unwrap();
    assert_eq!(*snapshot.names().unwrap(), ["a/b/c.txt", "config.json"]);
    let error = snapshot.fetch(&["w.safetensors"], &mut go_on).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "org/net@main is in the cache {} in part: there is no w.safetensors, and HF_HUB_OFFLINE is set",
            snapshot.dir().display()
        )
    );
    assert_eq!(server.requests().len(), asked);
    // A repository that was looked up before the switch.
    let repo = online.model("org/net", "main").unwrap();
    assert!(repo.open("config.json").is_ok());
}

#[test]
fn without_a_connection_the_last_known_commit_answers() {
    let storage = storage();
    let repository = net(&storage);
    let server = Server::start(move |request| repository.answer(request));
    let dir = tempfile::tempdir().unwrap();
    let hub = client(options(&server.url(""), None)).hub;
    let mut snapshot = open(&hub, dir.path()).unwrap();
    snapshot.fetch(&["config.json"], &mut go_on).unwrap();
    snapshot.remember().unwrap();

    // A port that was just free: nobody answers.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let down = client(options(&closed, None));
    let mut snapshot = open(&down.hub, dir.path()).unwrap();
    assert_eq!(snapshot.commit(), COMMIT);
    assert_eq!(down.pauses().len(), 1, "not long where there is a way out");
    snapshot.fetch(&["config.json"], &mut go_on).unwrap();
    let error = snapshot.fetch(&["w.safetensors"], &mut go_on).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("in part: there is no w.safetensors, and http"),
        "{message}"
    );
    let error = Cache::new(dir.path())
        .snapshot(&down.hub, RepoKind::Model, "org/other", "main")
        .unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert_eq!(down.pauses().len(), 1 + 3);

    // A refusal is no missing connection.
    let gone = Server::start(|_| common::server::Reply::new(404));
    let gone = client(options(&gone.url(""), None));
    let error = open(&gone.hub, dir.path()).unwrap_err();
    assert!(
        matches!(error, CacheError::Hub(HubError::Fetch(_))),
        "{error}"
    );
}

#[test]
fn a_revision_moves_on_when_it_is_remembered() {
    let newer = "f".repeat(40);
    let dir = tempfile::tempdir().unwrap();
    let get = |commit: &str, remember: fn(&Snapshot) -> Result<(), CacheError>| {
        let repository = Repository::new("org/net", commit).file("f", commit);
        let server = Server::start(move |request| repository.answer(request));
        let hub = client(options(&server.url(""), None)).hub;
        let mut snapshot = open(&hub, dir.path()).unwrap();
        snapshot.fetch(&["f"], &mut go_on).unwrap();
        remember(&snapshot).unwrap();
    };
    let noted = || fs::read_to_string(dir.path().join("models--org--net/refs/main")).unwrap();
    get(COMMIT, Snapshot::remember_if_new);
    assert_eq!(noted(), COMMIT);
    get(&newer, Snapshot::remember_if_new);
    assert_eq!(noted(), COMMIT, "what is known stays");
    get(&newer, Snapshot::remember);
    assert_eq!(noted(), newer);
}

#[test]
fn names_stay_in_the_cache() {
    let evil = ["../../evil", "/etc/evil", "a\\..\\evil", "a//b", "ok"];
    let mut repository = Repository::new("org/net", COMMIT);
    for path in evil {
        repository = repository.file(path, "x");
    }
    let server = Server::start(move |request| repository.answer(request));
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("one/two/three");
    let hub = client(options(&server.url(""), None)).hub;
    let mut snapshot = open(&hub, &cache).unwrap();
    assert_eq!(*snapshot.names().unwrap(), ["ok"]);
    for path in &evil[..4] {
        assert!(snapshot.fetch(&[path], &mut go_on).is_err(), "{path}");
        let repo = hub.model("org/net", "main").unwrap();
        let error = repo
            .download(path, &Cache::new(&cache), &mut go_on)
            .unwrap_err();
        assert!(
            matches!(error, CacheError::Hub(HubError::Name { .. })),
            "{path}: {error}"
        );
    }
    for (id, revision) in [
        ("../x", "main"),
        ("org/net", "../../x"),
        ("org/net", "/etc"),
        ("a/b/c", "main"),
    ] {
        let error = Cache::new(&cache)
            .snapshot(&hub, RepoKind::Model, id, revision)
            .unwrap_err();
        assert!(
            matches!(error, CacheError::Hub(HubError::Name { .. })),
            "{id}@{revision}: {error}"
        );
    }
    assert!(!cache.exists(), "nothing was written");
}

#[test]
fn tags_that_are_no_names_are_refused() {
    for tag in ["../../../evil", "..", "a/b", "", "x.incomplete"] {
        let repository = Repository::new("org/net", COMMIT).tagged("f", "x", tag.to_owned());
        let server = Server::start(move |request| repository.answer(request));
        let dir = tempfile::tempdir().unwrap();
        let hub = client(options(&server.url(""), None)).hub;
        let mut snapshot = open(&hub, dir.path()).unwrap();
        let error = snapshot.fetch(&["f"], &mut go_on).unwrap_err();
        assert!(
            matches!(error, CacheError::Hub(HubError::Answer { .. })),
            "{tag}: {error}"
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{tag}");
    }
}
