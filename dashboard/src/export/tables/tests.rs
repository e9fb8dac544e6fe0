//! The tables, read back.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use super::super::sample::{any_features, dead, feature, overview, vocabulary};
use super::{ExportError, ParquetWriter};
use crate::Feature;

fn write(out: &Path, features: &[Feature]) -> Result<(), ExportError> {
    let shown: Vec<u32> = features.iter().map(|feature| feature.index).collect();
    let (overview, vocabulary) = (overview(u32::MAX, &shown), vocabulary());
    let mut writer = ParquetWriter::create(out, &overview, &vocabulary)?;
    for feature in features {
        writer.push(feature)?;
        assert!(!out.exists(), "it appears when it is complete");
    }
    writer.finish()
}

fn read(path: &Path) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let batches: Result<_, _> = reader.with_batch_size(1 << 20).build().unwrap().collect();
    batches.unwrap()
}

fn column<'a>(table: &'a RecordBatch, name: &str) -> &'a dyn Array {
    table.column_by_name(name).unwrap()
}

fn ints(array: &dyn Array) -> Vec<i32> {
    array.as_primitive::<Int32Type>().values().to_vec()
}

fn floats(array: &dyn Array) -> Vec<f32> {
    array.as_primitive::<Float32Type>().values().to_vec()
}

fn texts(array: &dyn Array) -> Vec<String> {
    let texts = array.as_string::<i32>().iter();
    texts.map(|text| text.unwrap().to_owned()).collect()
}

/// The list of a row.
fn list(table: &RecordBatch, name: &str, row: usize) -> std::sync::Arc<dyn Array> {
    column(table, name).as_list::<i32>().value(row)
}

#[test]
fn a_feature_and_a_dead_one_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    write(&out, &[feature(5), dead(6)]).unwrap();
    let tables = read(&out.join("features.parquet"));
    let [table] = tables.as_slice() else {
        panic!("{} batches", tables.len())
    };
    assert_eq!(ints(column(table, "index")), [5, 6]);
    let n_fired = column(table, "n_fired").as_primitive::<Int64Type>();
    assert_eq!(n_fired.values()[..], [8, 0]);
    for (name, expected) in [
        ("density", 8.0 / 120.0),
        ("mean", 1.5),
        ("mean_square", 3.25),
        ("skewness", 0.5),
        ("kurtosis", 2.5),
    ] {
        let found = column(table, name).as_primitive::<Float64Type>().values();
        assert_eq!(found[..], [expected, 0.0], "{name}");
    }
    for (name, p) in [
        ("q01", 0.01_f32),
        ("q05", 0.05),
        ("q50", 0.5),
        ("q99", 0.99),
    ] {
        assert!(
            (floats(column(table, name))[0] - 4.0 * p).abs() < 1e-6,
            "{name}"
        );
        assert!(column(table, name).is_null(1), "{name}");
    }
    assert_eq!(floats(column(table, "max")), [4.0, 0.0]);
    assert_eq!(floats(column(table, "decoder_norm")), [2.0, 0.0]);
    assert_eq!(ints(&list(table, "top_token_ids", 0)), [10, 1]);
    assert_eq!(
        texts(&list(table, "top_tokens", 0)),
        [" word0", "\u{fffd}\u{fffd}\u{fffd}"]
    );
    assert_eq!(floats(&list(table, "top_logits", 0)), [3.0, 2.5]);
    assert_eq!(texts(&list(table, "bottom_tokens", 0)), ["<|outofrange|>"]);
    assert_eq!(ints(&list(table, "decoder_neighbours", 0)), [7, 2]);
    assert_eq!(floats(&list(table, "decoder_cosines", 0)), [0.75, 0.5]);
    assert_eq!(floats(&list(table, "coactive_shares", 0)), [0.25]);
    assert_eq!(ints(&list(table, "neurons", 0)), [1]);
    assert_eq!(floats(&list(table, "neuron_weights", 0)), [-2.0]);
    for field in table.schema().fields() {
        if let Some(lists) = column(table, field.name()).as_list_opt::<i32>() {
            assert!(
                lists.value(1).is_empty(),
                "{} of a dead feature",
                field.name()
            );
        }
    }

    let tables = read(&out.join("activations.parquet"));
    let table = &tables[0];
    assert_eq!(table.num_rows(), 3);
    assert_eq!(ints(column(table, "index")), [5, 5, 5]);
    assert_eq!(texts(column(table, "group")), ["top", "interval", "random"]);
    assert_eq!(
        [0, 1, 2].map(|row| column(table, "low").is_null(row)),
        [true, false, true]
    );
    assert_eq!(floats(column(table, "high"))[1].to_bits(), 4_f32.to_bits());
    assert_eq!(
        column(table, "context")
            .as_primitive::<Int64Type>()
            .values()[..],
        [9, 3, 4]
    );
    assert_eq!(ints(column(table, "position")), [1, 5, 15]);
    assert_eq!(ints(column(table, "start")), [0, 4, 14]);
    assert_eq!(floats(column(table, "value")), [4.0, 2.5, 1.0]);
    assert_eq!(ints(&list(table, "tokens", 0)), [0, 1, 2]);
    assert_eq!(texts(&list(table, "texts", 0))[0], " the");
    assert_eq!(floats(&list(table, "values", 1)), [0.5, 2.5, 0.0]);
}

