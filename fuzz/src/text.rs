//! Text data sets and prompts.

use crate::scratch;
use dataset_stream::{
    BadRows, SourceOptions, TextSource, read_conversations, read_pairs, read_prompts,
};

/// Rows that are read of one input: a kilobyte of Zstandard can be gigabytes of rows.
const ROWS: usize = 1_000;

fn read(name: &str, data: &[u8]) {
    let path = scratch::file(name, data);
    for bad_rows in [
        BadRows::Error,
        BadRows::Skip {
            at_most_percent: 100,
        },
    ] {
        let mut options = SourceOptions::default();
        options.max_record_bytes = 1 << 20;
        options.bad_rows = bad_rows;
        if let Ok(source) = TextSource::open(&path.to_string_lossy(), &options) {
            for row in source.take(ROWS) {
                std::hint::black_box(&row);
            }
        }
    }
}

pub(crate) fn jsonl(data: &[u8]) {
    read("rows.jsonl", data);
}

pub(crate) fn json(data: &[u8]) {
    read("rows.json", data);
}

pub(crate) fn txt(data: &[u8]) {
    read("rows.txt", data);
}

pub(crate) fn gzip(data: &[u8]) {
    read("rows.jsonl.gz", data);
}

pub(crate) fn zstd(data: &[u8]) {
    read("rows.jsonl.zst", data);
}

pub(crate) fn parquet(data: &[u8]) {
    read("rows.parquet", data);
}

pub(crate) fn arrow(data: &[u8]) {
    read("rows.arrow", data);
}

pub(crate) fn prompts(data: &[u8]) {
    let path = scratch::file("prompts.jsonl", data);
    let _ = (
        read_prompts(&path),
        read_pairs(&path),
        read_conversations(&path),
    );
}
