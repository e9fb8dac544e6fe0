//! Rows of ids in a safetensors file.

mod error;
mod metadata;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};

pub use error::TableError;
pub use metadata::TableMetadata;
pub use writer::TokenTableWriter;

/// The tensor that holds the rows.
const KEY: &str = "tokens";
/// The header entry that holds [`TableMetadata`].
const METADATA: &str = "sae_lens";

/// A table of token ids, `[rows, context_size]`: in memory, or mapped from a safetensors file of any size.
///
/// # File
/// Tensor `tokens`, `U32 [rows, context_size]`, and [`TableMetadata`] as JSON under `sae_lens` in `__metadata__`. Also read:
/// the types `U16`, `I32` and `I64`, the name `input_ids`, and, if the file has one tensor only, any name.
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
    Mapped {
        map: Mmap,
        path: PathBuf,
        key: String,
        dtype: Dtype,
        start: usize,
    },
}

impl TokenTable {
    /// A table in memory: `tokens` are its rows end to end.
    ///
    /// # Errors
    /// When `tokens` are not whole rows of `context_size`.
    pub fn new(context_size: usize, tokens: Vec<u32>) -> Result<Self, TableError> {
        if context_size == 0 || !tokens.len().is_multiple_of(context_size) {
            return Err(TableError::RowLength {
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

    /// Maps a file. Its values are checked when they are read.
    ///
    /// The file must not be changed while it is open.
    ///
    /// # Errors
    /// When the file cannot be read, is not safetensors, or holds no table of ids.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TableError> {
        Self::map(path.as_ref(), None)
    }

    /// [`TokenTable::open`] for the tensor `key`.
    ///
    /// # Errors
    /// As [`TokenTable::open`], and when there is no such tensor.
    pub fn open_key(path: impl AsRef<Path>, key: &str) -> Result<Self, TableError> {
        Self::map(path.as_ref(), Some(key))
    }

    fn map(path: &Path, key: Option<&str>) -> Result<Self, TableError> {
        let io = |source| TableError::Io {
            doing: "read",
            path: path.to_owned(),
            source,
        };
        let corrupt = |reason: String| TableError::Corrupt {
            path: path.to_owned(),
            reason,
        };
        let file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.len() == 0 {
            return Err(corrupt("it is empty".into()));
        }
        // SAFETY: the map is read only; that nobody changes the file underneath is the documented condition, as for every
        // reader that maps files.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        let (header, all) = SafeTensors::read_metadata(&map).map_err(|e| corrupt(e.to_string()))?;
        let key = choose(path, &all.offset_keys(), key)?;
        let info = all
            .info(&key)
            .ok_or_else(|| corrupt(format!("tensor {key:?} has no entry")))?;
        let (&[rows, context_size], dtype) = (info.shape.as_slice(), info.dtype) else {
            return Err(TableError::Shape {
                path: path.to_owned(),
                key,
                shape: info.shape.clone(),
            });
        };
        if context_size == 0 {
            return Err(TableError::Shape {
                path: path.to_owned(),
                key,
                shape: info.shape.clone(),
            });
        }
        if !matches!(dtype, Dtype::U16 | Dtype::U32 | Dtype::I32 | Dtype::I64) {
            return Err(TableError::Dtype {
                path: path.to_owned(),
                key,
                dtype: format!("{dtype:?}"),
            });
        }
        let metadata = match all
            .metadata()
            .as_ref()
            .and_then(|entries| entries.get(METADATA))
        {
            Some(json) => Some(
                serde_json::from_str(json)
                    .map_err(|e| corrupt(format!("its metadata entry {METADATA:?}: {e}")))?,
            ),
            None => None,
        };
        let start = 8 + header + info.data_offsets.0;
        let storage = Storage::Mapped {
            map,
            path: path.to_owned(),
            key,
            dtype,
            start,
        };
        Ok(Self {
            storage,
            rows,
            context_size,
            metadata,
        })
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

    /// Bytes of one id as it is stored.
    pub(crate) fn bytes_per_id(&self) -> usize {
        match &self.storage {
            Storage::Memory(_) => 4,
            Storage::Mapped { dtype, .. } => width(*dtype),
        }
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
        let n = self.context_size;
        let (map, path, key, dtype, start) = match &self.storage {
            Storage::Memory(tokens) => {
                out.extend_from_slice(&tokens[row * n..][..n]);
                return Ok(());
            }
            Storage::Mapped {
                map,
                path,
                key,
                dtype,
                start,
            } => (map, path, key, *dtype, *start),
        };
        let bytes = &map[start + row * n * width(dtype)..][..n * width(dtype)];
        let bad = match dtype {
            Dtype::U16 => convert(bytes, |b: [u8; 2]| u16::from_le_bytes(b).into(), out),
            Dtype::U32 => convert(bytes, |b: [u8; 4]| u32::from_le_bytes(b).into(), out),
            Dtype::I32 => convert(bytes, |b: [u8; 4]| i32::from_le_bytes(b).into(), out),
            _ => convert(bytes, i64::from_le_bytes, out),
        };
        match bad {
            None => Ok(()),
            Some((column, value)) => Err(TableError::NotAnId {
                path: path.clone(),
                key: key.clone(),
                row,
                column,
                value,
            }),
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

fn choose(path: &Path, keys: &[String], wanted: Option<&str>) -> Result<String, TableError> {
    let has = |key: &str| keys.iter().any(|k| k == key);
    match wanted {
        Some(key) if has(key) => return Ok(key.into()),
        None if has(KEY) => return Ok(KEY.into()),
        None if has("input_ids") => return Ok("input_ids".into()),
        None if keys.len() == 1 => return Ok(keys[0].clone()),
        _ => {}
    }
    let wanted = wanted.map_or_else(
        || format!("{KEY:?} or \"input_ids\""),
        |key| format!("{key:?}"),
    );
    let mut found: Vec<_> = keys.iter().take(10).map(|key| format!("{key:?}")).collect();
    match keys.len() {
        0 => found.push("none".into()),
        n if n > 10 => found.push(format!("{} more", n - 10)),
        _ => {}
    }
    Err(TableError::NoTensor {
        path: path.to_owned(),
        wanted,
        found: found.join(", "),
    })
}

fn width(dtype: Dtype) -> usize {
    match dtype {
        Dtype::U16 => 2,
        Dtype::I64 => 8,
        _ => 4,
    }
}

/// Appends values as ids; the first that is none, and where it is.
fn convert<const N: usize>(
    bytes: &[u8],
    value: impl Fn([u8; N]) -> i64,
    out: &mut Vec<u32>,
) -> Option<(usize, i64)> {
    let (values, _) = bytes.as_chunks::<N>();
    for (at, &bytes) in values.iter().enumerate() {
        let value = value(bytes);
        match u32::try_from(value) {
            Ok(id) => out.push(id),
            Err(_) => return Some((at, value)),
        }
    }
    None
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
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
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
        assert!(TokenTable::new(3, vec![1, 2, 3, 4]).is_err());
        assert!(TokenTable::new(0, vec![]).is_err());
        let table = TokenTable::new(2, vec![1, 2, 3, 4]).unwrap();
        assert_eq!(table.row(1).unwrap(), [3, 4]);
    }
}
