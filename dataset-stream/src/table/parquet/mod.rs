//! A table in a Parquet file: read forward, a batch at a time.

mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::source::{Block, ReadError, Reader, Rows, SourceError, parquet_footer, reader_of};
use crate::token_files::{METADATA, TableError, TableMetadata};

pub use writer::TokenParquetWriter;

/// Lists of ids of one length in a Parquet file.
pub(super) struct ParquetTable {
    path: PathBuf,
    at: Mutex<At>,
    pub(super) rows: usize,
    pub(super) context_size: usize,
    pub(super) metadata: Option<TableMetadata>,
}

/// The rows in hand, and where the next come from.
struct At {
    reader: Reader,
    block: Option<Block>,
}

impl std::fmt::Debug for ParquetTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetTable")
            .field("path", &self.path)
            .field("rows", &self.rows)
            .field("context_size", &self.context_size)
            .finish_non_exhaustive()
    }
}

impl ParquetTable {
    /// Reads the first rows, which say how long all are.
    pub(super) fn open(path: &Path) -> Result<Self, TableError> {
        let corrupt = |reason: String| TableError::NotATable {
            path: path.to_owned(),
            reason,
        };
        let found = std::fs::metadata(path).map_err(|source| TableError::Io {
            doing: "read",
            path: path.to_owned(),
            source,
        })?;
        // Opening a pipe waits for somebody who writes into it.
        if !found.is_file() {
            return Err(corrupt("it is a pipe or a device".into()));
        }
        let footer = parquet_footer(path, METADATA).map_err(read_error)?;
        let metadata = footer
            .value
            .map(|json| serde_json::from_str(&json))
            .transpose()
            .map_err(|e| corrupt(format!("its metadata entry {METADATA:?}: {e}")))?;
        let mut at = At {
            reader: reader_of(path).map_err(read_error)?,
            block: None,
        };
        at.block = at.reader.next_block()?;
        let context_size = match at.block.as_ref().map(|block| &block.rows) {
            Some(Rows::Ids { ends, .. }) => ends.first().copied().unwrap_or(0),
            Some(_) => {
                return Err(corrupt(
                    "the column holds text, expected lists of token ids; `sae tokenize` makes them"
                        .into(),
                ));
            }
            None => return Err(corrupt("it holds no rows".into())),
        };
        if context_size == 0 {
            return Err(corrupt("its first row is empty or no list of ids".into()));
        }
        Ok(Self {
            path: path.to_owned(),
            at: Mutex::new(at),
            rows: footer.rows,
            context_size,
            metadata,
        })
    }

    /// Appends row `row`, which must be one of the table's. Going back starts again from the first row.
    pub(super) fn read_row(&self, row: usize, out: &mut Vec<u32>) -> Result<(), TableError> {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if at.block.as_ref().is_none_or(|block| row < first_row(block)) {
            at.reader = reader_of(&self.path).map_err(read_error)?;
            at.block = at.reader.next_block()?;
        }
        loop {
            let Some(block) = &at.block else {
                return Err(TableError::NotATable {
                    path: self.path.clone(),
                    reason: format!(
                        "it ends before row {row}, and says that it has {} rows",
                        self.rows
                    ),
                });
            };
            let (first, rows) = (first_row(block), n_rows(block));
            if row < first + rows {
                return self.copy(block, row - first, out);
            }
            at.block = at.reader.next_block()?;
        }
    }

    fn copy(&self, block: &Block, row: usize, out: &mut Vec<u32>) -> Result<(), TableError> {
        if let Some(error) = block.error_at(row) {
            return Err(error.into());
        }
        let Rows::Ids {
            ids,
            ends,
            first_row,
        } = &block.rows
        else {
            return Ok(());
        };
        let start = row.checked_sub(1).map_or(0, |before| ends[before]);
        let found = &ids[start..ends[row]];
        if found.len() != self.context_size {
            return Err(TableError::NotATable {
                path: self.path.clone(),
                reason: format!(
                    "row {} has {} ids and the first row {}; give it with --dataset to have its rows cut or packed",
                    first_row + row as u64,
                    found.len(),
                    self.context_size
                ),
            });
        }
        out.extend_from_slice(found);
        Ok(())
    }
}

fn first_row(block: &Block) -> usize {
    match &block.rows {
        Rows::Ids { first_row, .. } => usize::try_from(*first_row).unwrap_or(usize::MAX),
        _ => 0,
    }
}

fn n_rows(block: &Block) -> usize {
    match &block.rows {
        Rows::Ids { ends, .. } => ends.len(),
        _ => 0,
    }
}

fn read_error(error: SourceError) -> TableError {
    match error {
        SourceError::Read(error) => error.into(),
        SourceError::Io { path, source } => TableError::Io {
            doing: "read",
            path,
            source,
        },
        // The path has been read already, so that these are not to be expected.
        other => TableError::Io {
            doing: "read",
            path: PathBuf::new(),
            source: std::io::Error::other(other),
        },
    }
}

impl From<ReadError> for TableError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Table(error) => error,
            other => Self::Read(Box::new(other)),
        }
    }
}
