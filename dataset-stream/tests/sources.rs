//! Every format gives the documents that were put in.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use dataset_stream::{
    Content, Place, SourceOptions, SpecialText, TableMetadata, TextSource, TokenTable, Tokenizer,
};
use parquet::arrow::ArrowWriter;
use serde_json::json;
use support::{Folder, gzip, read, texts, zstd};

const TEXTS: [&str; 5] = [
    "one",
    "two\nlines \"quoted\" \\ back",
    "",
    "dréi 😀 [ { ] }",
    "five",
];

fn jsonl(texts: &[impl AsRef<str>]) -> String {
    texts.iter().fold(String::new(), |mut out, text| {
        writeln!(
            out,
            "{}",
            json!({"id": 7, "text": text.as_ref(), "meta": {"text": "not this"}})
        )
        .unwrap();
        out
    })
}

fn json_array(texts: &[impl AsRef<str>]) -> String {
    let records: Vec<_> = texts
        .iter()
        .map(|text| json!({"text": text.as_ref(), "tags": ["a", "]"]}))
        .collect();
    serde_json::to_string_pretty(&records).unwrap()
}

fn write_parquet(path: &Path, texts: &[impl AsRef<str>], row_group: usize) {
    let column: ArrayRef = Arc::new(
        texts
            .iter()
            .map(|text| Some(text.as_ref()))
            .collect::<StringArray>(),
    );
    let other: ArrayRef = Arc::new(texts.iter().map(|_| Some("x")).collect::<StringArray>());
    let batch = RecordBatch::try_from_iter([("other", other), ("text", column)]).unwrap();
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_max_row_group_row_count(Some(row_group))
        .set_compression(parquet::basic::Compression::SNAPPY)
        .build();
    let mut writer = ArrowWriter::try_new(
        File::create(path).unwrap(),
        batch.schema(),
        Some(properties),
    )
    .unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn each_format_and_compression() {
    let folder = Folder::new();
    let lines = jsonl(&TEXTS);
    let array = json_array(&TEXTS);
    let half = lines.len() / 2;
    let two_members = [
        gzip(&lines.as_bytes()[..half]),
        gzip(&lines.as_bytes()[half..]),
    ]
    .concat();
    // A skippable frame, as pzstd and the seekable format write them, between two frames.
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let frames = [
        skippable.clone(),
        zstd(&lines.as_bytes()[..half]),
        skippable,
        zstd(&lines.as_bytes()[half..]),
    ]
    .concat();
    write_parquet(&folder.path("a.parquet"), &TEXTS, 2);
    let files = [
        folder.write("a.jsonl", &lines),
        folder.write("b.ndjson", lines.trim_end()),
        folder.write(
            "windows.jsonl",
            format!("\u{feff}\r\n{}", lines.replace('\n', "\r\n  \r\n")),
        ),
        folder.write("a.jsonl.gz", gzip(lines.as_bytes())),
        folder.write("two.jsonl.gz", two_members),
        folder.write("a.jsonl.zst", zstd(lines.as_bytes())),
        folder.write("frames.jsonl.zst", frames),
        folder.write("a.json", &array),
        folder.write("bom.json", format!("\u{feff}{array}")),
        folder.write("a.json.gz", gzip(array.as_bytes())),
        folder.write("a.json.zst", zstd(array.as_bytes())),
        folder.write("lines.json", &lines),
        folder.path("a.parquet").to_str().unwrap().to_owned(),
    ];
    for file in files {
        assert_eq!(texts(&file), TEXTS, "{file}");
    }
}

#[test]
fn a_text_file_is_one_document() {
    let folder = Folder::new();
    let text = "first line\n\nlast line\n";
    for file in [
        folder.write("a.txt", format!("\u{feff}{text}")),
        folder.write("a.txt.gz", gzip(text.as_bytes())),
        folder.write("a.txt.zst", zstd(text.as_bytes())),
    ] {
        assert_eq!(texts(&file), [text]);
    }
}

#[test]
fn rows_longer_than_any_buffer_and_many_short_ones() {
    let folder = Folder::new();
    // Sizes around the chunks and blocks of the readers, in an order that keeps shifting their ends.
    let documents: Vec<String> = (0..400)
        .map(|i| {
            let n = match i % 20 {
                0 => 70_000 + 13 * i,
                7 => 64 * 1024,
                13 => 0,
                _ => i * 17 % 900,
            };
            format!("{i}:{}", "añ\n\"\\😀".repeat(n / 8))
        })
        .collect();
    write_parquet(&folder.path("big.parquet"), &documents, 150);
    for file in [
        folder.write("big.jsonl", jsonl(&documents)),
        folder.write("big.json", json_array(&documents)),
        folder.write("big.jsonl.zst", zstd(jsonl(&documents).as_bytes())),
        folder.write("big.json.gz", gzip(json_array(&documents).as_bytes())),
        folder.path("big.parquet").to_str().unwrap().to_owned(),
    ] {
        assert!(texts(&file) == documents, "{file}");
    }
}

#[test]
fn directories_and_patterns_are_read_in_order() {
    let folder = Folder::new();
    for name in ["b/2.jsonl", "a.jsonl", "b/10.jsonl.gz", "c.jsonl.zst"] {
        let lines = jsonl(&[name]);
        let bytes = match name {
            _ if name.ends_with("gz") => gzip(lines.as_bytes()),
            _ if name.ends_with("zst") => zstd(lines.as_bytes()),
            _ => lines.into_bytes(),
        };
        folder.write(name, bytes);
    }
    for (name, text) in [
        ("README.md", "# hi"),
        ("dataset_infos.json", "{}"),
        (".cache/x.jsonl", "{}"),
    ] {
        folder.write(name, text);
    }
    let all = ["a.jsonl", "b/10.jsonl.gz", "b/2.jsonl", "c.jsonl.zst"];
    let directory = folder.path("");
    assert_eq!(texts(directory.to_str().unwrap()), all);
    assert_eq!(texts(folder.path("**/*.jsonl*").to_str().unwrap()), all);
    assert_eq!(texts(folder.path("b/*").to_str().unwrap()), all[1..3]);
    assert_eq!(
        texts(&format!("file://{}", folder.path("a.jsonl").display())),
        all[..1]
    );
}

#[test]
fn a_file_whose_name_looks_like_a_pattern_is_a_file() {
    let folder = Folder::new();
    assert_eq!(texts(&folder.write("a[1].jsonl", jsonl(&["x"]))), ["x"]);
}

#[test]
fn places_are_where_a_person_would_look() {
    let folder = Folder::new();
    let places = |file: String| -> Vec<Place> {
        TextSource::open(&file, &SourceOptions::default())
            .unwrap()
            .map(|d| d.unwrap().location.place)
            .collect()
    };
    let file = folder.write("a.jsonl", "\n{\"text\":\"a\"}\n\n{\"text\":\"b\"}");
    assert_eq!(places(file), [Place::Line(2), Place::Line(4)]);
    let file = folder.write("a.json", "[\n{\"text\":\n\"a\"},\n{\"text\":\"b\"}]");
    assert_eq!(
        places(file),
        [
            Place::Record { index: 0, line: 2 },
            Place::Record { index: 1, line: 4 }
        ]
    );
    assert_eq!(places(folder.write("a.txt", "x")), [Place::Whole]);
    write_parquet(&folder.path("a.parquet"), &["a", "b", "c"], 2);
    let file = folder.path("a.parquet").to_str().unwrap().to_owned();
    assert_eq!(places(file), [Place::Row(0), Place::Row(1), Place::Row(2)]);
}

#[test]
fn lines_are_numbered_across_blocks() {
    let folder = Folder::new();
    let text = "x".repeat(5000);
    let file = folder.write("a.jsonl", jsonl(&vec![text; 300]));
    let source = TextSource::open(&file, &SourceOptions::default()).unwrap();
    let lines: Vec<_> = source.map(|d| d.unwrap().location.place).collect();
    assert_eq!(lines, (1..=300).map(Place::Line).collect::<Vec<_>>());
}

#[test]
fn the_column_can_be_named_and_is_kept_over_files() {
    let folder = Folder::new();
    folder.write("1.jsonl", r#"{"text": "a", "title": "A"}"#);
    folder.write(
        "2.jsonl",
        r#"{"title": "B", "tokens": [1, 2], "text": "b"}"#,
    );
    let directory = folder.path("");
    assert_eq!(texts(directory.to_str().unwrap()), ["a", "b"]);
    let mut options = SourceOptions::default();
    options.column = Some("title".into());
    let titles = read(directory.to_str().unwrap(), &options).unwrap();
    assert_eq!(
        titles,
        [Content::Text("A".into()), Content::Text("B".into())]
    );
}

#[test]
fn a_json_file_may_be_a_list_of_strings() {
    let folder = Folder::new();
    assert_eq!(
        texts(&folder.write("a.json", r#"["one", "two, three", ""]"#)),
        ["one", "two, three", ""]
    );
}

#[test]
fn ids_are_read_from_lines_and_tables() {
    let folder = Folder::new();
    let rows = [
        Content::Tokens(vec![1, 2, 3]),
        Content::Tokens(vec![4, 5, u32::MAX]),
    ];
    let file = folder.write(
        "a.jsonl",
        "{\"input_ids\": [1,2,3]}\n{\"input_ids\": [4, 5, 4294967295]}\n",
    );
    assert_eq!(read(&file, &SourceOptions::default()).unwrap(), rows);
    let path = folder.path("a.safetensors");
    let table = TokenTable::new(3, vec![1, 2, 3, 4, 5, u32::MAX]).unwrap();
    table
        .write_atomic(&path, &TableMetadata::default())
        .unwrap();
    assert_eq!(
        read(path.to_str().unwrap(), &SourceOptions::default()).unwrap(),
        rows
    );
}

#[test]
fn an_empty_file_has_no_documents() {
    let folder = Folder::new();
    for file in [
        folder.write("a.jsonl", ""),
        folder.write("b.jsonl", " \n\n"),
        folder.write("a.json", "[]"),
    ] {
        assert_eq!(read(&file, &SourceOptions::default()).unwrap(), []);
    }
}

#[test]
fn documents_may_come_from_memory() {
    let contents = vec![
        Content::Text("a".into()),
        Content::Tokens(vec![1]),
        Content::Tokens(vec![]),
        Content::Text(String::new()),
    ];
    let read: Vec<_> = TextSource::from_documents(contents.clone())
        .map(|d| d.unwrap().content)
        .collect();
    assert_eq!(read, contents);
}

#[test]
fn what_the_readme_says_of_tokens() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/goldens/data/text/gpt2"
    );
    let tokenizer = Tokenizer::from_file(folder).unwrap();
    let ids = tokenizer.encode("猫 Mary").unwrap();
    let bytes = ids.iter().filter_map(|&id| tokenizer.token_bytes(id));
    let bytes: Vec<u8> = bytes.flatten().collect();
    assert_eq!(bytes, "猫 Mary".as_bytes());
    let literal = tokenizer.clone().with_special_text(SpecialText::Literal);
    let special = tokenizer.encode("<|end|>").unwrap();
    assert_eq!(special, [tokenizer.eos().unwrap()]);
    assert!(literal.encode("<|end|>").unwrap().len() > 1);
}
