//! A Parquet file that grows by batches of features.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::BATCH;
use crate::Overview;

/// Bytes and rows of a row group, which is kept until it is written.
const GROUP_BYTES: usize = 64 << 20;
const GROUP_ROWS: usize = 1 << 16;

/// Columns that are being filled.
pub(super) trait Build: Default {
    fn fields() -> Vec<Field>;
    fn finish(&mut self) -> Vec<ArrayRef>;
}

pub(super) struct Table<C> {
    pub(super) columns: C,
    schema: SchemaRef,
    writer: ArrowWriter<File>,
    pending: usize,
}

impl<C: Build> Table<C> {
    pub(super) fn create(path: &Path, overview: &Overview) -> std::io::Result<Self> {
        let schema = Arc::new(Schema::new(C::fields()));
        let level = ZstdLevel::try_new(3).map_err(from_parquet)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_max_row_group_bytes(Some(GROUP_BYTES))
            .set_key_value_metadata(Some(metadata(overview)))
            .build();
        let file = File::create_new(path)?;
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties));
        Ok(Self {
            columns: C::default(),
            schema,
            writer: writer.map_err(from_parquet)?,
            pending: 0,
        })
    }

    /// A feature has been added to the columns.
    pub(super) fn pushed(&mut self) -> std::io::Result<()> {
        self.pending += 1;
        if self.pending == BATCH {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> std::io::Result<()> {
        self.pending = 0;
        RecordBatch::try_new(Arc::clone(&self.schema), self.columns.finish())
            .map_err(ParquetError::from)
            .and_then(|batch| self.writer.write(&batch))
            .map_err(from_parquet)
    }

    pub(super) fn finish(mut self) -> std::io::Result<()> {
        self.write()?;
        self.writer.close().map_err(from_parquet)?;
        Ok(())
    }
}

/// Where the dashboards come from.
fn metadata(overview: &Overview) -> Vec<KeyValue> {
    let source = &overview.source;
    let entries = [
        ("model", source.model.clone()),
        ("sae", source.sae.clone()),
        ("architecture", source.architecture.clone()),
        ("hook_name", source.hook_name.clone()),
        ("dataset", source.dataset.clone()),
        ("context_size", source.context_size.to_string()),
        ("convention", source.convention.clone()),
        ("d_sae", overview.d_sae.to_string()),
        ("n_tokens", overview.n_tokens.to_string()),
        ("n_contexts", overview.n_contexts.to_string()),
    ];
    let entry = |(key, value): (&str, String)| KeyValue::new(key.to_owned(), value);
    entries.map(entry).into()
}

fn from_parquet(error: ParquetError) -> std::io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(io) => *io,
            Err(other) => std::io::Error::other(other),
        },
        other => std::io::Error::other(other),
    }
}
