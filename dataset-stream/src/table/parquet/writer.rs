//! Writes a table as Parquet, as Python's `datasets` and SAELens read it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use whole_file::WholeFile;

use crate::token_files::{METADATA, TableError, TableMetadata};

const COLUMN: &str = "input_ids";
/// Ids in a row group, 64 MiB of them, which are kept until it is written.
const GROUP: usize = 16 << 20;
/// Ids that are handed to the library at a time.
const BATCH: usize = 1 << 20;

/// Writes rows of ids to a Parquet file: a column `input_ids` of `list<int32>`, zstd-compressed, and [`TableMetadata`] as JSON
/// under `sae_lens` in the file's key-value metadata.
///
/// Rows go to a temporary file beside the target, which takes the target's name when the writer is
/// [finished](TokenParquetWriter::finish), and is removed when it is not.
pub struct TokenParquetWriter {
    path: PathBuf,
    whole: WholeFile,
    writer: ArrowWriter<File>,
    schema: SchemaRef,
    pending: ListBuilder<Int32Builder>,
    pending_ids: usize,
    context_size: usize,
    rows: usize,
}

impl std::fmt::Debug for TokenParquetWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenParquetWriter")
            .field("path", &self.path)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl TokenParquetWriter {
    /// Starts a table of rows of `metadata.context_size`.
    ///
    /// # Errors
    /// When no file can be made in the directory of `path`, and when the context size is 0.
    pub fn create(path: impl AsRef<Path>, metadata: &TableMetadata) -> Result<Self, TableError> {
        let path = path.as_ref();
        let context_size = metadata.context_size;
        if context_size == 0 {
            return Err(TableError::NotRows {
                found: 0,
                context_size,
            });
        }
        let io = |source| write_error(path, source);
        let whole = WholeFile::create(path)?;
        let file = whole.as_file().try_clone().map_err(io)?;
        let item = Arc::new(Field::new("element", DataType::Int32, false));
        let list = Field::new(COLUMN, DataType::List(Arc::clone(&item)), false);
        let schema = Arc::new(Schema::new(vec![list]));
        let own = serde_json::to_string(metadata).map_err(|e| io(e.into()))?;
        let level = ZstdLevel::try_new(3).map_err(|e| io(std::io::Error::other(e)))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some((GROUP / context_size).max(1)))
            .set_key_value_metadata(Some(vec![KeyValue::new(METADATA.to_owned(), own)]))
            .build();
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))
            .map_err(|e| write_failed(path, e))?;
        Ok(Self {
            path: path.to_owned(),
            whole,
            writer,
            schema,
            pending: ListBuilder::new(Int32Builder::new()).with_field(item),
            pending_ids: 0,
            context_size,
            rows: 0,
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the row has another length than the table's, holds an id above 2^31 - 1, or cannot be written.
    pub fn push(&mut self, row: &[u32]) -> Result<(), TableError> {
        if row.len() != self.context_size {
            return Err(TableError::RowLength {
                found: row.len(),
                context_size: self.context_size,
            });
        }
        if let Some(&id) = row.iter().find(|&&id| i32::try_from(id).is_err()) {
            return Err(TableError::TooLargeForParquet { row: self.rows, id });
        }
        let ids = self.pending.values();
        // Each fits: it has been looked at.
        for &id in row {
            ids.append_value(id as i32);
        }
        self.pending.append(true);
        self.pending_ids += row.len();
        self.rows += 1;
        if self.pending_ids >= BATCH {
            self.write_pending()?;
        }
        Ok(())
    }

    /// Completes the file and gives it its name; returns the number of rows.
    ///
    /// # Errors
    /// When the rest cannot be written or the file cannot be renamed; then nothing is left behind.
    pub fn finish(mut self) -> Result<usize, TableError> {
        self.write_pending()?;
        let path = self.path;
        let io = |source| write_error(&path, source);
        let file = self
            .writer
            .into_inner()
            .map_err(|e| write_failed(&path, e))?;
        file.sync_all().map_err(io)?;
        self.whole.finish()?;
        Ok(self.rows)
    }

    fn write_pending(&mut self) -> Result<(), TableError> {
        self.pending_ids = 0;
        let lists: ArrayRef = Arc::new(self.pending.finish());
        RecordBatch::try_new(Arc::clone(&self.schema), vec![lists])
            .map_err(ParquetError::from)
            .and_then(|batch| self.writer.write(&batch))
            .map_err(|e| write_failed(&self.path, e))
    }
}

fn write_failed(path: &Path, error: ParquetError) -> TableError {
    let source = match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(io) => *io,
            Err(other) => std::io::Error::other(other),
        },
        other => std::io::Error::other(other),
    };
    write_error(path, source)
}

fn write_error(path: &Path, source: std::io::Error) -> TableError {
    TableError::Io {
        doing: "write",
        path: path.to_owned(),
        source,
    }
}
