//! Makes the first inputs that only our own writers make: `cargo test --workspace --test seeds -- --ignored`. `seeds.py` makes the others.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::fs;
use std::path::Path;

use activation_cache::{CacheSettings, CacheWriter, CachedHook};
use dataset_stream::{
    StreamOptions, TableMetadata, TextSource, TokenFolderWriter, TokenStream, Tokenizer,
};
use sae_dashboard::{LogInfo, LogWriter};
use sae_fuzz::PART;

/// Keeps these files as one input.
fn put(target: &str, name: &str, folder: &Path, files: &[&str]) {
    let parts: Vec<Vec<u8>> = files
        .iter()
        .map(|file| fs::read(folder.join(file)).unwrap())
        .collect();
    write(target, name, &parts.join(PART));
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}

#[test]
#[ignore = "writes into the corpus"]
fn make_folders() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let info = LogInfo {
        d_sae: 8,
        context_size: 2,
        made_from: serde_json::json!({"sae": "a"}),
    };
    let mut writer = LogWriter::create(&log, info).unwrap();
    for context in 0..3 {
        writer
            .push_context(context, &[true, context != 1], |position| {
                [(position as u32, 1.5), (7, 0.5)]
            })
            .unwrap();
    }
    writer.finish().unwrap();
    put(
        "activation_log",
        "three",
        &log,
        &["log.json", "entries.bin", "tokens.bin", "contexts.bin"],
    );

    let cache = folder.path().join("cache");
    let mut settings =
        CacheSettings::new("m", vec![CachedHook::new("blocks.0.hook_resid_post", 2)]);
    (
        settings.context_size,
        settings.rows,
        settings.rows_per_shard,
    ) = (2, 3, 2);
    let mut writer = CacheWriter::open(&cache, &settings).unwrap();
    while let Some(rows) = writer.next_rows() {
        let tokens = rows.len() * 2;
        writer
            .push(&vec![3; tokens], &vec![0.5; tokens * 2])
            .unwrap();
    }
    writer.finish().unwrap();
    let shards = [
        "manifest.json",
        "activations-00000.safetensors",
        "activations-00001.safetensors",
    ];
    put("activation_cache", "two", &cache, &shards);

    let tokens = folder.path().join("tokens");
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/goldens/data/text");
    let tokenizer = Tokenizer::from_file(text.join("gpt2/tokenizer.json")).unwrap();
    let metadata = TableMetadata::new(&StreamOptions::new(3), &tokenizer);
    let mut writer = TokenFolderWriter::create(&tokens, &metadata, 16).unwrap();
    for row in 0..2 {
        writer.push(&[row, 1, 2]).unwrap();
    }
    writer.finish().unwrap();
    put(
        "token_folder",
        "two",
        &tokens,
        &[
            "manifest.json",
            "tokens-00000.safetensors",
            "tokens-00001.safetensors",
        ],
    );
}

#[test]
#[ignore = "writes into the corpus"]
fn make_states() {
    let mut bytes = Vec::new();
    ciborium::into_writer(&sae_metrics::Evaluation::new(4, 1 << 10), &mut bytes).unwrap();
    write("evaluation_state", "empty", &bytes);

    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/goldens/data/text");
    let tokenizer = Tokenizer::from_file(text.join("gpt2/tokenizer.json")).unwrap();
    let source = TextSource::open(
        &text.join("rows.parquet").to_string_lossy(),
        &dataset_stream::SourceOptions::default(),
    );
    let mut stream =
        TokenStream::new(source.unwrap(), &tokenizer, &StreamOptions::new(16)).unwrap();
    stream.next().unwrap().unwrap();
    let mut bytes = Vec::new();
    ciborium::into_writer(&stream.state(), &mut bytes).unwrap();
    write("stream_state", "first", &bytes);
}
