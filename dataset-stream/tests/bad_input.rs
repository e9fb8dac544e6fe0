//! Input that is wrong, and what is said about it: where, what, and what was expected.
#![allow(missing_docs)]

mod support;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder};
use arrow_array::{ArrayRef, BinaryArray, Float32Array, RecordBatch, StringArray};
use dataset_stream::{
    Budget, Content, Packing, SaeLensPacking, SourceOptions, StreamOptions, TextSource, TokenRef,
    TokenStream, TokenTable, Tokenizer,
};
use parquet::arrow::ArrowWriter;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use support::{Folder, bytes_tokenizer, bytes_tokenizer_json, gzip, read, zstd};

/// What is said when a file with these bytes is read.
fn said(name: &str, bytes: impl AsRef<[u8]>) -> String {
    let folder = Folder::new();
    let file = folder.write(name, bytes);
    folder.short(read(&file, &SourceOptions::default()).unwrap_err())
}

fn said_of(folder: &Folder, spec: &str) -> String {
    folder.short(read(spec, &SourceOptions::default()).unwrap_err())
}

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
        "a.jsonl, line 3, byte 17: not valid JSON: unexpected end of hex escape"
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
    let options = SourceOptions {
        max_record_bytes: 1000,
        ..SourceOptions::default()
    };
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
         the row has id (number), body (text); name one with the column option"
    );
    let folder = Folder::new();
    let file = folder.write("a.jsonl", r#"{"id": 3, "body": "x"}"#);
    let options = SourceOptions {
        column: Some("text".into()),
        ..SourceOptions::default()
    };
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
    let lines: String = (0..20_000)
        .map(|i| format!("{{\"text\": \"number {i} {}\"}}\n", i * i))
        .collect();
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
    assert_eq!(
        said("a.jsonl.zst", gzip(lines.as_bytes())),
        "a.jsonl.zst is not a readable zstd file: its name says zstd, its first bytes do not ([1f, 8b, 08, 00])"
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

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let folder = Folder::new();
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let path = folder.path("x");
    let mut writer =
        ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    std::fs::read(path).unwrap()
}

fn text_column(rows: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(rows.to_vec()))
}

#[test]
fn broken_parquet() {
    let good = parquet(vec![("text", text_column(&[Some("a"), Some("b")]))]);
    for (bytes, what) in [
        (b"not parquet at all".to_vec(), "garbage"),
        (b"PAR1".to_vec(), "only the magic"),
        (good[..good.len() / 2].to_vec(), "the first half"),
        (Vec::new(), "nothing"),
    ] {
        let message = said("a.parquet", bytes);
        assert!(
            message.starts_with("a.parquet is not a readable Parquet file: "),
            "{what}: {message}"
        );
    }
    // Every byte in turn: an error or, where nobody looks, the text; never a panic that gets out.
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 0xff;
        let folder = Folder::new();
        let file = folder.write("a.parquet", flipped);
        let _ = read(&file, &SourceOptions::default());
    }
}

#[test]
fn parquet_without_the_column_or_with_wrong_values() {
    let numbers: ArrayRef = Arc::new(Float32Array::from(vec![1.0, 2.0]));
    let two = || text_column(&[Some("a"), Some("b")]);
    assert_eq!(
        said(
            "a.parquet",
            parquet(vec![("score", numbers.clone()), ("body", two())])
        ),
        "a.parquet, row 0: none of the columns tokens, input_ids, text, content, raw_content, problem holds text or token ids; \
         the row has score (Float32), body (Utf8); name one with the column option"
    );
    let folder = Folder::new();
    let file = folder.write(
        "a.parquet",
        parquet(vec![("score", numbers), ("body", two())]),
    );
    let named = |column: &str| {
        let options = SourceOptions {
            column: Some(column.into()),
            ..SourceOptions::default()
        };
        folder.short(read(&file, &options).unwrap_err())
    };
    assert_eq!(
        named("text"),
        "a.parquet, row 0: no column \"text\"; the row has score (Float32), body (Utf8)"
    );
    assert_eq!(
        named("score"),
        "a.parquet, row 0: column \"score\" is of type Float32, expected text or a list of token ids"
    );
    assert_eq!(
        said(
            "a.parquet",
            parquet(vec![(
                "text",
                text_column(&[Some("a"), Some("b"), None, Some("d")])
            )])
        ),
        "a.parquet, row 2: column \"text\" is null, expected text or a list of token ids"
    );
    let binary: ArrayRef = Arc::new(BinaryArray::from(vec![&b"fine"[..], &b"b\xff"[..]]));
    assert_eq!(
        said("a.parquet", parquet(vec![("text", binary)])),
        "a.parquet, row 1: not valid UTF-8 at byte 1"
    );
    let mut ids = ListBuilder::new(Int64Builder::new());
    ids.append_value([Some(1), Some(2)]);
    ids.append_value([Some(1), Some(-2)]);
    assert_eq!(
        said(
            "a.parquet",
            parquet(vec![("input_ids", Arc::new(ids.finish()))])
        ),
        "a.parquet, row 1: column \"input_ids\" is a list with -2 in it, expected text or a list of token ids"
    );
    ids.append_value([Some(1), None]);
    assert_eq!(
        said(
            "a.parquet",
            parquet(vec![("input_ids", Arc::new(ids.finish()))])
        ),
        "a.parquet, row 0: column \"input_ids\" is a list with a null in it, expected text or a list of token ids"
    );
}

