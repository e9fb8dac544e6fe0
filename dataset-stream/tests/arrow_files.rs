//! Arrow IPC, in both layouts, and the folders that Python's `datasets` saves.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::sync::Arc;

use arrow_array::builder::{
    FixedSizeListBuilder, Int32Builder, Int64Builder, LargeListBuilder, ListBuilder,
};
use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::{
    ArrayRef, BinaryArray, DictionaryArray, Float32Array, LargeBinaryArray, LargeStringArray,
    RecordBatch, StringArray, StringViewArray,
};
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_ipc::{CompressionType, MetadataVersion};
use dataset_stream::{BadRows, Content, SourceOptions, TextSource};
use support::{Folder, read, said, said_of, texts};

const TEXTS: [&str; 5] = [
    "one",
    "",
    "añ\n😀 which is longer than a view holds",
    "one",
    "five",
];

#[derive(Clone, Copy, PartialEq)]
enum Layout {
    Stream,
    File,
}

/// A file with these columns, in batches of two rows.
fn arrow(
    columns: Vec<(&str, ArrayRef)>,
    layout: Layout,
    compression: Option<CompressionType>,
) -> Vec<u8> {
    let nullable = columns.into_iter().map(|(name, array)| (name, array, true));
    let all = RecordBatch::try_from_iter_with_nullable(nullable).unwrap();
    // Messages on boundaries of 8 bytes, as pyarrow puts them, or of 64.
    let alignment = if layout == Layout::File { 64 } else { 8 };
    let options = IpcWriteOptions::try_new(alignment, false, MetadataVersion::V5)
        .and_then(|options| options.try_with_compression(compression))
        .unwrap();
    let mut bytes = Vec::new();
    let batches = (0..all.num_rows())
        .step_by(2)
        .map(|at| all.slice(at, 2.min(all.num_rows() - at)));
    if layout == Layout::File {
        let mut writer =
            FileWriter::try_new_with_options(&mut bytes, &all.schema(), options).unwrap();
        batches.for_each(|batch| writer.write(&batch).unwrap());
        writer.finish().unwrap();
    } else {
        let mut writer =
            StreamWriter::try_new_with_options(&mut bytes, &all.schema(), options).unwrap();
        batches.for_each(|batch| writer.write(&batch).unwrap());
        writer.finish().unwrap();
    }
    bytes
}

fn text_column(rows: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(rows.to_vec()))
}

#[test]
fn every_type_of_text_in_both_layouts() {
    let bytes = TEXTS.map(str::as_bytes).to_vec();
    let by_key: DictionaryArray<Int32Type> = TEXTS.into_iter().collect();
    let few_keys: DictionaryArray<Int8Type> = TEXTS.into_iter().collect();
    let large_values = DictionaryArray::new(
        by_key.keys().clone(),
        Arc::new(LargeStringArray::from_iter_values([
            TEXTS[0], TEXTS[1], TEXTS[2], TEXTS[4],
        ])),
    );
    let columns: [ArrayRef; 9] = [
        Arc::new(StringArray::from_iter_values(TEXTS)),
        Arc::new(LargeStringArray::from_iter_values(TEXTS)),
        Arc::new(StringViewArray::from_iter_values(TEXTS)),
        Arc::new(BinaryArray::from_vec(bytes.clone())),
        Arc::new(LargeBinaryArray::from_vec(bytes)),
        Arc::new(by_key),
        Arc::new(few_keys),
        Arc::new(large_values),
        text_column(&TEXTS.map(Some)),
    ];
    let folder = Folder::new();
    for column in columns {
        for layout in [Layout::Stream, Layout::File] {
            for compression in [
                None,
                Some(CompressionType::LZ4_FRAME),
                Some(CompressionType::ZSTD),
            ] {
                let other: ArrayRef = Arc::new(Float32Array::from(vec![0.5; 5]));
                let kind = column.data_type().clone();
                let columns = vec![("other", other), ("text", Arc::clone(&column))];
                let file = folder.write("a.arrow", arrow(columns, layout, compression));
                assert_eq!(texts(&file), TEXTS, "{kind} {compression:?}");
            }
        }
    }
}

