//! Tokens in Parquet: what is written reads back, as a table and as a data set, and what is no table is told.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::DataType;
use dataset_stream::{Content, SourceOptions, TableMetadata, TokenParquetWriter, TokenTable};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use support::{Folder, read};

fn metadata(context_size: usize) -> TableMetadata {
    TableMetadata {
        context_size,
        tokenizer_name: Some("t".into()),
        ..TableMetadata::default()
    }
}

fn row(n: usize, context_size: usize) -> Vec<u32> {
    (0..context_size)
        .map(|i| ((n * 7919 + i * 31) % 128_000) as u32)
        .collect()
}

fn write(path: &Path, rows: usize, context_size: usize) {
    let mut writer = TokenParquetWriter::create(path, &metadata(context_size)).unwrap();
    for n in 0..rows {
        writer.push(&row(n, context_size)).unwrap();
    }
    assert!(!path.exists(), "the name is given last");
    assert_eq!(writer.finish().unwrap(), rows);
}

#[test]
fn what_is_written_reads_back_in_any_order() {
    let dir = Folder::new();
    let path = dir.path("t.parquet");
    // More than a block and more than a batch of the writer.
    let (rows, n) = (9000, 150);
    write(&path, rows, n);
    let table = TokenTable::open(&path).unwrap();
    assert_eq!((table.len(), table.context_size()), (rows, n));
    assert_eq!(table.metadata(), Some(&metadata(n)));
    for (i, found) in table.rows().enumerate() {
        assert!(found.unwrap() == row(i, n), "row {i}");
    }
    for i in [8999, 0, 4000, 3999, 4001, 1] {
        assert_eq!(table.row(i).unwrap(), row(i, n), "row {i}");
    }
    assert!(table.row(rows).is_err());
    let documents = read(path.to_str().unwrap(), &SourceOptions::default()).unwrap();
    assert_eq!(documents.len(), rows);
    assert_eq!(documents[17], Content::Tokens(row(17, n)));
    assert_eq!(std::fs::read_dir(dir.path("")).unwrap().count(), 1);
}

#[test]
fn other_readers_find_what_they_expect() {
    let dir = Folder::new();
    let path = dir.path("t.parquet");
    // Two row groups of 16 Mi ids at most.
    let n = 1 << 20;
    write(&path, 17, n);
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
    let kind = builder
        .schema()
        .field_with_name("input_ids")
        .unwrap()
        .data_type();
    assert!(matches!(kind, DataType::List(item) if *item.data_type() == DataType::Int32));
    let groups: Vec<i64> = builder
        .metadata()
        .row_groups()
        .iter()
        .map(parquet::file::metadata::RowGroupMetaData::num_rows)
        .collect();
    assert_eq!(groups, [16, 1]);
}

#[test]
fn rows_that_do_not_fit_are_refused_and_nothing_is_left() {
    let dir = Folder::new();
    let path = dir.path("t.parquet");
    let mut writer = TokenParquetWriter::create(&path, &metadata(2)).unwrap();
    writer.push(&[1, 2]).unwrap();
    let error = writer.push(&[1]).unwrap_err().to_string();
    assert_eq!(error, "a row of 1 ids was put into a table of rows of 2");
    let error = writer.push(&[1, 1 << 31]).unwrap_err().to_string();
    assert!(error.contains("row 1 holds the id 2147483648"), "{error}");
    drop(writer);
    assert_eq!(std::fs::read_dir(dir.path("")).unwrap().count(), 0);
    assert!(TokenParquetWriter::create(&path, &metadata(0)).is_err());
}

/// What is said when a file with this column is read as a table from end to end.
fn said(name: &str, column: ArrayRef) -> String {
    let dir = Folder::new();
    let path = dir.path("t.parquet");
    let batch = RecordBatch::try_from_iter_with_nullable([(name, column, true)]).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let rows = TokenTable::open(&path)
        .and_then(|table| table.rows().collect::<Result<Vec<_>, _>>().map(drop));
    dir.short(rows.unwrap_err())
}

#[test]
fn what_is_no_table_is_told() {
    let lists = |rows: &[&[i64]]| -> ArrayRef {
        let mut lists = ListBuilder::new(Int64Builder::new());
        for row in rows {
            lists.append_value(row.iter().map(|&id| Some(id)));
        }
        Arc::new(lists.finish())
    };
    assert_eq!(
        said("input_ids", lists(&[&[1, 2], &[3]])),
        "t.parquet is not a table of token ids: row 1 has 1 ids and the first row 2; give it with --dataset to have its rows cut or packed"
    );
    assert_eq!(
        said("tokens", lists(&[&[1, 2], &[3, -4]])),
        "t.parquet, row 1: column \"tokens\" is a list with -4 in it, expected text or a list of token ids"
    );
    let message = said("text", Arc::new(StringArray::from(vec!["a"])));
    assert!(message.contains("holds text, expected lists"), "{message}");
    let message = said("tokens", lists(&[]));
    assert!(message.contains("holds no rows"), "{message}");
    let message = said("tokens", lists(&[&[], &[1]]));
    assert!(message.contains("first row is empty"), "{message}");
    let message = said("words", Arc::new(StringArray::from(vec!["a"])));
    assert!(message.contains("none of the columns tokens"), "{message}");
    let dir = Folder::new();
    let file = dir.write("t.parquet", "no Parquet");
    let error = TokenTable::open(file).unwrap_err();
    assert!(
        dir.short(error)
            .starts_with("t.parquet is not a readable Parquet file")
    );
    let error = TokenTable::open(dir.path("no.parquet")).unwrap_err();
    assert!(dir.short(error).starts_with("cannot read no.parquet"));
}
