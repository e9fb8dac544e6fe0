//! Token folders: written in shards, resumed from any state, and never mistaken for something else.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use dataset_stream::{Content, SourceOptions, TableMetadata, TokenFolderWriter, TokenTable};
use proptest::prelude::*;
use support::{Folder, read};

/// Three rows of four ids.
const SHARD: u64 = 48;

fn metadata() -> TableMetadata {
    TableMetadata {
        context_size: 4,
        tokenizer_name: Some("t".into()),
        ..TableMetadata::default()
    }
}

fn row(n: usize) -> [u32; 4] {
    [n as u32, 1, 2, u32::MAX - n as u32]
}

fn write(path: &Path, rows: usize) {
    let mut writer = TokenFolderWriter::create(path, &metadata(), SHARD).unwrap();
    for n in 0..rows {
        writer.push(&row(n)).unwrap();
    }
    assert_eq!(writer.finish().unwrap(), rows);
}

/// Names and contents.
fn content(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(path).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap_or_default())
    });
    entries.collect()
}

#[test]
fn what_is_written_reads_back_from_either_side() {
    let dir = Folder::new();
    let path = dir.path("tokens");
    for rows in [0, 1, 3, 7, 12] {
        write(&path, rows);
        let table = TokenTable::open(&path).unwrap();
        assert_eq!((table.len(), table.context_size()), (rows, 4));
        assert_eq!(table.metadata(), Some(&metadata()));
        table.verify().unwrap();
        let read_back: Vec<_> = table.rows().map(Result::unwrap).collect();
        assert!((0..rows).map(|n| row(n).to_vec()).eq(read_back));
        assert!(table.row(rows).is_err());
        assert_eq!(
            content(&path).len(),
            rows.div_ceil(3) + 1,
            "shards and manifest"
        );
        assert_eq!(content(&dir.path("")).len(), 1, "nothing beside it");
    }
    let documents = read(path.to_str().unwrap(), &SourceOptions::default()).unwrap();
    let rows: Vec<_> = (0..12).map(|n| Content::Tokens(row(n).to_vec())).collect();
    assert_eq!(documents, rows, "as a data set");
    let first = TokenTable::open(path.join("tokens-00000.safetensors")).unwrap();
    assert_eq!(first.len(), 3, "each shard is a table of its own");
}