#[test]
fn where_it_comes_from_is_in_both_files() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    write(&out, &[feature(5)]).unwrap();
    for name in ["features.parquet", "activations.parquet"] {
        let file = File::open(out.join(name)).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let metadata = reader
            .metadata()
            .file_metadata()
            .key_value_metadata()
            .unwrap();
        let value = |key: &str| {
            let entry = metadata.iter().find(|entry| entry.key == key);
            entry.and_then(|entry| entry.value.clone()).unwrap()
        };
        assert_eq!(value("hook_name"), "blocks.3.hook_mlp_out");
        assert_eq!(value("sae"), "runs/\u{202e}1");
        assert_eq!(value("n_tokens"), "120");
    }
}

#[test]
fn numbers_that_do_not_fit_are_refused_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let mut late = feature(5);
    late.groups[0].examples[0].context = u64::MAX;
    let error = write(&out, &[late]).unwrap_err();
    assert!(error.to_string().contains("context column"), "{error}");
    let mut large = feature(5);
    large.groups[0].examples[0].tokens[0] = u32::MAX;
    let error = write(&out, &[large]).unwrap_err();
    assert!(
        matches!(
            error,
            ExportError::TooLarge {
                column: "tokens",
                ..
            }
        ),
        "{error}"
    );
    let error = write(&out, &[feature(1 << 31)]).unwrap_err();
    assert!(
        matches!(
            error,
            ExportError::TooLarge {
                column: "index",
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(
        dir.path().read_dir().unwrap().count(),
        0,
        "something was left"
    );
}

#[test]
fn a_feature_that_failed_cannot_be_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let (overview, vocabulary) = (overview(8, &[5]), vocabulary());
    let mut writer = ParquetWriter::create(dir.path().join("out"), &overview, &vocabulary).unwrap();
    let mut late = feature(5);
    late.groups[1].examples[0].context = u64::MAX;
    writer.push(&late).unwrap_err();
    // Half of it is in the columns.
    let error = writer.push(&feature(5)).unwrap_err();
    assert!(
        matches!(error, ExportError::Unfinished { given: 0, shown: 1 }),
        "{error}"
    );
    writer.finish().unwrap_err();
}

#[test]
fn hostile_tokens_are_utf8() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let mut long = feature(0);
    let example = &mut long.groups[0].examples[0];
    (example.tokens, example.values) = ((0..10).collect(), vec![1.0; 10]);
    write(&out, &[long]).unwrap();
    let found = texts(&list(
        &read(&out.join("activations.parquet"))[0],
        "texts",
        0,
    ));
    assert_eq!(found[1], "\u{fffd}\u{fffd}\u{fffd}");
    assert_eq!(found[3], "\u{fffd}a\u{fffd}");
    assert_eq!(found[4], "\u{202e}\u{2066}abc\u{200f}");
    assert_eq!(
        [found[7].len(), found[8].len(), found[9].len()],
        [1024, 1024, 0]
    );
}

#[test]
fn the_same_features_are_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let features: Vec<Feature> = (0..200).map(feature).collect();
    for name in ["a", "b"] {
        write(&dir.path().join(name), &features).unwrap();
    }
    for name in ["features.parquet", "activations.parquet"] {
        let bytes = |folder: &str| std::fs::read(dir.path().join(folder).join(name)).unwrap();
        assert!(bytes("a") == bytes("b"), "{name}");
        assert_eq!(read(&dir.path().join("a").join(name)).len(), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn any_features_come_back(features in any_features()) {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        write(&out, &features).unwrap();
        let table = &read(&out.join("features.parquet"))[0];
        let expected: Vec<i32> = features.iter().map(|f| f.index as i32).collect();
        prop_assert_eq!(ints(column(table, "index")), expected);
        let tables = read(&out.join("activations.parquet"));
        let mut row = 0;
        for feature in &features {
            for example in feature.groups.iter().flat_map(|group| &group.examples) {
                let table = &tables[0];
                prop_assert_eq!(ints(column(table, "index"))[row], feature.index as i32);
                let tokens: Vec<u32> = ints(&list(table, "tokens", row)).iter().map(|t| t.cast_unsigned()).collect();
                prop_assert_eq!(&tokens, &example.tokens);
                let values = floats(&list(table, "values", row));
                prop_assert_eq!(&values, &example.values);
                let target = (example.position - example.start) as usize;
                prop_assert_eq!(floats(column(table, "value"))[row].to_bits(), values[target].to_bits());
                prop_assert_eq!(list(table, "texts", row).len(), tokens.len());
                row += 1;
            }
        }
        prop_assert_eq!(tables.first().map_or(0, RecordBatch::num_rows), row);
    }
}
