//! Rows of a data set on the Hub, over a network that fails at random: they are those of the files, or there is a documented error.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

#[path = "../../hub-io/tests/common/mod.rs"]
mod common;
#[path = "../../hub-io/tests/fault/mod.rs"]
mod fault;
mod support;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::server::{self, Reply, Request, Server};
use common::{STALL, client, options};
use dataset_stream::{
    ReadError, Shuffle, SourceError, SourceOptions, StreamError, StreamOptions, TextSource,
    TokenStream, Tokenizer,
};
use fault::{Fault, fault};
use hub_io::{Cache, CacheError, FetchError, HubError};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use support::{Folder, bytes_tokenizer, gzip, zstd};

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

type Rows = Vec<Vec<u32>>;

/// Three files of text, compressed in three ways, some 60 kB each on the wire.
struct Data {
    folder: Folder,
    files: Arc<Vec<(&'static str, Vec<u8>)>>,
    tokenizer: Tokenizer,
}

impl Data {
    fn new() -> Self {
        let folder = Folder::new();
        let lines = |seed: u32, n: u32| {
            let mut random = seed;
            let mut word = move || {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                format!("{:x}", random >> 8)
            };
            let rows = (0..n).map(|i| {
                format!(
                    "{{\"id\": {i}, \"text\": \"{}\"}}\n",
                    (0..40).map(|_| word()).collect::<Vec<_>>().join(" ")
                )
            });
            rows.collect::<String>().into_bytes()
        };
        let files = vec![
            ("train-0.jsonl.zst", zstd(&lines(1, 400))),
            ("train-1.jsonl.gz", gzip(&lines(2, 400))),
            ("train-2.jsonl", lines(3, 200)),
        ];
        for (name, bytes) in &files {
            folder.write(&format!("set/{name}"), bytes);
        }
        Self {
            tokenizer: bytes_tokenizer(&folder),
            files: Arc::new(files),
            folder,
        }
    }

    fn rows(&self, source: TextSource, shuffled: bool) -> (Rows, Option<StreamError>) {
        let mut options = StreamOptions::new(64);
        options.shuffle = shuffled.then_some(Shuffle {
            seed: 3,
            window: 100,
        });
        options.threads = 2;
        let mut rows = Vec::new();
        for row in TokenStream::new(source, &self.tokenizer, &options).unwrap() {
            match row {
                Ok(row) => rows.push(row),
                Err(error) => return (rows, Some(error)),
            }
        }
        (rows, None)
    }

