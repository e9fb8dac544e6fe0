//! Parquet: the one column that is read, a batch of rows at a time.

mod chunks;
#[cfg(feature = "hub")]
mod remote;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

use crate::source::block::Block;
use crate::source::columnar::{ArrowRows, choose};
use crate::source::error::{ReadError, SourceError};
use crate::source::guard;
use crate::source::reader::{BlockReader, Context};
use crate::source::spec::{DataFile, data_file};
use crate::{Location, Place};
use chunks::{Chunks, Network};

pub(super) struct Parquet {
    file: Arc<DataFile>,
    network: Network,
    builder: Option<ParquetRecordBatchReaderBuilder<Chunks>>,
    batches: Option<ParquetRecordBatchReader>,
    rows: Option<ArrowRows>,
    column: Arc<str>,
    next_row: u64,
    total_rows: u64,
}

impl Parquet {
    pub(super) fn open(file: Arc<DataFile>) -> Result<Self, ReadError> {
        let chunks = Chunks::open(&file).map_err(|source| ReadError::Io {
            file: file.name.to_string(),
            source,
        })?;
        let network = Network::of(&chunks);
        // The Arrow schema that some writers embed would bring in dictionary and view types; the plain one has all we need.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = guarded(&file, &network, || {
            ParquetRecordBatchReaderBuilder::try_new_with_options(chunks, options)
        })?;
        let total_rows = builder.metadata().file_metadata().num_rows().max(0) as u64;
        Ok(Self {
            file,
            network,
            builder: Some(builder),
            batches: None,
            rows: None,
            column: "".into(),
            next_row: 0,
            total_rows,
        })
    }

    /// Chooses the column and starts reading it.
    fn start(
        &mut self,
        builder: ParquetRecordBatchReaderBuilder<Chunks>,
        context: &mut Context<'_>,
    ) -> Result<ParquetRecordBatchReader, ReadError> {
        let location = Location {
            file: Arc::clone(&self.file.name),
            place: Place::Row(0),
        };
        let (index, name) = choose(builder.schema(), &location, context)?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), [index]);
        let per_row = bytes_per_row(&builder, &name);
        let batch = (context.target / per_row.max(1)).clamp(1, 8192);
        self.column = name;
        guarded(&self.file, &self.network, || {
            self.network.want(|| parts_of(&builder, &self.column));
            builder.with_projection(mask).with_batch_size(batch).build()
        })
    }
}

impl BlockReader for Parquet {
    fn next_block(&mut self, context: &mut Context<'_>) -> Result<Option<Block>, ReadError> {
        if let Some(builder) = self.builder.take() {
            self.batches = Some(self.start(builder, context)?);
        }
        loop {
            if let Some((rows, bad)) = self
                .rows
                .as_mut()
                .and_then(|rows| rows.take(context.target))
            {
                return Ok(Some(Block {
                    file: Arc::clone(&self.file.name),
                    file_number: 0,
                    rows,
                    bad,
                    limit: context.limit,
                    on_disk: 0,
                }));
            }
            let Some(batches) = &mut self.batches else {
                return Ok(None);
            };
            let batch = guarded(&self.file, &self.network, || batches.next().transpose())?;
            let Some(batch) = batch else {
                return Ok(None);
            };
            let column = Arc::clone(&self.column);
            let array = Arc::clone(batch.column(0));
            self.rows = Some(ArrowRows::new(array, self.next_row, column));
            self.next_row += batch.num_rows() as u64;
        }
    }

    /// By rows: how far the library reads ahead is not known.
    fn on_disk(&self) -> u64 {
        let share = self.next_row as f64 / self.total_rows.max(1) as f64;
        (self.file.bytes as f64 * share.min(1.0)) as u64
    }
}

/// The content of a file's footer.
pub(crate) struct Footer {
    pub(crate) rows: usize,
    /// Under the key that was asked for.
    pub(crate) value: Option<String>,
}

/// Reads the number of rows and a metadata entry of a local file.
pub(crate) fn parquet_footer(path: &Path, key: &str) -> Result<Footer, SourceError> {
    let parquet = Parquet::open(Arc::new(data_file(path)?))?;
    let entries = parquet.builder.as_ref().and_then(|builder| {
        let metadata = builder.metadata().file_metadata();
        metadata.key_value_metadata()
    });
    let entry = entries.and_then(|entries| entries.iter().find(|entry| entry.key == key));
    Ok(Footer {
        rows: usize::try_from(parquet.total_rows).unwrap_or(usize::MAX),
        value: entry.and_then(|entry| entry.value.clone()),
    })
}

/// As [`guard::guarded`], with an error that names the file; errors of the network are passed on as they are.
fn guarded<T, E: std::fmt::Display>(
    file: &DataFile,
    network: &Network,
    run: impl FnOnce() -> Result<T, E>,
) -> Result<T, ReadError> {
    guard::guarded(run).map_err(|reason| {
        let file = file.name.to_string();
        match network.take_failure() {
            Some(source) => ReadError::Io { file, source },
            None => ReadError::Corrupt {
                file,
                format: "Parquet",
                reason,
            },
        }
    })
}

/// Where the column lies in the file: a part for each row group.
fn parts_of(builder: &ParquetRecordBatchReaderBuilder<Chunks>, column: &str) -> Vec<Range<u64>> {
    let chunks = column_chunks(builder, column).map(|chunk| {
        let (start, length) = chunk.byte_range();
        start..start.saturating_add(length)
    });
    chunks.collect()
}

fn column_chunks<'a>(
    builder: &'a ParquetRecordBatchReaderBuilder<Chunks>,
    column: &'a str,
) -> impl Iterator<Item = &'a ColumnChunkMetaData> {
    let groups = builder.metadata().row_groups().iter();
    groups
        .flat_map(RowGroupMetaData::columns)
        .filter(move |chunk| {
            let root = chunk.column_path().parts().first();
            root.is_some_and(|root| root == column)
        })
}

/// The column's average uncompressed size, so that a batch has about the bytes of a block.
fn bytes_per_row(builder: &ParquetRecordBatchReaderBuilder<Chunks>, column: &str) -> usize {
    let bytes = column_chunks(builder, column)
        .map(ColumnChunkMetaData::uncompressed_size)
        .fold(0, i64::saturating_add);
    let groups = builder.metadata().row_groups().iter();
    let rows: i64 = groups
        .map(RowGroupMetaData::num_rows)
        .fold(0, i64::saturating_add);
    (bytes.max(0) / rows.max(1)) as usize
}
