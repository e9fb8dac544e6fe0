//! Tables at an address: only what is needed of Parquet is fetched, and faults of the network do not change the rows.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

#[allow(dead_code, unreachable_pub)]
#[path = "../../hub-io/tests/server/mod.rs"]
mod server;

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use dataset_stream::{Content, SourceOptions, TextSource};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use server::{Reply, Request, Server};

const ROWS: usize = 3000;
const TAG: &str = "\"one\"";

fn text(i: usize) -> String {
    format!("{i} {}", "some text ".repeat(i % 40))
}

/// A table of texts and of a column that is far wider, in row groups of 500; neither is compressed.
fn table() -> Vec<u8> {
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(text)));
    let noise =
        |i: usize| -> Vec<u8> { (0..1500).map(|j| ((i * 31 + j * j) >> 3) as u8).collect() };
    let wide: ArrayRef = Arc::new(BinaryArray::from_iter_values((0..ROWS).map(noise)));
    let batch = RecordBatch::try_from_iter([("wide", wide), ("text", texts)]).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .set_max_row_group_row_count(Some(500))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// Bytes that the server was asked for, of a file of so many.
fn requested(server: &Server, len: usize) -> usize {
    let asked = server.requests();
    let lengths = asked.iter().map(|request| {
        let from = request.from().unwrap_or(0);
        request.to().map_or(len, |to| to + 1) - from
    });
    lengths.sum()
}

fn rows(url: &str) -> Vec<String> {
    let source = TextSource::open(url, &SourceOptions::default()).unwrap();
    let documents = source.map(|document| match document.unwrap().content {
        Content::Text(text) => text,
        Content::Tokens(_) => panic!("text was written"),
    });
    documents.collect()
}

fn said(url: &str) -> String {
    let source = TextSource::open(url, &SourceOptions::default());
    let error = source.map(|source| source.map_while(Result::ok).count());
    error.unwrap_err().to_string()
}

#[test]
fn only_the_column_is_fetched() {
    let bytes = table();
    let len = bytes.len();
    let server = Server::start(move |request| Reply::file(request, &bytes, TAG));
    assert!(
        rows(&server.url("/a.parquet"))
            .into_iter()
            .eq((0..ROWS).map(text))
    );
    let asked = requested(&server, len);
    assert!(asked * 2 < len, "{asked} of {len} bytes were asked for");
    let texts: usize = (0..ROWS).map(|i| text(i).len() + 4).sum();
    assert!(
        asked < texts + texts / 4 + (70 << 10),
        "{asked} bytes were asked for, and the texts have {texts}"
    );
    let requests = server.requests();
    assert!(requests.len() < 12, "{} requests", requests.len());
    assert!(
        requests[1..]
            .iter()
            .all(|r| r.header("if-range") == Some(TAG)),
        "one state of the file is read"
    );
}

#[test]
fn faults_do_not_change_the_rows() {
    let bytes = table();
    let server = Server::start(move |request: &Request| {
        let good = Reply::file(request, &bytes, TAG);
        match request.number % 4 {
            1 => Reply::new(500).with("Retry-After", "0"),
            2 => good.cut(9000),
            _ => good,
        }
    });
    assert!(
        rows(&server.url("/a.parquet"))
            .into_iter()
            .eq((0..ROWS).map(text))
    );
}

#[test]
fn arrow_is_read_as_it_comes() {
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(text)));
    let batch = RecordBatch::try_from_iter([("text", texts)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    for at in (0..ROWS).step_by(300) {
        writer.write(&batch.slice(at, 300)).unwrap();
    }
    writer.finish().unwrap();
    let len = bytes.len();
    let server = Server::start(move |request| Reply::file(request, &bytes, TAG).cut(len / 2 + 1));
    assert!(
        rows(&server.url("/a.arrow"))
            .into_iter()
            .eq((0..ROWS).map(text))
    );
}

#[test]
fn what_cannot_be_read_from_afar_is_told() {
    let bytes = table();
    let whole = bytes.clone();
    let server = Server::start(move |_| Reply::body(whole.clone()).with("ETag", TAG));
    let message = said(&server.url("/a.parquet"));
    assert!(
        message.contains("/a.parquet") && message.contains("download it and give its path"),
        "{message}"
    );
    // Pushed to between two parts.
    let other = bytes.clone();
    let server = Server::start(move |request: &Request| {
        let tag = if request.number < 3 { TAG } else { "\"two\"" };
        Reply::file(request, &other, tag)
    });
    let source = TextSource::open(&server.url("/a.parquet"), &SourceOptions::default());
    let error = match source {
        Ok(mut source) => source.find_map(Result::err).unwrap().to_string(),
        Err(error) => error.to_string(),
    };
    assert!(error.contains("changed on the server"), "{error}");
    let server = Server::start(|_| Reply::new(404));
    assert!(said(&server.url("/a.parquet")).contains("not found"));
    let garbage = vec![7; 5000];
    let server = Server::start(move |request| Reply::file(request, &garbage, TAG));
    let message = said(&server.url("/a.parquet"));
    assert!(
        message.contains("is not a readable Parquet file"),
        "{message}"
    );
    let server = Server::start(move |request| Reply::file(request, b"", TAG));
    let message = said(&server.url("/a.parquet"));
    assert!(
        message.contains("is not a readable Parquet file"),
        "{message}"
    );
}
