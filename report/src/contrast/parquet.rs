//! `contrast.parquet`.

use super::columns::{COLUMNS, Value, rows};
use super::document::ContrastReport;
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use std::sync::Arc;

/// The table of all features as a Parquet file: the columns of the CSV, numbers as 64-bit integers and floats, null where something is undefined.
///
/// # Errors
/// If the library refuses.
pub fn contrast_parquet(report: &ContrastReport) -> Result<Vec<u8>, ParquetError> {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (name, value) in COLUMNS {
        let mut column = Column::default();
        for (sae, row) in rows(report) {
            column.push(value(sae, row));
        }
        let (kind, array) = column.finish(kind_of(name));
        fields.push(Field::new(name, kind, true));
        columns.push(array);
    }
    let schema = Arc::new(Schema::new(fields));
    let level = ZstdLevel::try_new(3)?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level));
    let mut bytes = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut bytes, Arc::clone(&schema), Some(properties.build()))?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    writer.close()?;
    Ok(bytes)
}

/// The values of a column; one of the lists is used.
#[derive(Default)]
struct Column {
    texts: Vec<Option<String>>,
    ints: Vec<Option<i64>>,
    floats: Vec<Option<f64>>,
}

impl Column {
    fn push(&mut self, value: Value) {
        match value {
            Value::Text(text) => self.texts.push(text),
            Value::Int(n) => self.ints.push(n),
            Value::Float(x) => self.floats.push(x),
        }
    }

    fn finish(self, kind: DataType) -> (DataType, ArrayRef) {
        let array: ArrayRef = match kind {
            DataType::Utf8 => Arc::new(StringArray::from(self.texts)),
            DataType::Int64 => Arc::new(Int64Array::from(self.ints)),
            _ => Arc::new(Float64Array::from(self.floats)),
        };
        (kind, array)
    }
}

/// The type of a column, which a table without rows has too.
fn kind_of(name: &str) -> DataType {
    match name {
        "sae" | "hook_name" | "top_token_a" | "top_token_b" => DataType::Utf8,
        "layer" | "feature" | "d_sae" => DataType::Int64,
        name if ["n_fired", "top_prompt", "top_position"]
            .iter()
            .any(|start| name.starts_with(start)) =>
        {
            DataType::Int64
        }
        _ => DataType::Float64,
    }
}