#[test]
fn lists_of_ids() {
    let rows = [vec![1, 2, 3], vec![4, 5, 6], vec![7, 8, 9]];
    let mut lists = ListBuilder::new(Int32Builder::new());
    let mut large = LargeListBuilder::new(Int64Builder::new());
    let mut fixed = FixedSizeListBuilder::new(Int32Builder::new(), 3);
    for row in &rows {
        lists.append_value(row.iter().map(|&id| Some(id)));
        large.append_value(row.iter().map(|&id| Some(id.into())));
        fixed.values().append_slice(row);
        fixed.append(true);
    }
    let columns: [ArrayRef; 3] = [
        Arc::new(lists.finish()),
        Arc::new(large.finish()),
        Arc::new(fixed.finish()),
    ];
    let folder = Folder::new();
    for column in columns {
        let file = folder.write(
            "a.arrow",
            arrow(vec![("input_ids", column)], Layout::Stream, None),
        );
        let found = read(&file, &SourceOptions::default()).unwrap();
        let expected = rows
            .iter()
            .map(|row| Content::Tokens(row.iter().map(|&id| id as u32).collect()));
        assert!(expected.eq(found));
    }
}

#[test]
fn rows_that_cannot_be_used_are_told_or_left_out() {
    let column = text_column(&[Some("a"), Some("b"), None, Some("d")]);
    let bytes = arrow(vec![("text", column)], Layout::Stream, None);
    assert_eq!(
        said("a.arrow", &bytes),
        "a.arrow, row 2: column \"text\" is null, expected text or a list of token ids"
    );
    let folder = Folder::new();
    let file = folder.write("a.arrow", bytes);
    let mut options = SourceOptions::default();
    options.bad_rows = BadRows::Skip {
        at_most_percent: 100,
    };
    assert_eq!(read(&file, &options).unwrap().len(), 3);
    let numbers: ArrayRef = Arc::new(Float32Array::from(vec![1.0]));
    let message = said(
        "a.arrow",
        arrow(vec![("score", numbers)], Layout::File, None),
    );
    assert!(
        message.starts_with("a.arrow, row 0: none of the columns tokens")
            && message.contains("score (Float32)"),
        "{message}"
    );
}

#[test]
fn a_file_that_is_cut_anywhere_is_an_error() {
    for layout in [Layout::Stream, Layout::File] {
        let column = text_column(&TEXTS.map(Some));
        let bytes = arrow(vec![("text", column)], layout, None);
        for end in 0..bytes.len() {
            let folder = Folder::new();
            let file = folder.write("a.arrow", &bytes[..end]);
            let error = read(&file, &SourceOptions::default()).unwrap_err();
            let message = folder.short(error);
            assert!(message.starts_with("a.arrow is "), "{end}: {message}");
        }
    }
}

#[test]
fn no_byte_makes_it_panic_or_reserve_what_is_not_there() {
    let folder = Folder::new();
    for compression in [None, Some(CompressionType::ZSTD)] {
        let mut lists = ListBuilder::new(Int32Builder::new());
        (0..3).for_each(|i| lists.append_value([Some(i), Some(i + 1)]));
        let by_key: DictionaryArray<Int32Type> = ["a", "b", "a"].into_iter().collect();
        for column in [
            text_column(&[Some("a"), Some("b"), Some("c")]),
            Arc::new(by_key),
            Arc::new(lists.finish()),
        ] {
            let good = arrow(vec![("text", column)], Layout::Stream, compression);
            for at in 0..good.len() {
                let mut flipped = good.clone();
                flipped[at] ^= if at % 2 == 0 { 0xff } else { 0x01 };
                let file = folder.write("a.arrow", flipped);
                let _ = read(&file, &SourceOptions::default());
            }
        }
    }
}

