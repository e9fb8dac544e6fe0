//! The cost of streaming a data set over HTTP instead of reading it from disk, and the memory it takes meanwhile.
//!
//! `stream TOKENIZER FILE COPIES`: reads FILE (of any format) COPIES times over as one data set, from disk and from a server on the
//! loopback interface in turn, three rounds; prints tokens a second, the ratio of the medians, and the resident memory along the way.

#![allow(clippy::print_stdout)] // figures are the result

use dataset_stream::{SourceOptions, StreamOptions, TextSource, TokenStream, Tokenizer};
use sae_benches::memory;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How often memory is looked at, in bytes of text.
const STEP: u64 = 100 << 20;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [tokenizer, file, copies] = args.as_slice() else {
        return Err("usage: stream TOKENIZER FILE COPIES".into());
    };
    let (file, copies) = (PathBuf::from(file), copies.parse::<usize>()?);
    let tokenizer = Tokenizer::from_file(tokenizer)?;
    let folder = tempfile::tempdir()?;
    let name = file.file_name().ok_or("FILE has no name")?;
    let name = name.to_string_lossy();
    for i in 0..copies {
        std::os::unix::fs::symlink(
            file.canonicalize()?,
            folder.path().join(format!("{i:03}-{name}")),
        )?;
    }
    let local = format!("{}/*-{name}", folder.path().display());
    let remote = format!("{}/{{000..{:03}}}-{name}", serve(&file)?, copies - 1);
    let (mut from_disk, mut from_server) = (Vec::new(), Vec::new());
    for round in 0..3 {
        from_disk.push(run(&tokenizer, &local, round == 0)?);
        from_server.push(run(&tokenizer, &remote, round == 0)?);
    }
    let (local, remote) = (median(from_disk), median(from_server));
    println!("from disk        {:6.2} Mtok/s", local / 1e6);
    println!("over loopback    {:6.2} Mtok/s", remote / 1e6);
    println!("ratio            {:6.3}", remote / local);
    println!("peak memory      {:6} MB", memory::peak_mb());
    Ok(())
}

/// Streams the data set; tokens a second.
fn run(tokenizer: &Tokenizer, spec: &str, tells_memory: bool) -> Result<f64> {
    let start = Instant::now();
    let source = TextSource::open(spec, &SourceOptions::default())?;
    let mut stream = TokenStream::new(source, tokenizer, &StreamOptions::new(2048))?;
    let (mut tokens, mut next) = (0, STEP);
    while let Some(row) = stream.next() {
        tokens += row?.len() as u64;
        let text_bytes = stream.progress().text_bytes;
        if tells_memory && text_bytes >= next {
            println!(
                "{:6} MB of text, {:5} MB resident",
                text_bytes >> 20,
                memory::resident_mb()
            );
            next += STEP;
        }
    }
    Ok(tokens as f64 / start.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Serves the file under every name; the server's address.
fn serve(file: &Path) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}", listener.local_addr()?);
    let file = file.to_owned();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let file = file.clone();
            thread::spawn(move || answer(stream, &file));
        }
    });
    Ok(address)
}

/// Requests of one connection, from the byte that they ask for on.
fn answer(mut stream: TcpStream, file: &Path) -> Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    loop {
        let mut from = None;
        loop {
            let Some(line) = lines.next() else {
                return Ok(());
            };
            let line = line?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            let range = line
                .strip_prefix("range: bytes=")
                .and_then(|r| r.strip_suffix('-'));
            from = range.and_then(|from| from.parse::<u64>().ok()).or(from);
        }
        let mut content = File::open(file)?;
        let len = content.metadata()?.len();
        let start = from.unwrap_or(0);
        content.seek(SeekFrom::Start(start))?;
        let status = if from.is_some() {
            "206 Partial Content"
        } else {
            "200 OK"
        };
        write!(
            stream,
            "HTTP/1.1 {status}\r\nETag: \"one\"\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{}/{len}\r\n\r\n",
            len - start,
            len - 1
        )?;
        std::io::copy(&mut content.take(len - start), &mut stream)?;
    }
}
