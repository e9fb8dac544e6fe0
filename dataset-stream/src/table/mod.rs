//! Rows of ids in a safetensors file, in a folder of them, or in a Parquet file.

mod folder_writer;
mod lock;
#[cfg(feature = "parquet")]
mod parquet;
mod writer;

use std::path::Path;

use crate::token_files::{Folder, Mapped, TableError, TableMetadata};

pub use folder_writer::TokenFolderWriter;
#[cfg(feature = "parquet")]
use parquet::ParquetTable;
#[cfg(feature = "parquet")]
pub use parquet::TokenParquetWriter;
pub use writer::TokenTableWriter;

/// A table of token ids, `[rows, context_size]`: in memory, mapped from safetensors files of any size, or read from a Parquet
/// file.
///
/// # File
/// Tensor `tokens`, `U32 [rows, context_size]`, and [`TableMetadata`] as JSON under `sae_lens` in `__metadata__`. Also read:
/// the types `U16`, `I32` and `I64`, the name `input_ids`, and, if the file has one tensor only, any name.
///
/// # Folder
/// Such files as shards, and `manifest.json`, which lists them with their rows, sizes and hashes; see
/// [`TokenFolderWriter`]. The rows are those of all shards, in their order.
///
/// # Parquet
/// A file whose name ends in `.parquet`, with a column of lists of integers, `tokens` or `input_ids`, all of one length; see
/// [`TokenParquetWriter`]. Rows are read in batches: forward is fast, and going back begins with the first row again.
#[derive(Debug)]
pub struct TokenTable {
    storage: Storage,
    rows: usize,
    context_size: usize,
    metadata: Option<TableMetadata>,
}

#[derive(Debug)]
enum Storage {
    Memory(Vec<u32>),
    Mapped(Box<Mapped>),
    Folder(Box<Folder>),
    #[cfg(feature = "parquet")]
    Parquet(Box<ParquetTable>),
}

impl TokenTable {
    /// A table in memory: `tokens` are its rows end to end.
    ///
    /// # Errors
    /// When `tokens` are not whole rows of `context_size`.
    pub fn new(context_size: usize, tokens: Vec<u32>) -> Result<Self, TableError> {
        if context_size == 0 || !tokens.len().is_multiple_of(context_size) {
            return Err(TableError::NotRows {
                found: tokens.len(),
                context_size,
            });
        }
        let rows = tokens.len() / context_size;
        Ok(Self {
            storage: Storage::Memory(tokens),
            rows,
            context_size,
            metadata: None,
        })
    }