#[test]
fn a_writer_that_is_not_finished_leaves_nothing() {
    let dir = Folder::new();
    let path = dir.path("tokens");
    write(&path, 5);
    let before = content(&path);
    let mut writer = TokenFolderWriter::create(&path, &metadata(), SHARD).unwrap();
    for n in 0..10 {
        writer.push(&row(n)).unwrap();
    }
    assert!(
        writer.push(&[1, 2]).is_err(),
        "a row of another length is refused"
    );
    drop(writer);
    assert_eq!(content(&path), before);
    assert_eq!(content(&dir.path("")).len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// A writer is dropped after so many more rows each time, and the next resumes from the last checkpoint.
    #[test]
    fn any_interruptions_give_the_same_folder(
        total in 0_usize..20,
        steps in prop::collection::vec((0_usize..8, 0_usize..8), 0..6),
    ) {
        let dir = Folder::new();
        let (whole, path) = (dir.path("whole"), dir.path("tokens"));
        write(&whole, total);
        let mut done = 0;
        let mut begun = false;
        for (noted, lost) in steps {
            let mut writer = match done {
                0 => TokenFolderWriter::partial(&path, &metadata(), SHARD).unwrap(),
                rows => TokenFolderWriter::resume(&path, &metadata(), SHARD, rows).unwrap(),
            };
            begun = true;
            let end = (done + noted).min(total);
            for n in done..end {
                writer.push(&row(n)).unwrap();
            }
            done = writer.checkpoint().unwrap();
            prop_assert_eq!(done, end);
            for n in end..(end + lost).min(total) {
                writer.push(&row(n)).unwrap();
            }
        }
        let mut writer = if begun && done > 0 {
            TokenFolderWriter::resume(&path, &metadata(), SHARD, done).unwrap()
        } else {
            TokenFolderWriter::partial(&path, &metadata(), SHARD).unwrap()
        };
        for n in done..total {
            writer.push(&row(n)).unwrap();
        }
        writer.finish().unwrap();
        prop_assert_eq!(content(&path), content(&whole));
        prop_assert_eq!(content(&dir.path("")).len(), 2, "no part is left");
    }
}

#[test]
fn what_was_begun_otherwise_is_not_gone_on_with() {
    let dir = Folder::new();
    let path = dir.path("tokens");
    let mut writer = TokenFolderWriter::partial(&path, &metadata(), SHARD).unwrap();
    for n in 0..8 {
        writer.push(&row(n)).unwrap();
    }
    writer.checkpoint().unwrap();
    drop(writer);
    let other = TableMetadata {
        vocab_size: Some(5),
        ..metadata()
    };
    let refused = |metadata: &TableMetadata, shard, rows| {
        let error = TokenFolderWriter::resume(&path, metadata, shard, rows).unwrap_err();
        assert!(
            error.to_string().contains("remove it to start again"),
            "{error}"
        );
    };
    refused(&other, SHARD, 8);
    refused(&metadata(), 2 * SHARD, 8);
    refused(&metadata(), SHARD, 9);
    refused(&metadata(), SHARD, 100);
    let shard = dir.path("tokens.part/tokens-00001.safetensors");
    let bytes = fs::read(&shard).unwrap();
    fs::write(&shard, &bytes[..bytes.len() - 1]).unwrap();
    refused(&metadata(), SHARD, 8);
    fs::write(&shard, bytes).unwrap();
    TokenFolderWriter::resume(&path, &metadata(), SHARD, 8).unwrap();
}

#[test]
fn folders_that_are_not_ours_are_left_alone() {
    let dir = Folder::new();
    let said = |name: &str, bytes: &str| {
        let file = dir.write(&format!("{name}/{bytes}"), bytes);
        let path = dir.path(name);
        for partial in [false, true] {
            let error = if partial {
                TokenFolderWriter::partial(&path, &metadata(), SHARD).unwrap_err()
            } else {
                TokenFolderWriter::create(&path, &metadata(), SHARD).unwrap_err()
            };
            assert!(error.to_string().contains("would be lost"), "{error}");
        }
        assert_eq!(fs::read_to_string(file).unwrap(), bytes);
    };
    said("letters", "letter.txt");
    said("shards", "tokens-00000.safetensors");
    said("other", "manifest.json");
    fs::create_dir(dir.path("empty")).unwrap();
    write(&dir.path("empty"), 2);
    // A folder that is in the way of the partial one.
    dir.write("t.part/letter.txt", "");
    let error = TokenFolderWriter::partial(dir.path("t"), &metadata(), SHARD).unwrap_err();
    assert!(error.to_string().contains("t.part"), "{error}");
}

/// What is said of a folder of seven rows once something has been done to it.
fn said(change: impl Fn(&Path)) -> String {
    let dir = Folder::new();
    let path = dir.path("tokens");
    write(&path, 7);
    change(&path);
    let table = TokenTable::open(&path).unwrap_err();
    let source = read(path.to_str().unwrap(), &SourceOptions::default());
    let (table, source) = (table.to_string(), source.map(|_| ()));
    if !table.contains("rows of 4 ids") && !table.contains("without a manifest") {
        assert_eq!(source.unwrap_err().to_string(), table);
    }
    dir.short(table)
}

fn edit(folder: &Path, from: &str, to: &str) {
    let path = folder.join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn shards_that_are_not_the_manifests_are_told() {
    let shard = |folder: &Path| folder.join("tokens-00001.safetensors");
    let message = said(|folder| fs::remove_file(shard(folder)).unwrap());
    assert!(
        message.starts_with(
            "tokens/tokens-00001.safetensors is in the manifest and cannot be read (No such file"
        ),
        "{message}"
    );
    let message = said(|folder| {
        let bytes = fs::read(shard(folder)).unwrap();
        fs::write(shard(folder), &bytes[..bytes.len() - 4]).unwrap();
    });
    assert!(
        message.contains("bytes, and the manifest says"),
        "{message}"
    );
    let message = said(|folder| {
        // A shard of one row, in as many bytes as the manifest is made to say.
        fs::copy(folder.join("tokens-00002.safetensors"), shard(folder)).unwrap();
        let path = folder.join("manifest.json");
        let mut json: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        json["shards"][1]["bytes"] = json["shards"][2]["bytes"].clone();
        fs::write(path, json.to_string()).unwrap();
    });
    assert!(
        message.contains("has 1 rows of 4 ids, and the manifest says 3 rows of 4"),
        "{message}"
    );
    let message = said(|folder| edit(folder, "\"complete\": true", "\"complete\": false"));
    assert!(message.contains("is incomplete") && message.contains("--resume"));
    let message = said(|folder| edit(folder, "tokens-00001", "../tokens"));
    assert!(message.contains("expected \"tokens-00001.safetensors\""));
    let message = said(|folder| edit(folder, "\"rows\": 7", "\"rows\": 8"));
    assert!(message.contains("it says 8 rows, and its shards have 7 together"));
    let message = said(|folder| edit(folder, "\"rows\": 3", "\"rows\": 0"));
    assert!(message.contains("is said to have 0 rows"), "{message}");
    let message = said(|folder| edit(folder, "\"version\": 1", "\"version\": 2"));
    assert!(message.contains("of version 2, and this program reads version 1"));
    let message = said(|folder| edit(folder, "\"rows\": 7", "\"rows\": -7"));
    assert!(message.contains("not a readable manifest"), "{message}");
    let message = said(|folder| fs::remove_file(folder.join("manifest.json")).unwrap());
    assert!(message.contains("without a manifest.json"), "{message}");
}

#[test]
fn a_byte_that_has_changed_is_found_by_its_hash() {
    let dir = Folder::new();
    let path = dir.path("tokens");
    write(&path, 7);
    let shard = path.join("tokens-00001.safetensors");
    let mut bytes = fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&shard, bytes).unwrap();
    let error = TokenTable::open(&path).unwrap().verify().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("tokens-00001.safetensors has the SHA-256"),
        "{error}"
    );
}
