//! Models from a Hub: a server on this machine that answers as the Hub does.

#![allow(clippy::unwrap_used)]
// clippy sees only the #[test] functions as tests, not the functions they share
// The cache is made of symbolic links.
#![cfg(unix)]

mod common;

use burn::tensor::{Device, FloatDType};
use common::{config, serialize, tensors};
use llama_hooked::{HubOptions, Llama, LoadOptions, ModelFiles, ModelSource, SourceError};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A server that has one model.
struct Server {
    endpoint: String,
    /// Request lines, each with its token.
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(files: BTreeMap<String, Vec<u8>>, commit: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, commit) = (Arc::clone(&requests), commit.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(&stream.unwrap(), &files, &commit, &log);
            }
        });
        Self { endpoint, requests }
    }

    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}

fn answer(
    mut stream: &TcpStream,
    files: &BTreeMap<String, Vec<u8>>,
    commit: &str,
    log: &Mutex<Vec<String>>,
) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let header = |name: &str| {
        headers.iter().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix(name)
                .map(str::to_owned)
        })
    };
    let path = request.split(' ').nth(1).unwrap();
    let token = header("authorization: bearer ").unwrap_or_default();
    log.lock()
        .unwrap()
        .push(format!("{path} {token}").trim().to_owned());

    let file = path
        .strip_prefix(&format!("/org/tiny/resolve/{commit}/"))
        .and_then(|name| Some((name, files.get(name)?)));
    let (head, body) = if path == "/api/models/org/tiny/revision/main" {
        let siblings: Vec<_> = files
            .keys()
            .map(|name| json!({"rfilename": name}))
            .collect();
        (
            "200 OK".to_owned(),
            json!({"sha": commit, "siblings": siblings})
                .to_string()
                .into_bytes(),
        )
    } else if path.starts_with("/api/models/org/private/") {
        ("401 Unauthorized".to_owned(), Vec::new())
    } else if let Some((name, content)) = file {
        let range = header("range: bytes=").unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let (start, end) = (
            start.parse().unwrap(),
            end.parse()
                .map_or(content.len(), |end: usize| (end + 1).min(content.len())),
        );
        let head = format!(
            "206 Partial Content\r\nETag: \"etag-{name}\"\r\nX-Repo-Commit: {commit}\r\nContent-Range: bytes {start}-{}/{}",
            end - 1,
            content.len()
        );
        (head, content[start..end].to_vec())
    } else {
        ("404 Not Found".to_owned(), Vec::new())
    };
    let head = format!(
        "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream
        .write_all(&[head.into_bytes(), body].concat())
        .unwrap();
}

fn tiny() -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([
        ("config.json".to_owned(), config().to_string().into_bytes()),
        ("model.safetensors".to_owned(), serialize(&tensors())),
        ("tokenizer.json".to_owned(), b"{}".to_vec()),
        ("tokenizer_config.json".to_owned(), b"{}".to_vec()),
        ("pytorch_model.bin".to_owned(), vec![0; 100]),
    ])
}

fn options(endpoint: &str, cache: &Path) -> HubOptions {
    HubOptions {
        endpoint: endpoint.to_owned(),
        cache: cache.to_owned(),
        token: None,
        offline: false,
    }
}

fn resolve(source: &str, options: &HubOptions) -> Result<ModelFiles, SourceError> {
    ModelSource::parse(source)
        .unwrap()
        .resolve_with(options, &mut |_| {})
}

#[test]
fn a_model_is_downloaded_once_and_loads() {
    let (server, cache) = (Server::new(tiny(), COMMIT), tempfile::tempdir().unwrap());
    let mut options = options(&server.endpoint, cache.path());
    options.token = Some("s3cret".to_owned());
    let mut seen = Vec::new();
    let source = ModelSource::parse("org/tiny").unwrap();
    let files = source
        .resolve_with(&options, &mut |download| {
            seen.push((download.file.to_owned(), download.done, download.total));
        })
        .unwrap();

    let snapshot = cache
        .path()
        .join("models--org--tiny/snapshots")
        .join(COMMIT);
    assert_eq!(files.config, snapshot.join("config.json"));
    assert_eq!(files.weights, [snapshot.join("model.safetensors")]);
    assert_eq!(files.tokenizer, Some(snapshot.join("tokenizer.json")));
    assert!(snapshot.join("tokenizer_config.json").is_file());
    assert!(
        !snapshot.join("pytorch_model.bin").exists(),
        "only what is needed is downloaded"
    );
    Llama::load(&files, &LoadOptions::new(&Device::flex(), FloatDType::F32)).unwrap();

    let size = tiny()["model.safetensors"].len() as u64;
    assert_eq!(
        seen.last(),
        Some(&("model.safetensors".to_owned(), size, size))
    );
    let requests = server.requests();
    assert!(
        requests.iter().all(|request| request.ends_with(" s3cret")),
        "{requests:?}"
    );

    assert_eq!(resolve("org/tiny", &options).unwrap(), files);
    assert_eq!(
        server.requests(),
        ["/api/models/org/tiny/revision/main s3cret"],
        "nothing is downloaded twice"
    );
    assert_eq!(
        resolve(&format!("org/tiny@{COMMIT}"), &options).unwrap(),
        files
    );
    assert!(
        server.requests().is_empty(),
        "a commit in the cache needs no server"
    );
}