    /// Maps a file, or all shards of a token folder, or opens a Parquet file. Values are checked when they are read.
    ///
    /// The files must not be changed while they are open.
    ///
    /// # Errors
    /// When a file cannot be read, is not safetensors, or holds no table of ids; when a folder has no manifest, was not
    /// written to its end, or has a shard of another size or with other rows than the manifest says.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TableError> {
        let path = path.as_ref();
        let ending = path.extension().unwrap_or_default();
        if ending.eq_ignore_ascii_case("parquet") && !path.is_dir() {
            return Self::open_parquet(path);
        }
        if !path.is_dir() {
            return Mapped::open(path, None).map(Self::of);
        }
        let mut folder = Folder::open(path)?;
        Ok(Self {
            rows: folder.rows,
            context_size: folder.context_size,
            metadata: folder.metadata.take(),
            storage: Storage::Folder(Box::new(folder)),
        })
    }

    #[cfg(feature = "parquet")]
    fn open_parquet(path: &Path) -> Result<Self, TableError> {
        let mut table = ParquetTable::open(path)?;
        Ok(Self {
            rows: table.rows,
            context_size: table.context_size,
            metadata: table.metadata.take(),
            storage: Storage::Parquet(Box::new(table)),
        })
    }

    #[cfg(not(feature = "parquet"))]
    fn open_parquet(path: &Path) -> Result<Self, TableError> {
        Err(TableError::NotBuilt {
            path: path.to_owned(),
        })
    }

    /// [`TokenTable::open`] for the tensor `key`.
    ///
    /// # Errors
    /// As [`TokenTable::open`], and when there is no such tensor.
    pub fn open_key(path: impl AsRef<Path>, key: &str) -> Result<Self, TableError> {
        Mapped::open(path.as_ref(), Some(key)).map(Self::of)
    }

    fn of(mut mapped: Mapped) -> Self {
        Self {
            rows: mapped.rows,
            context_size: mapped.context_size,
            metadata: mapped.metadata.take(),
            storage: Storage::Mapped(Box::new(mapped)),
        }
    }

    /// Ids in a row.
    pub fn context_size(&self) -> usize {
        self.context_size
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// How the table was made, if the file says so.
    pub fn metadata(&self) -> Option<&TableMetadata> {
        self.metadata.as_ref()
    }

    /// Row `row`.
    ///
    /// # Errors
    /// When there is no such row, and when it holds a value that is not an id.
    pub fn row(&self, row: usize) -> Result<Vec<u32>, TableError> {
        let mut ids = Vec::with_capacity(self.context_size);
        self.read_row(row, &mut ids)?;
        Ok(ids)
    }

    /// Appends row `row` to `out`.
    ///
    /// # Errors
    /// As [`TokenTable::row`].
    pub fn read_row(&self, row: usize, out: &mut Vec<u32>) -> Result<(), TableError> {
        if row >= self.rows {
            return Err(TableError::NoSuchRow {
                row,
                rows: self.rows,
            });
        }
        match &self.storage {
            Storage::Memory(tokens) => {
                let n = self.context_size;
                out.extend_from_slice(&tokens[row * n..][..n]);
                Ok(())
            }
            Storage::Mapped(mapped) => mapped.read_row(row, out),
            Storage::Folder(folder) => folder.read_row(row, out),
            #[cfg(feature = "parquet")]
            Storage::Parquet(table) => table.read_row(row, out),
        }
    }

    /// Compares the shards of a folder with their hashes in the manifest, which takes reading all of them; without effect for
    /// other tables, which have no hash.
    ///
    /// # Errors
    /// When one differs or cannot be read.
    pub fn verify(&self) -> Result<(), TableError> {
        match &self.storage {
            Storage::Folder(folder) => folder.verify(),
            _ => Ok(()),
        }
    }

    /// All rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = Result<Vec<u32>, TableError>> {
        (0..self.rows).map(|row| self.row(row))
    }

    /// Writes the table to `path`, whole or not at all; see [`TokenTableWriter`].
    ///
    /// # Errors
    /// When the file cannot be written, and when a row that is read from a file holds a value that is not an id.
    pub fn write_atomic(
        &self,
        path: impl AsRef<Path>,
        metadata: &TableMetadata,
    ) -> Result<(), TableError> {
        let metadata = TableMetadata {
            context_size: self.context_size,
            ..metadata.clone()
        };
        let mut writer = TokenTableWriter::create(path, &metadata)?;
        for row in self.rows() {
            writer.push(&row?)?;
        }
        writer.finish()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.safetensors");
        let metadata = TableMetadata {
            tokenizer_name: Some("a \"quoted\" näme".into()),
            context_size: 3,
            begin_batch_token: Some(1),
            ..TableMetadata::default()
        };
        let mut writer = TokenTableWriter::create(&path, &metadata).unwrap();
        assert!(!path.exists(), "the name is given last");
        for row in 0..1000u32 {
            writer.push(&[row, u32::MAX - row, 7]).unwrap();
        }
        assert_eq!(writer.finish().unwrap(), 1000);
        let table = TokenTable::open(&path).unwrap();
        assert_eq!(
            (table.len(), table.context_size(), table.metadata()),
            (1000, 3, Some(&metadata))
        );
        assert_eq!(table.row(999).unwrap(), [999, u32::MAX - 999, 7]);
        assert_eq!(
            table.rows().map(|row| row.unwrap()[0]).sum::<u32>(),
            499_500
        );
        assert_eq!(
            table.row(1000).unwrap_err().to_string(),
            "row 1000 of 1000 was asked for"
        );
        // And as any other reader sees it.
        let bytes = std::fs::read(&path).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(tensors.tensor("tokens").unwrap().shape(), [1000, 3]);
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing else is left behind"
        );
    }

    #[test]
    fn an_empty_table_is_a_table() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none.safetensors");
        TokenTable::new(8, Vec::new())
            .unwrap()
            .write_atomic(&path, &TableMetadata::default())
            .unwrap();
        let table = TokenTable::open(&path).unwrap();
        assert!(table.is_empty());
        assert_eq!(table.context_size(), 8);
    }

    #[test]
    fn a_writer_that_is_not_finished_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.safetensors");
        std::fs::write(&path, "what was there before").unwrap();
        let metadata = TableMetadata {
            context_size: 2,
            ..TableMetadata::default()
        };
        let mut writer = TokenTableWriter::create(&path, &metadata).unwrap();
        writer.push(&[1, 2]).unwrap();
        let error = writer.push(&[1, 2, 3]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a row of 3 ids was put into a table of rows of 2"
        );
        drop(writer);
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "what was there before"
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn whole_rows_only() {
        let said = |context_size, n| {
            TokenTable::new(context_size, vec![0; n])
                .unwrap_err()
                .to_string()
        };
        assert_eq!(said(3, 4), "4 ids are not whole rows of 3");
        assert_eq!(said(0, 0), "0 ids are not whole rows of 0");
        let table = TokenTable::new(2, vec![1, 2, 3, 4]).unwrap();
        assert_eq!(table.row(1).unwrap(), [3, 4]);
    }
}