#[test]
fn lengths_that_cannot_be_are_told_with_their_batch() {
    let column = text_column(&TEXTS.map(Some));
    let good = arrow(vec![("text", column)], Layout::Stream, None);
    // The messages: schema, then three batches, each after a continuation mark.
    let starts: Vec<usize> = (0..good.len() - 8)
        .step_by(8)
        .filter(|&at| good[at..at + 4] == [0xff; 4])
        .collect();
    let with = |at: usize, word: u32| {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        said("a.arrow", bytes)
    };
    let second = starts[2] + 4;
    let message = with(second, 0x7fff_ffff);
    assert_eq!(
        message,
        "a.arrow is not a readable Arrow file: record batch 1: its header is said to have 2147483647 bytes, and 268435456 is the most that is read"
    );
    let message = with(second, 0x00ff_ffff);
    assert!(
        message.starts_with(
            "a.arrow is truncated: record batch 1 goes on for 16777215 bytes, and there are "
        ),
        "{message}"
    );
    let message = with(second, 0x8000_0000);
    assert!(message.contains("record batch 1: its header"), "{message}");
    assert_eq!(
        said("a.arrow", "text, not a table"),
        "a.arrow is not a readable Arrow file: its first bytes are those of neither an Arrow file nor an Arrow stream ([74, 65, 78, 74])"
    );
    assert!(said("a.arrow", "").contains("truncated"));
}

#[test]
fn a_saved_folder_is_read_in_the_order_of_its_state() {
    let folder = Folder::new();
    let file = |name: &str, text: &str| {
        let column = text_column(&[Some(text)]);
        folder.write(name, arrow(vec![("text", column)], Layout::Stream, None));
    };
    let state = |names: &[&str]| {
        let files: Vec<_> = names
            .iter()
            .map(|name| serde_json::json!({"filename": name}))
            .collect();
        serde_json::json!({"_data_files": files, "_split": null}).to_string()
    };
    file("set/b.arrow", "first");
    file("set/a.arrow", "second");
    file("set/cache-1.arrow", "not one of them");
    folder.write("set/dataset_info.json", "{}");
    folder.write("set/sae_lens.json", "{}");
    folder.write("set/state.json", state(&["b.arrow", "a.arrow"]));
    let set = folder.path("set").to_str().unwrap().to_owned();
    assert_eq!(texts(&set), ["first", "second"]);
    let source = TextSource::open(&set, &SourceOptions::default()).unwrap();
    assert_eq!(source.files().len(), 2);

    file("dict/test/x.arrow", "test");
    file("dict/train/x.arrow", "train");
    for split in ["test", "train"] {
        folder.write(&format!("dict/{split}/state.json"), state(&["x.arrow"]));
    }
    folder.write(
        "dict/dataset_dict.json",
        "{\"splits\": [\"test\", \"train\"]}",
    );
    let dict = folder.path("dict").to_str().unwrap().to_owned();
    assert_eq!(texts(&dict), ["train"]);
    folder.write("dict/dataset_dict.json", "{\"splits\": [\"test\"]}");
    assert_eq!(texts(&dict), ["test"]);
    folder.write(
        "dict/dataset_dict.json",
        "{\"splits\": [\"test\", \"dev\"]}",
    );
    assert!(said_of(&folder, &dict).contains("the splits test, dev and no train"));
    folder.write("dict/dataset_dict.json", "{\"splits\": [\"../set\"]}");
    assert!(said_of(&folder, &dict).contains("is not the name of something in it"));

    folder.write("set/state.json", state(&["../dict/train/x.arrow"]));
    assert!(said_of(&folder, &set).contains("is not the name of something in it"));
    folder.write("set/state.json", state(&["gone.arrow"]));
    assert!(said_of(&folder, &set).contains("gone.arrow"));
    let old =
        state(&["a.arrow"]).replacen('{', "{\"_indices_data_files\": [{\"filename\": \"i\"}],", 1);
    folder.write("set/state.json", old);
    assert!(said_of(&folder, &set).contains("an order of their own"));
}
