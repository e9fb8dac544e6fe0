//! What the Hub, or somebody in its place, answers.

use crate::scratch::parts;
use hub_io::{Clock, Hub, HubFile, HubOptions, data_files};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

const PATHS: &[&str] = &[
    "README.md",
    "data/train-00000-of-00001.parquet",
    "data/test-00000-of-00001.parquet",
    "en/validation.jsonl",
    "a/b/train.txt",
    "model.safetensors",
];

/// The README's YAML, and the paths of the repository after it.
pub(crate) fn readme(data: &[u8]) {
    let mut parts = parts(data).map(String::from_utf8_lossy);
    let readme = parts.next().unwrap_or_default();
    let listed = parts.next();
    let paths = PATHS
        .iter()
        .copied()
        .chain(listed.iter().flat_map(|listed| listed.lines()));
    let files: Vec<HubFile> = paths
        .map(|path| HubFile {
            path: path.to_owned(),
            size: 1,
            lfs: None,
        })
        .collect();
    for (config, split) in [(None, None), (Some("default"), Some("test"))] {
        let _ = data_files(Some(&readme), &files, config, split);
    }
}

/// Pauses that take no time.
struct NoPause;

impl Clock for NoPause {
    fn sleep(&self, _: Duration) {}

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A server that gives these answers, one for each connection, and the last one again.
struct Answers {
    endpoint: String,
    next: Arc<Mutex<Vec<Vec<u8>>>>,
}

fn server() -> &'static Answers {
    static SERVER: OnceLock<Answers> = OnceLock::new();
    SERVER.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let next = Arc::new(Mutex::new(Vec::<Vec<u8>>::new()));
        let answers = Arc::clone(&next);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
                let answer = answers.pop().unwrap_or_default();
                drop(answers);
                let _ = reply(stream, &answer);
            }
        });
        Answers {
            endpoint: format!("http://{address}"),
            next,
        }
    })
}

fn reply(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            n => head.extend_from_slice(&piece[..n]),
        }
    }
    stream.write_all(answer)
}

/// Answers to: a repository's description, its list of files, its README, and a file.
pub(crate) fn answers(data: &[u8]) {
    let server = server();
    let mut answers: Vec<Vec<u8>> = parts(data).take(8).map(<[u8]>::to_vec).collect();
    answers.reverse();
    *server.next.lock().unwrap_or_else(PoisonError::into_inner) = answers;
    let mut options = HubOptions::default();
    options.endpoint.clone_from(&server.endpoint);
    options.max_pages = 4;
    options.net.stall_timeout = Duration::from_millis(500);
    options.net.backoff.attempts = 2;
    let Ok(hub) = Hub::new(options) else { return };
    let hub = hub
        .with_clock(Arc::new(NoPause))
        .with_listener(Arc::new(Silent));
    let Ok(repo) = hub.dataset("some/data", "main") else {
        return;
    };
    let _ = (repo.files(), repo.names(), repo.readme());
    if let Ok(file) = repo.open("data/train.jsonl") {
        let _ = file.take(1 << 20).read_to_end(&mut Vec::new());
    }
}

/// Hears of retries, and says nothing.
struct Silent;

impl hub_io::Listener for Silent {
    fn event(&self, _: hub_io::Event<'_>) {}
}