#[test]
fn shards_are_those_of_the_index() {
    let cache = tempfile::tempdir().unwrap();
    let mut files = tiny();
    let weights = files.remove("model.safetensors").unwrap();
    files.insert("only.safetensors".to_owned(), weights);
    files.insert(
        "model.safetensors.index.json".to_owned(),
        br#"{"weight_map": {"a": "only.safetensors"}}"#.to_vec(),
    );
    let server = Server::new(files, COMMIT);
    let found = resolve("org/tiny", &options(&server.endpoint, cache.path())).unwrap();
    assert!(found.weights[0].ends_with("only.safetensors"));
}

#[test]
fn an_index_cannot_leave_its_directory() {
    let cache = tempfile::tempdir().unwrap();
    let mut files = tiny();
    files.remove("model.safetensors");
    files.insert(
        "model.safetensors.index.json".to_owned(),
        br#"{"weight_map": {"a": "../../x.safetensors"}}"#.to_vec(),
    );
    let server = Server::new(files, COMMIT);
    let message = resolve("org/tiny", &options(&server.endpoint, cache.path()))
        .unwrap_err()
        .to_string();
    let expected = "names the file \"../../x.safetensors\"; expected the name of a .safetensors file in the same directory";
    assert!(message.ends_with(expected), "{message}");
}

#[test]
fn offline_only_the_cache_counts() {
    let (server, cache) = (Server::new(tiny(), COMMIT), tempfile::tempdir().unwrap());
    let online = options(&server.endpoint, cache.path());
    let offline = HubOptions {
        offline: true,
        ..online.clone()
    };
    let message = resolve("org/tiny", &offline).unwrap_err().to_string();
    assert_eq!(
        message,
        format!(
            "org/tiny@main is not in the cache {} and HF_HUB_OFFLINE is set",
            cache.path().display()
        )
    );
    let files = resolve("org/tiny", &online).unwrap();
    server.requests();
    assert_eq!(resolve("org/tiny", &offline).unwrap(), files);
    assert!(server.requests().is_empty());

    std::fs::remove_file(&files.weights[0]).unwrap();
    let message = resolve("org/tiny", &offline).unwrap_err().to_string();
    assert!(
        message.contains("HF_HUB_OFFLINE is set; it is there in part: "),
        "{message}"
    );
    assert!(
        message.contains("there is no model.safetensors"),
        "{message}"
    );
}

#[test]
fn without_a_connection_the_cache_steps_in() {
    let (server, cache) = (Server::new(tiny(), COMMIT), tempfile::tempdir().unwrap());
    let files = resolve("org/tiny", &options(&server.endpoint, cache.path())).unwrap();
    // A port that was just free: nobody answers.
    let closed = format!(
        "http://{}",
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
    );
    assert_eq!(
        resolve("org/tiny", &options(&closed, cache.path())).unwrap(),
        files
    );
    let message = resolve("org/other", &options(&closed, cache.path()))
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with(&format!(
            "org/other@main: the list of files could not be had from {closed}: request error: "
        )),
        "{message}"
    );
    assert!(
        message.ends_with("; check the connection and HF_ENDPOINT, or give a local directory"),
        "{message}"
    );
}

#[test]
fn refusals_say_what_to_try() {
    let cache = tempfile::tempdir().unwrap();
    let mut files = tiny();
    files.remove("model.safetensors");
    files.remove("tokenizer.json");
    files.remove("tokenizer_config.json");
    let server = Server::new(files, COMMIT);
    let options = options(&server.endpoint, cache.path());
    let message = |source: &str, options: &HubOptions| {
        resolve(source, options)
            .unwrap_err()
            .to_string()
            .replace(&server.endpoint, "SERVER")
    };
    assert_eq!(
        message("org/none", &options),
        "org/none@main: the list of files could not be had from SERVER: request error: http status: 404; there is no such repository \
         or revision"
    );
    assert_eq!(
        message("org/private", &options),
        "org/private@main: the list of files could not be had from SERVER: request error: http status: 401; it does not exist or is \
         not public; set HF_TOKEN to a token that may read it"
    );
    let with_token = HubOptions {
        token: Some("t".to_owned()),
        ..options.clone()
    };
    assert_eq!(
        message("org/private", &with_token),
        "org/private@main: the list of files could not be had from SERVER: request error: http status: 401; it does not exist, or \
         HF_TOKEN has no access; gated models ask for a licence to be accepted on their page"
    );
    assert_eq!(
        message("org/tiny", &options),
        "org/tiny@main: model.safetensors could not be had from SERVER: the repository has no such file; it has config.json, \
         pytorch_model.bin"
    );
}

/// The commit becomes part of a path.
#[test]
fn a_server_cannot_name_a_directory() {
    let (server, cache) = (
        Server::new(tiny(), "../../../elsewhere"),
        tempfile::tempdir().unwrap(),
    );
    let message = resolve("org/tiny", &options(&server.endpoint, cache.path()))
        .unwrap_err()
        .to_string();
    assert!(
        message.ends_with("the commit \"../../../elsewhere\" is not a hash"),
        "{message}"
    );
}
