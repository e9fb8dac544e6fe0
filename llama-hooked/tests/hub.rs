//! Models from a Hub: a server on this machine that answers as the Hub does.

#![allow(clippy::unwrap_used)]
// clippy sees only the #[test] functions as tests, not the functions they share
// The cache is made of symbolic links.
#![cfg(unix)]

mod common;

#[allow(dead_code, unreachable_pub)]
#[path = "../../hub-io/tests/server/mod.rs"]
mod server;

use burn::tensor::{Device, FloatDType};
use common::{config, serialize, tensors};
use llama_hooked::{
    Cache, DownloadProgress, HubOptions, Llama, LlamaLoadOptions, ModelFiles, ModelSource,
    ModelSourceError,
};
use server::hub::Repository;
use server::{Reply, Server};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::path::Path;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A server that has one model, and one that is private.
fn serve(files: &BTreeMap<String, Vec<u8>>, commit: &str) -> Server {
    let mut repository = Repository::new("org/tiny", commit);
    for (path, bytes) in files {
        repository = repository.file(path, bytes.clone());
    }
    Server::start(move |request| {
        if request.path.starts_with("/api/models/org/private/") {
            return Reply::new(401);
        }
        repository.answer(request)
    })
}

/// Addresses that were asked for since so many requests, each with its token.
fn requests(server: &Server, since: usize) -> Vec<String> {
    let requests = server.requests().into_iter().skip(since);
    let line = |request: server::Request| {
        let token = request.header("authorization").unwrap_or_default();
        format!("{} {token}", request.path).trim().to_owned()
    };
    requests.map(line).collect()
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

/// A Hub and a cache.
#[derive(Clone)]
struct Place {
    options: HubOptions,
    cache: Cache,
}

fn options(endpoint: &str, cache: &Path) -> Place {
    let mut options = HubOptions::default();
    options.endpoint = endpoint.to_owned();
    let cache = Cache::new(cache);
    Place { options, cache }
}

fn resolve(source: &str, place: &Place) -> Result<ModelFiles, ModelSourceError> {
    ModelSource::parse(source).unwrap().resolve_with(
        &place.options,
        &place.cache,
        &mut llama_hooked::Unobserved,
    )
}

#[test]
fn a_model_is_downloaded_once_and_loads() {
    let (server, cache) = (serve(&tiny(), COMMIT), tempfile::tempdir().unwrap());
    let mut options = options(&server.url(""), cache.path());
    options.options.token = Some("s3cret".to_owned());
    let mut seen = Vec::new();
    let source = ModelSource::parse("org/tiny").unwrap();
    let files = source
        .resolve_with(
            &options.options,
            &options.cache,
            &mut |download: &DownloadProgress| {
                seen.push((
                    download.path.clone(),
                    download.done,
                    download.total.unwrap(),
                ));
                ControlFlow::Continue(())
            },
        )
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
    Llama::load(
        &files,
        &LlamaLoadOptions::new(&Device::flex(), FloatDType::F32),
    )
    .unwrap();

    let size = tiny()["model.safetensors"].len() as u64;
    assert_eq!(
        seen.last(),
        Some(&("model.safetensors".to_owned(), size, size))
    );
    let asked = requests(&server, 0);
    assert!(
        asked.iter().all(|line| line.ends_with(" Bearer s3cret")),
        "{asked:?}"
    );

    assert_eq!(resolve("org/tiny", &options).unwrap(), files);
    assert_eq!(
        requests(&server, asked.len()),
        ["/api/models/org/tiny/revision/main Bearer s3cret"],
        "nothing is downloaded twice"
    );
    assert_eq!(
        resolve(&format!("org/tiny@{COMMIT}"), &options).unwrap(),
        files
    );
    assert_eq!(
        server.requests().len(),
        asked.len() + 1,
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
    let server = serve(&files, COMMIT);
    let found = resolve("org/tiny", &options(&server.url(""), cache.path())).unwrap();
    assert!(found.weights[0].ends_with("only.safetensors"));
}

#[test]
fn shards_come_several_at_a_time() {
    let cache = tempfile::tempdir().unwrap();
    let mut files = tiny();
    let weights = files.remove("model.safetensors").unwrap();
    let names: Vec<_> = (0..7).map(|i| format!("s{i}.safetensors")).collect();
    let map = names.iter().map(|name| format!("{name:?}: {name:?}"));
    let index = format!(
        r#"{{"weight_map": {{{}}}}}"#,
        map.collect::<Vec<_>>().join(",")
    );
    files.insert(
        "model.safetensors.index.json".to_owned(),
        index.into_bytes(),
    );
    for name in &names {
        files.insert(name.clone(), weights.clone());
    }
    let server = serve(&files, COMMIT);
    let options = options(&server.url(""), cache.path());
    let mut done = BTreeMap::new();
    let found = ModelSource::parse("org/tiny")
        .unwrap()
        .resolve_with(
            &options.options,
            &options.cache,
            &mut |download: &DownloadProgress| {
                done.insert(
                    download.path.clone(),
                    (download.done, download.total.unwrap()),
                );
                ControlFlow::Continue(())
            },
        )
        .unwrap();
    assert_eq!(found.weights.len(), 7);
    for (path, name) in found.weights.iter().zip(&names) {
        assert!(path.ends_with(name));
        assert_eq!(std::fs::read(path).unwrap(), weights);
        let size = weights.len() as u64;
        assert_eq!(done[name], (size, size));
    }
    let bodies = server.requests().into_iter().filter(|r| r.method == "GET");
    // The commit, config.json, the two files of the tokenizer, the index and the shards.
    assert_eq!(bodies.count(), 5 + 7);
}

#[test]
fn a_tokenizer_alone_needs_no_weights() {
    let (server, cache) = (serve(&tiny(), COMMIT), tempfile::tempdir().unwrap());
    let options = options(&server.url(""), cache.path());
    let source = ModelSource::parse("org/tiny").unwrap();
    let found = source
        .resolve_tokenizer(
            &options.options,
            &options.cache,
            &mut llama_hooked::Unobserved,
        )
        .unwrap();
    let found = found.unwrap();
    assert!(found.with_file_name("tokenizer_config.json").is_file());
    assert!(found.with_file_name("config.json").is_file());
    assert!(!found.with_file_name("model.safetensors").exists());
    let mut offline = options;
    offline.options.offline = true;
    let again = source
        .resolve_tokenizer(
            &offline.options,
            &offline.cache,
            &mut llama_hooked::Unobserved,
        )
        .unwrap();
    assert_eq!(again, Some(found));
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
    let server = serve(&files, COMMIT);
    let message = resolve("org/tiny", &options(&server.url(""), cache.path()))
        .unwrap_err()
        .to_string();
    let expected = "names the file \"../../x.safetensors\"; expected the name of a .safetensors file in the same directory";
    assert!(message.ends_with(expected), "{message}");
}

#[test]
fn offline_only_the_cache_counts() {
    let (server, cache) = (serve(&tiny(), COMMIT), tempfile::tempdir().unwrap());
    let online = options(&server.url(""), cache.path());
    let mut offline = online.clone();
    offline.options.offline = true;
    let message = resolve("org/tiny", &offline).unwrap_err().to_string();
    assert_eq!(
        message,
        format!(
            "org/tiny@main is not in the cache {} and HF_HUB_OFFLINE is set",
            cache.path().display()
        )
    );
    assert_eq!(server.requests().len(), 0);
    let files = resolve("org/tiny", &online).unwrap();
    let asked = server.requests().len();
    assert_eq!(resolve("org/tiny", &offline).unwrap(), files);
    assert_eq!(server.requests().len(), asked);

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
    let (server, cache) = (serve(&tiny(), COMMIT), tempfile::tempdir().unwrap());
    let files = resolve("org/tiny", &options(&server.url(""), cache.path())).unwrap();
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
            "org/other@main: the list of files could not be fetched from {closed}: {closed}/api/models/org/other/revision/main: gave up"
        )),
        "{message}"
    );
    assert!(
        message.ends_with("; check HF_ENDPOINT, or give a local directory"),
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
    let server = serve(&files, COMMIT);
    let options = options(&server.url(""), cache.path());
    let message = |source: &str, options: &Place| {
        resolve(source, options)
            .unwrap_err()
            .to_string()
            .replace(&server.url(""), "SERVER")
    };
    let asked = |repo: &str| {
        format!(
            "{repo}@main: the list of files could not be fetched from SERVER: SERVER/api/models/{repo}/revision/main"
        )
    };
    assert_eq!(
        message("org/none", &options),
        format!(
            "{}: not found (status 404); check the name, the revision and the path; if it is private, set HF_TOKEN to a token that may read it",
            asked("org/none")
        )
    );
    assert_eq!(
        message("org/private", &options),
        format!(
            "{}: no access (status 401); it does not exist, or is private or gated; check the name, set HF_TOKEN to a token that may read it, and accept the terms, if there are any, on SERVER/org/private",
            asked("org/private")
        )
    );
    let mut with_token = options.clone();
    with_token.options.token = Some("t".to_owned());
    assert_eq!(
        message("org/private", &with_token),
        format!(
            "{}: no access (status 401); the token is not valid: set HF_TOKEN to one from https://huggingface.co/settings/tokens; or check the name",
            asked("org/private")
        )
    );
    assert_eq!(
        message("org/tiny", &options),
        "org/tiny@main: model.safetensors could not be fetched from SERVER: the repository has no such file; it has config.json, \
         pytorch_model.bin"
    );
}

/// The commit becomes part of a path.
#[test]
fn a_server_cannot_name_a_directory() {
    let (server, cache) = (
        serve(&tiny(), "../../../elsewhere"),
        tempfile::tempdir().unwrap(),
    );
    let message = resolve("org/tiny", &options(&server.url(""), cache.path()))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("the commit \"../../../elsewhere\" is not a hash"),
        "{message}"
    );
}

#[test]
fn what_generation_needs_comes_too() {
    let mut files = tiny();
    let named = [
        "chat_template.jinja",
        "generation_config.json",
        "tokenizer_config.json",
    ];
    files.insert(named[0].to_owned(), b"{{ messages }}".to_vec());
    files.insert(named[1].to_owned(), br#"{"eos_token_id": [7, 8]}"#.to_vec());
    let (server, cache) = (serve(&files, COMMIT), tempfile::tempdir().unwrap());
    let found = resolve("org/tiny", &options(&server.url(""), cache.path())).unwrap();
    for name in named {
        assert!(found.config.with_file_name(name).is_file(), "{name}");
    }
    let config = llama_hooked::generate::GenerationConfig::from_files(&found).unwrap();
    assert_eq!(config.stop_ids, [7, 8]);
}
