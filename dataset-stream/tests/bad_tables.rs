//! Parquet and safetensors files that are wrong, and what is said about them.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::fs::File;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder};
use arrow_array::{ArrayRef, BinaryArray, Float32Array, RecordBatch, StringArray};
use dataset_stream::{Content, SourceOptions, TextSource, TokenTable};
use parquet::arrow::ArrowWriter;
use safetensors::tensor::{Dtype, TensorView};
use support::{Folder, read, said};

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
         the row has score (Float32), body (Utf8); choose one by its name"
    );
    let folder = Folder::new();
    let file = folder.write(
        "a.parquet",
        parquet(vec![("score", numbers), ("body", two())]),
    );
    let named = |column: &str| {
        let mut options = SourceOptions::default();
        options.column = Some(column.into());
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
        "t.safetensors: tensor \"tokens\" holds -100 at [1, 1], which is not a token id"
    );
    assert_eq!(
        said(safetensors(&[(
            "tokens",
            Dtype::I64,
            vec![1, 2],
            i64s(&[1, 1 << 32])
        )])),
        "t.safetensors: tensor \"tokens\" holds 4294967296 at [0, 1], which is not a token id"
    );
    assert_eq!(
        said(safetensors(&[(
            "tokens",
            Dtype::F32,
            vec![1, 2],
            vec![0; 8]
        )])),
        "t.safetensors: tensor \"tokens\" is F32, expected U16, U32, I32 or I64"
    );
    assert_eq!(
        said(safetensors(&[("tokens", Dtype::U32, vec![4], vec![0; 16])])),
        "t.safetensors: tensor \"tokens\" has the shape [4], expected [rows, context size]"
    );
    assert_eq!(
        said(safetensors(&[("tokens", Dtype::U32, vec![4, 0], vec![])])),
        "t.safetensors: tensor \"tokens\" has the shape [4, 0], expected [rows, context size]"
    );
    let weights = [
        ("b", Dtype::U32, vec![1, 1], vec![0; 4]),
        ("a", Dtype::U32, vec![1, 1], vec![0; 4]),
    ];
    let message = said(safetensors(&weights));
    assert!(
        message.starts_with("t.safetensors has no tensor \"tokens\" or \"input_ids\"; it has \""),
        "{message}"
    );
    assert_eq!(
        said(Vec::new()),
        "t.safetensors is not a readable safetensors file: it is empty"
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
            message.starts_with("t.safetensors is not a readable safetensors file: "),
            "{message}"
        );
    }
    let missing = TokenTable::open(folder.path("none.safetensors")).unwrap_err();
    assert!(
        folder
            .short(missing)
            .starts_with("cannot read none.safetensors: No such file"),
        "missing"
    );
}