#[test]
fn rows_before_a_bad_one_are_read() {
    let folder = Folder::new();
    let file = folder.write(
        "a.parquet",
        parquet(vec![("text", text_column(&[Some("a"), Some("b"), None]))]),
    );
    let mut source = TextSource::open(&file, &SourceOptions::default()).unwrap();
    let good: Vec<_> = source
        .by_ref()
        .map_while(Result::ok)
        .map(|document| document.content)
        .collect();
    assert_eq!(good, [Content::Text("a".into()), Content::Text("b".into())]);
    assert!(source.next().is_none(), "an error ends the source");
}

fn safetensors(tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> Vec<u8> {
    let views: Vec<_> = tensors
        .iter()
        .map(|(name, dtype, shape, data)| {
            (*name, TensorView::new(*dtype, shape.clone(), data).unwrap())
        })
        .collect();
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn broken_token_tables() {
    let folder = Folder::new();
    let said = |bytes: Vec<u8>| {
        let file = folder.write("t.safetensors", bytes);
        folder.short(
            TokenTable::open(file)
                .and_then(|t| t.rows().collect::<Result<Vec<_>, _>>())
                .unwrap_err(),
        )
    };
    let i64s = |values: &[i64]| {
        values
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    assert_eq!(
        said(safetensors(&[(
            "tokens",
            Dtype::I64,
            vec![2, 2],
            i64s(&[1, 2, 3, -100])
        )])),
        "\"t.safetensors\": tensor \"tokens\" holds -100 at [1, 1], which is not a token id"
    );
    assert_eq!(
        said(safetensors(&[(
            "tokens",
            Dtype::I64,
            vec![1, 2],
            i64s(&[1, 1 << 32])
        )])),
        "\"t.safetensors\": tensor \"tokens\" holds 4294967296 at [0, 1], which is not a token id"
    );
    assert_eq!(
        said(safetensors(&[(
            "tokens",
            Dtype::F32,
            vec![1, 2],
            vec![0; 8]
        )])),
        "\"t.safetensors\": tensor \"tokens\" is F32, expected U16, U32, I32 or I64"
    );
    assert_eq!(
        said(safetensors(&[("tokens", Dtype::U32, vec![4], vec![0; 16])])),
        "\"t.safetensors\": tensor \"tokens\" has the shape [4], expected [rows, context size]"
    );
    assert_eq!(
        said(safetensors(&[("tokens", Dtype::U32, vec![4, 0], vec![])])),
        "\"t.safetensors\": tensor \"tokens\" has the shape [4, 0], expected [rows, context size]"
    );
    let weights = [
        ("b", Dtype::U32, vec![1, 1], vec![0; 4]),
        ("a", Dtype::U32, vec![1, 1], vec![0; 4]),
    ];
    let message = said(safetensors(&weights));
    assert!(
        message
            .starts_with("\"t.safetensors\" has no tensor \"tokens\" or \"input_ids\"; it has \""),
        "{message}"
    );
    assert_eq!(
        said(Vec::new()),
        "\"t.safetensors\" is not a readable safetensors file: it is empty"
    );
    let good = safetensors(&[("tokens", Dtype::U32, vec![3, 2], vec![0; 24])]);
    for bytes in [
        good[..good.len() - 4].to_vec(),
        good[..20].to_vec(),
        vec![0xff; 64],
        b"{}".to_vec(),
    ] {
        let message = said(bytes);
        assert!(
            message.starts_with("\"t.safetensors\" is not a readable safetensors file: "),
            "{message}"
        );
    }
    let missing = TokenTable::open(folder.path("none.safetensors")).unwrap_err();
    assert!(
        folder
            .short(missing)
            .starts_with("cannot read \"none.safetensors\": No such file"),
        "missing"
    );
}

#[test]
fn specs_that_name_nothing() {
    let folder = Folder::new();
    let missing = folder.path("missing.jsonl").to_str().unwrap().to_owned();
    let message = said_of(&folder, &missing);
    assert!(
        message.starts_with("no file, directory or pattern \"missing.jsonl\"; a relative path is"),
        "{message}"
    );
    let pattern = folder.path("*.jsonl").to_str().unwrap().to_owned();
    assert_eq!(
        said_of(&folder, &pattern),
        "the pattern \"*.jsonl\" matches no file"
    );
    let message = said_of(&folder, &folder.path("a[").to_str().unwrap().to_owned());
    assert!(
        message.starts_with("\"a[\" is not a valid pattern: "),
        "{message}"
    );
    for remote in [
        "monology/pile-uncopyrighted",
        "org/name@main",
        "https://example.org/a.jsonl",
        "hf://datasets/a/b",
    ] {
        assert_eq!(
            said_of(&folder, remote),
            format!(
                "{remote:?} is not a local path, and this version does not stream from the Hub or from addresses: \
                 download the data set's files and pass their path, directory or pattern"
            )
        );
    }
    assert_eq!(
        said_of(&folder, &folder.write("notes.md", "x")),
        "\"notes.md\": the name tells no known format; known are .jsonl, .ndjson, .json, .txt (each plain, .gz or .zst), \
         .parquet and .safetensors"
    );
}

#[test]
fn directories_without_one_kind_of_data() {
    let folder = Folder::new();
    let directory = folder
        .path("")
        .to_str()
        .unwrap()
        .trim_end_matches('/')
        .to_owned();
    let known = ".jsonl, .ndjson, .json, .txt (each plain, .gz or .zst), .parquet and .safetensors";
    assert_eq!(
        said_of(&folder, &directory),
        format!("\"DIR\" holds no data file; known are {known}; it is empty")
    );
    folder.write("weights.bin", "");
    folder.write("README.md", "");
    assert_eq!(
        said_of(&folder, &directory),
        format!("\"DIR\" holds no data file; known are {known}; it holds README.md, weights.bin")
    );
    folder.write("a.jsonl", "{}");
    folder.write("sub/b.jsonl.gz", "{}");
    folder.write("b.parquet", "");
    assert_eq!(
        said_of(&folder, &directory),
        "\"DIR\" holds files of several formats (2 .jsonl, 1 .parquet); name one of them by a pattern, such as \"**/*.jsonl*\""
    );
}

#[test]
fn broken_tokenizers() {
    let folder = Folder::new();
    let said = |json: &str| {
        folder.short(Tokenizer::from_file(folder.write("t/tokenizer.json", json)).unwrap_err())
    };
    let but = |change: &dyn Fn(&mut Value)| {
        let mut json = bytes_tokenizer_json();
        change(&mut json);
        said(&json.to_string())
    };
    let not_ours = "\"t/tokenizer.json\" is not a tokenizer this version can use: ";
    assert!(
        said("{\"version\": ")
            .starts_with("\"t/tokenizer.json\" is not valid JSON: EOF while parsing"),
        "cut"
    );
    assert_eq!(
        said("[]"),
        format!("{not_ours}a tokenizer.json must be a JSON object, found an array")
    );
    assert_eq!(said("{}"), format!("{not_ours}the config has no `model`"));
    let message = but(&|json| json["model"]["type"] = "Quantum".into());
    assert!(
        message.starts_with(not_ours) && message.contains("model"),
        "{message}"
    );
    assert_eq!(
        but(&|json| json["model"]["vocab"] = json!({})),
        format!("{not_ours}its vocabulary is empty")
    );
    assert_eq!(
        but(&|json| json["model"]["vocab"]["x"] = json!(4_000_000_000u32)),
        format!("{not_ours}token \"x\" has the id 4000000000, expected a number up to 16777216")
    );
    assert_eq!(
        but(&|json| json["model"]["vocab"]["x"] = json!("7")),
        format!("{not_ours}token \"x\" has the id \"7\", expected a number up to 16777216")
    );
    let message = but(&|json| json["model"]["merges"] = json!([["a", "bc"]]));
    assert!(
        message.starts_with(not_ours) && message.contains("bc"),
        "{message}"
    );
    assert_eq!(
        but(&|json| json["added_tokens"][1]["id"] = json!(300)),
        format!(
            "{not_ours}added token \"</s>\" is listed with id 300, but the tokens before it leave it 257"
        )
    );
    assert_eq!(
        but(&|json| json["pre_tokenizer"]["add_prefix_space"] = true.into()),
        format!(
            "{not_ours}a `ByteLevel` pre-tokenizer with `add_prefix_space: true` is not supported"
        )
    );
    let missing = Tokenizer::from_file(folder.path("none/tokenizer.json")).unwrap_err();
    assert!(
        folder
            .short(missing)
            .starts_with("cannot read \"none/tokenizer.json\": No such file"),
        "missing"
    );
}

#[test]
fn tokenizer_folders_that_lack_something() {
    let folder = Folder::new();
    folder.write("empty/config.json", "{}");
    let said = |name: &str| folder.short(Tokenizer::from_file(folder.path(name)).unwrap_err());
    assert_eq!(said("empty"), "\"empty\" holds no tokenizer.json");
    folder.write("sp/tokenizer.model", "");
    assert!(
        said("sp").starts_with("\"sp\" holds no tokenizer.json; its tokenizer.model is the older"),
        "{}",
        said("sp")
    );
    folder.write("t/tokenizer.json", bytes_tokenizer_json().to_string());
    folder.write("t/tokenizer_config.json", r#"{"bos_token": "<bos>"}"#);
    assert_eq!(
        said("t"),
        "\"t/tokenizer_config.json\" names the bos_token \"<bos>\", which the vocabulary does not have"
    );
    folder.write("t/tokenizer_config.json", "{");
    assert!(
        said("t").starts_with("\"t/tokenizer_config.json\" is not valid JSON: "),
        "{}",
        said("t")
    );
}

#[test]
fn streams_that_cannot_be() {
    let folder = Folder::new();
    let tokenizer = bytes_tokenizer(&folder);
    let bare = {
        let path: PathBuf = folder
            .write("bare/tokenizer.json", bytes_tokenizer_json().to_string())
            .into();
        Tokenizer::from_file(path).unwrap()
    };
    let said = |tokenizer: &Tokenizer, options: StreamOptions, content: Content| {
        let stream = TokenStream::new(TextSource::from_documents([content]), tokenizer, &options);
        folder.short(match stream {
            Ok(mut stream) => stream.find_map(Result::err).unwrap(),
            Err(error) => error,
        })
    };
    let text = || Content::Text("text".into());
    let where_looked = "(tokenizer_config.json, special_tokens_map.json, config.json)";
    assert_eq!(
        said(&bare, StreamOptions::new(8), text()),
        format!(
            "the packing needs the tokenizer's Bos token, and none is named beside \"bare/tokenizer.json\" {where_looked}; \
             or pack without BOS"
        )
    );
    let no_bos = |packing| StreamOptions {
        prepend_bos: false,
        packing,
        ..StreamOptions::new(8)
    };
    assert_eq!(
        said(&bare, no_bos(Packing::Notebook), text()),
        format!(
            "the packing needs the tokenizer's Eos token, and none is named beside \"bare/tokenizer.json\" {where_looked}; \
             or use SAELens' packing with another separator"
        )
    );
    let with_sep = SaeLensPacking {
        separator: Some(TokenRef::Sep),
        ..SaeLensPacking::default()
    };
    assert!(
        said(&tokenizer, no_bos(Packing::SaeLens(with_sep)), text())
            .contains("the tokenizer's Sep token")
    );
    assert_eq!(
        said(&tokenizer, StreamOptions::new(1), text()),
        "a context size of 1 has no room for text; it must be at least 2"
    );
    let budget = StreamOptions {
        budget: Budget::Tokens(127),
        ..StreamOptions::new(128)
    };
    assert_eq!(
        said(&tokenizer, budget, text()),
        "a budget of 127 tokens is less than one row of 128"
    );
    assert_eq!(
        said(
            &tokenizer,
            StreamOptions::new(4),
            Content::Tokens(vec![1, 2, 3])
        ),
        "(documents in memory), row 0: the row has 3 ids, fewer than the context size of 4; choose a context size of at most \
         3, or pack the rows anew (Pretokenized::Documents)"
    );
    assert_eq!(
        said(
            &tokenizer,
            StreamOptions::new(2),
            Content::Tokens(vec![1, 2, 258])
        ),
        "(documents in memory), row 0: token id 258 at position 2 is outside the vocabulary of 258; was the data set made \
         with another tokenizer?"
    );
}

#[test]
fn text_that_is_not_one_token() {
    let folder = Folder::new();
    let tokenizer = bytes_tokenizer(&folder);
    assert_eq!(tokenizer.single_token("x").unwrap(), 120);
    assert_eq!(
        tokenizer.single_token("ab c").unwrap_err().to_string(),
        r#""ab c" is 4 tokens, expected one: "a", "b", " ", "c""#
    );
    assert_eq!(
        tokenizer.single_token("").unwrap_err().to_string(),
        r#""" gives no token, expected one"#
    );
}
