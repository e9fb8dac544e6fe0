//! Writes a table row by row, without keeping it.

use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::NamedTempFile;

use super::{KEY, METADATA, TableError, TableMetadata};

/// Writes a [`TokenTable`](super::TokenTable) file row by row.
///
/// Rows go to a temporary file beside the target, which takes the target's name when the writer is
/// [finished](TokenTableWriter::finish), and is removed when it is not.
#[derive(Debug)]
pub struct TokenTableWriter {
    path: PathBuf,
    out: BufWriter<NamedTempFile>,
    metadata: TableMetadata,
    header_len: usize,
    rows: usize,
    bytes: Vec<u8>,
}

impl TokenTableWriter {
    /// Starts a table of rows of `metadata.context_size`.
    ///
    /// # Errors
    /// When no file can be made in the directory of `path`, and when the context size is 0.
    pub fn create(path: impl AsRef<Path>, metadata: &TableMetadata) -> Result<Self, TableError> {
        let path = path.as_ref();
        if metadata.context_size == 0 {
            return Err(TableError::NotRows {
                found: 0,
                context_size: 0,
            });
        }
        let file = temporary_beside(path).map_err(|source| TableError::Io {
            doing: "write",
            path: path.to_owned(),
            source,
        })?;
        // How many rows there will be is not known yet: the header gets the room that the largest number would need.
        let header_len = (8 + header(metadata, usize::MAX, u64::MAX).len()).next_multiple_of(8) - 8;
        let mut writer = Self {
            path: path.to_owned(),
            out: BufWriter::with_capacity(1 << 20, file),
            metadata: metadata.clone(),
            header_len,
            rows: 0,
            bytes: Vec::new(),
        };
        writer.write_header().map_err(|source| writer.io(source))?;
        Ok(writer)
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the row has another length than the table's, and when it cannot be written.
    pub fn push(&mut self, row: &[u32]) -> Result<(), TableError> {
        let context_size = self.metadata.context_size;
        if row.len() != context_size {
            return Err(TableError::RowLength {
                found: row.len(),
                context_size,
            });
        }
        self.bytes.clear();
        self.bytes
            .extend(row.iter().flat_map(|id| id.to_le_bytes()));
        self.out
            .write_all(&self.bytes)
            .map_err(|source| self.io(source))?;
        self.rows += 1;
        Ok(())
    }

    /// Completes the file and gives it its name; returns the number of rows.
    ///
    /// # Errors
    /// When the rest cannot be written or the file cannot be renamed; then nothing is left behind.
    pub fn finish(mut self) -> Result<usize, TableError> {
        self.complete().map_err(|source| self.io(source))?;
        let Self {
            path, out, rows, ..
        } = self;
        let io = |source| TableError::Io {
            doing: "write",
            path: path.clone(),
            source,
        };
        let file = out.into_inner().map_err(|e| io(e.into_error()))?;
        file.as_file().sync_all().map_err(io)?;
        file.persist(&path).map_err(|e| io(e.error))?;
        Ok(rows)
    }

    fn complete(&mut self) -> std::io::Result<()> {
        self.out.seek(SeekFrom::Start(0))?;
        self.write_header()?;
        self.out.flush()
    }

    fn write_header(&mut self) -> std::io::Result<()> {
        let bytes = 4 * (self.rows * self.metadata.context_size) as u64;
        let mut text = header(&self.metadata, self.rows, bytes);
        // The format allows spaces after the JSON.
        text.extend(std::iter::repeat_n(' ', self.header_len - text.len()));
        self.out
            .write_all(&(self.header_len as u64).to_le_bytes())?;
        self.out.write_all(text.as_bytes())
    }

    fn io(&self, source: std::io::Error) -> TableError {
        TableError::Io {
            doing: "write",
            path: self.path.clone(),
            source,
        }
    }
}

fn header(metadata: &TableMetadata, rows: usize, bytes: u64) -> String {
    let own = json!(metadata).to_string();
    json!({
        "__metadata__": { "format": "pt", METADATA: own },
        KEY: { "dtype": "U32", "shape": [rows, metadata.context_size], "data_offsets": [0, bytes] },
    })
    .to_string()
}

fn temporary_beside(path: &Path) -> std::io::Result<NamedTempFile> {
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tokens-").suffix(".part");
    #[cfg(unix)]
    {
        // As for any new file: what the umask leaves. A temporary file would be its owner's only.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(dir)
}