    /// The Hub and, at another origin, where it keeps its files; both fail as they are told.
    fn serve(&self, of_hub: &[u16], of_storage: &[Fault]) -> (Server, Server) {
        let (files, schedule) = (Arc::clone(&self.files), of_storage.to_vec());
        let storage = Server::start(move |request: &Request| {
            let name = request.path.rsplit('/').next().unwrap();
            let Some((name, bytes)) = files.iter().find(|(n, _)| *n == name) else {
                return Reply::new(404);
            };
            let tag = format!("\"{name}\"");
            match schedule.get(request.number) {
                Some(fault) => fault::reply(fault, request, bytes, &tag, 3 * STALL),
                None => Reply::file(request, bytes, &tag),
            }
        });
        let (files, target) = (Arc::clone(&self.files), storage.url(""));
        let (statuses, next) = (of_hub.to_vec(), AtomicUsize::new(0));
        let hub = Server::start(move |request: &Request| {
            if let Some(status) = statuses.get(next.fetch_add(1, Ordering::Relaxed))
                && *status != 200
            {
                return Reply::new(*status);
            }
            let path = request.path.as_str();
            if path.starts_with(&format!("/datasets/org/set/resolve/{SHA}/train-")) {
                return Reply::redirect(format!("{target}/{}", path.rsplit('/').next().unwrap()));
            }
            if path == "/api/datasets/org/set/revision/main" {
                return Reply::body(format!("{{\"sha\": \"{SHA}\"}}"));
            }
            if path.starts_with(&format!("/api/datasets/org/set/tree/{SHA}")) {
                let listed = files.iter().map(|(name, bytes)| {
                    format!(
                        "{{\"type\": \"file\", \"path\": \"{name}\", \"size\": {}}}",
                        bytes.len()
                    )
                });
                return Reply::body(format!("[{}]", listed.collect::<Vec<_>>().join(",")));
            }
            Reply::new(404)
        });
        (hub, storage)
    }
}

/// Whether the network is what went wrong, however deep in the error that is said.
fn is_of_the_network(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    let inner = io.and_then(|e| e.get_ref());
    error.is::<FetchError>()
        || error.is::<HubError>()
        || error.is::<CacheError>()
        || inner.is_some_and(|e| is_of_the_network(e))
        || error.source().is_some_and(is_of_the_network)
}

fn check(
    data: &Data,
    expected: &Rows,
    (shuffled, kept): (bool, bool),
    of_hub: &[u16],
    of_storage: &[Fault],
) -> Result<bool, TestCaseError> {
    let (hub, storage) = data.serve(of_hub, of_storage);
    let client = client(options(&hub.url(""), Some("hf_secret")));
    let cache = Folder::new();
    let mut options = SourceOptions::default();
    options.cache = kept.then(|| Cache::new(cache.path("cache")));
    let source = TextSource::open_with("org/set", &options, &client.hub);
    let (rows, error) = match source {
        Ok(source) => data.rows(source, shuffled),
        Err(SourceError::Read(error)) => (Rows::new(), Some(error.into())),
        Err(error) => {
            prop_assert!(
                is_of_the_network(&error) || of_hub.iter().any(|s| *s != 200),
                "{error}"
            );
            return Ok(false);
        }
    };
    for request in storage.requests() {
        prop_assert_eq!(request.header("authorization"), None);
    }
    prop_assert!(
        expected.starts_with(&rows),
        "{} rows, then others",
        rows.len()
    );
    let Some(error) = error else {
        prop_assert_eq!(rows.len(), expected.len());
        return Ok(true);
    };
    // Files end where the server says they do: a wrong length that nothing contradicts shows as a truncated file.
    let lied = of_storage.iter().any(|f| matches!(f, Fault::Length(_)));
    match &error {
        StreamError::Read(ReadError::Truncated { .. } | ReadError::BadJson { .. }) => {
            prop_assert!(lied, "{}", error);
        }
        _ => prop_assert!(is_of_the_network(&error), "{}", error),
    }
    Ok(false)
}

#[test]
fn rows_are_those_of_the_files_or_there_is_an_error() {
    let data = Data::new();
    let spec = data.folder.path("set").to_str().unwrap().to_owned();
    let expected = [false, true].map(|shuffled| {
        let source = TextSource::open(&spec, &SourceOptions::default()).unwrap();
        let (rows, error) = data.rows(source, shuffled);
        assert!(error.is_none() && rows.len() > 4000, "{}", rows.len());
        rows
    });
    let config = ProptestConfig {
        cases: 320,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let of_storage = prop::collection::vec(fault(60_000), 0..14);
    let of_hub = prop::collection::vec(
        prop::sample::select(vec![200, 200, 200, 429, 500, 503]),
        0..8,
    );
    let whole = std::cell::Cell::new(0);
    let run = runner.run(
        &(any::<(bool, bool)>(), of_hub, of_storage),
        |(way, of_hub, of_storage)| {
            let expected = &expected[usize::from(way.0)];
            let all = check(&data, expected, way, &of_hub, &of_storage)?;
            whole.set(whole.get() + usize::from(all));
            Ok(())
        },
    );
    run.unwrap();
    // Most schedules must be survived, or the test says little.
    assert!(whole.get() > 120, "{}", whole.get());
}

/// One document of 30 MB among short ones, from a server that breaks off all the time.
#[test]
fn a_huge_document_comes_through() {
    let folder = Folder::new();
    let huge = "lorem ipsum ".repeat(2_500_000);
    let text =
        format!("{{\"text\": \"short\"}}\n{{\"text\": \"{huge}\"}}\n{{\"text\": \"end\"}}\n");
    let bytes = zstd::encode_all(text.as_bytes(), -5).unwrap();
    let (served, step) = (bytes.clone(), bytes.len() / 7);
    let server =
        Server::start(move |request: &Request| Reply::file(request, &served, "\"t\"").cut(step));
    let client = client({
        let mut made = options(&server.url(""), None);
        made.net = {
            let mut made = options("", None).net;
            made.stall_timeout = Duration::from_secs(20);
            made
        };
        made
    });
    let url = server.url("/part.jsonl.zst");
    let source = TextSource::open_with(&url, &SourceOptions::default(), &client.hub).unwrap();
    let tokenizer = bytes_tokenizer(&folder);
    let mut options = StreamOptions::new(1024);
    options.threads = 2;
    let mut stream = TokenStream::new(source, &tokenizer, &options).unwrap();
    let n = stream.by_ref().map(Result::unwrap).count();
    assert_eq!(stream.progress().text_bytes, 5 + 30_000_000 + 3);
    assert_eq!(n, (5 + 30_000_000 + 3 + 2) / 1023);
    assert!(server.requests().len() >= 7);
}
