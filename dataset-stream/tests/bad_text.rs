//! Text files that are wrong, and what is said about them: where, what, and what was expected.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use dataset_stream::{SourceOptions, StreamOptions, TextSource, TokenStream};
use support::{Folder, bytes_tokenizer, gzip, lines, read, said, zstd};

#[test]
fn broken_lines() {
    let good = "{\"text\": \"good\"}\n";
    let line = |bad: &str| said("a.jsonl", format!("{good}\n{bad}\n{good}"));
    assert_eq!(
        line("{\"text\": \"b\" \"c\": 1}"),
        "a.jsonl, line 3, byte 14: not valid JSON: expected `,` or `}`"
    );
    assert_eq!(
        line("{\"text\": \"b"),
        "a.jsonl, line 3, byte 11: not valid JSON: EOF while parsing a string"
    );
    assert_eq!(
        line("{\"text\": \"b\"} {}"),
        "a.jsonl, line 3, byte 15: not valid JSON: trailing characters"
    );
    assert_eq!(
        line("nonsense"),
        "a.jsonl, line 3, byte 2: not valid JSON: expected ident"
    );
    assert_eq!(
        line("[1, 2]"),
        "a.jsonl, line 3, byte 1: not valid JSON: invalid type: sequence, expected a JSON object"
    );
    assert_eq!(
        line("\"b\""),
        "a.jsonl, line 3, byte 3: not valid JSON: the record is a string, expected a JSON object"
    );
    assert_eq!(
        line(r#"{"text": "\ud800"}"#),
        "a.jsonl, line 3, byte 17: not valid JSON: a lone surrogate escape: \\ud800 to \\udfff come in pairs"
    );
    assert!(
        line(r#"{"text": "\udc00"}"#).contains("a lone surrogate escape"),
        "the second half"
    );
    assert_eq!(
        said("a.json", "[".repeat(100_000)),
        "a.json, record 0 (line 1), byte 1: not valid JSON: nested more than 10000 deep; is this a data set?"
    );
}

#[test]
fn wrong_values() {
    let line = |bad: &str| {
        said(
            "a.jsonl",
            format!("{{\"text\": \"good\", \"n\": 1}}\n{bad}"),
        )
    };
    let tail = "expected text or a list of token ids";
    assert_eq!(
        line(r#"{"text": null}"#),
        format!("a.jsonl, line 2: column \"text\" is null, {tail}")
    );
    assert_eq!(
        line(r#"{"text": 17}"#),
        format!("a.jsonl, line 2: column \"text\" is the number 17, {tail}")
    );
    assert_eq!(
        line(r#"{"text": {"en": "x"}}"#),
        format!("a.jsonl, line 2: column \"text\" is an object, {tail}")
    );
    assert_eq!(
        line(r#"{"text": [5, -1]}"#),
        format!(
            "a.jsonl, line 2: column \"text\" is a list whose element 1 is the number -1, {tail}"
        )
    );
    assert_eq!(
        line(r#"{"Text": "x", "n": 2}"#),
        "a.jsonl, line 2: no column \"text\"; the row has Text (text), n (number)"
    );
}

#[test]
fn text_that_is_not_utf8() {
    let mut bytes = b"{\"text\": \"good\"}\n{\"text\": \"b\xff\"}\n".to_vec();
    let message = said("a.jsonl", &bytes);
    assert_eq!(
        message,
        "a.jsonl, line 2, byte 12: not valid JSON: invalid unicode code point"
    );
    bytes.truncate(17);
    assert_eq!(
        said("a.txt", b"abc\xe9def"),
        "a.txt: not valid UTF-8 at byte 3"
    );
}

#[test]
fn rows_that_are_too_long() {
    let folder = Folder::new();
    let mut options = SourceOptions::default();
    options.max_record_bytes = 1000;
    let long = "x".repeat(200_000);
    let cases = [
        (
            "a.jsonl",
            format!("{{\"text\": \"y\"}}\n{{\"text\": \"{long}\"}}"),
            "a.jsonl, line 2",
        ),
        ("endless.jsonl", long.clone(), "endless.jsonl, line 1"),
        (
            "a.json",
            format!("[{{\"text\": \"y\"}},\n{{\"text\": \"{long}\"}}]"),
            "a.json, record 1 (line 2)",
        ),
        ("a.txt", long, "a.txt"),
    ];
    for (name, content, place) in cases {
        let file = folder.write(name, content);
        assert_eq!(
            folder.short(read(&file, &options).unwrap_err()),
            format!(
                "{place}: the row is longer than the limit of 1000 bytes; split it, or raise the limit (max_record_bytes)"
            )
        );
    }
}

#[test]
fn no_column_to_read() {
    assert_eq!(
        said("a.jsonl", r#"{"id": 3, "body": "x"}"#),
        "a.jsonl, line 1: none of the columns tokens, input_ids, text, content, raw_content, problem holds text or token ids; \
         the row has id (number), body (text); choose one by its name"
    );
    let folder = Folder::new();
    let file = folder.write("a.jsonl", r#"{"id": 3, "body": "x"}"#);
    let mut options = SourceOptions::default();
    options.column = Some("text".into());
    assert_eq!(
        folder.short(read(&file, &options).unwrap_err()),
        "a.jsonl, line 1: no column \"text\"; the row has id (number), body (text)"
    );
}

#[test]
fn broken_arrays() {
    assert_eq!(
        said("a.json", "[{\"text\": \"a\"},\n{\"text\": \"b\"}"),
        "a.json is truncated: the array is not closed after 2 records; the file is incomplete, fetch or write it again"
    );
    assert_eq!(
        said("a.json", "[{\"text\": \"a\"},\n{\"text\": \"b"),
        "a.json is truncated: record 1 is not complete; the file is incomplete, fetch or write it again"
    );
    assert_eq!(
        said("a.json", "[{\"text\": \"a\"}\n{\"text\": \"b\"}]"),
        "a.json, record 1 (line 2), byte 1: not valid JSON: expected `,` or `]` after the last record, found `{`"
    );
    assert_eq!(
        said(
            "a.json",
            "[{\"text\": \"a\"},\n\n{\"text\": \"b\",\n \"c\": }]"
        ),
        "a.json, record 1 (line 3), byte 21: not valid JSON: expected value"
    );
    assert_eq!(
        said("a.json", "[1, 2, 3]"),
        "a.json, record 0 (line 1), byte 1: not valid JSON: invalid type: integer `1`, expected a JSON object"
    );
}

#[test]
fn broken_gzip() {
    let lines = "{\"text\": \"some text that compresses\"}\n".repeat(5000);
    let whole = gzip(lines.as_bytes());
    let cut = said("a.jsonl.gz", &whole[..whole.len() / 2]);
    assert!(
        cut.starts_with("a.jsonl.gz is truncated: the gzip stream stops in the middle"),
        "{cut}"
    );
    // Cut inside the checksum: every byte of text is there, and still something is missing.
    let cut = said("a.jsonl.gz", &whole[..whole.len() - 3]);
    assert!(cut.starts_with("a.jsonl.gz is truncated"), "{cut}");
    // Cut inside the second member's header.
    let cut = said("a.jsonl.gz", [&whole[..], &whole[..5]].concat());
    assert!(cut.starts_with("a.jsonl.gz is truncated"), "{cut}");
    let mut flipped = whole.clone();
    let checksum = flipped.len() - 6;
    flipped[checksum] ^= 1;
    assert_eq!(
        said("a.jsonl.gz", flipped),
        "a.jsonl.gz is not a readable gzip file: corrupt gzip stream does not have a matching checksum"
    );
    assert_eq!(
        said("a.jsonl.gz", &lines),
        "a.jsonl.gz is not a readable gzip file: its name says gzip, its first bytes do not ([7b, 22, 74, 65])"
    );
    assert_eq!(
        said("a.jsonl.gz", ""),
        "a.jsonl.gz is truncated: it is empty; the file is incomplete, fetch or write it again"
    );
}

#[test]
fn broken_zstd() {
    let records: Vec<_> = (0..20_000)
        .map(|i| format!("number {i} {}", i * i))
        .collect();
    let lines = lines(&records);
    let whole = zstd(lines.as_bytes());
    let cut = said("a.jsonl.zst", &whole[..whole.len() / 2]);
    assert!(
        cut.starts_with("a.jsonl.zst is truncated: the zstd stream stops in the middle"),
        "{cut}"
    );
    let cut = said(
        "a.jsonl.zst",
        [&whole[..], &whole[..whole.len() - 1]].concat(),
    );
    assert!(cut.starts_with("a.jsonl.zst is truncated"), "{cut}");
    let mut damaged = whole.clone();
    for byte in &mut damaged[whole.len() / 3..whole.len() / 3 + 200] {
        *byte = 0xff;
    }
    let message = said("a.jsonl.zst", damaged);
    assert!(
        message.starts_with("a.jsonl.zst is not a readable zstd file: "),
        "{message}"
    );
}

#[test]
fn a_truncated_file_is_an_error_in_a_stream_too() {
    let folder = Folder::new();
    let lines = "{\"text\": \"some text that compresses\"}\n".repeat(50_000);
    let whole = gzip(lines.as_bytes());
    let file = folder.write("a.jsonl.gz", &whole[..whole.len() - 9]);
    let source = TextSource::open(&file, &SourceOptions::default()).unwrap();
    let mut stream =
        TokenStream::new(source, &bytes_tokenizer(&folder), &StreamOptions::new(64)).unwrap();
    let error = stream.find_map(Result::err).unwrap();
    assert!(
        folder.short(&error).starts_with("a.jsonl.gz is truncated"),
        "{error}"
    );
}
