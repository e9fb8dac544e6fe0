//! Writes a table row by row, without keeping it.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::json;
use whole_file::WholeFile;

use super::lock::lock;
use crate::token_files::{KEY, METADATA, TableError, TableMetadata};

/// Writes a [`TokenTable`](super::TokenTable) file row by row.
///
/// Rows go to a temporary file beside the target, which takes the target's name when the writer is
/// [finished](TokenTableWriter::finish), and is removed when it is not; or to a [partial](TokenTableWriter::partial) file, which stays
/// when the work is interrupted, so that it can be [resumed](TokenTableWriter::resume).
#[derive(Debug)]
pub struct TokenTableWriter {
    path: PathBuf,
    out: BufWriter<File>,
    unfinished: Unfinished,
    metadata: TableMetadata,
    header_len: usize,
    rows: usize,
    bytes: Vec<u8>,
}

/// Where a table is until it is finished.
#[derive(Debug)]
enum Unfinished {
    /// Removed when it is dropped.
    Temporary(WholeFile),
    /// Left.
    Partial(PathBuf),
}

impl TokenTableWriter {
    /// Starts a table of rows of `metadata.context_size`.
    ///
    /// # Errors
    /// When no file can be made in the directory of `path`, and when the context size is 0.
    pub fn create(path: impl AsRef<Path>, metadata: &TableMetadata) -> Result<Self, TableError> {
        let path = path.as_ref();
        let whole = WholeFile::create(path)?;
        let file = whole.as_file().try_clone();
        let file = file.map_err(|source| write_error(path, source))?;
        Self::start(path, metadata, file, Unfinished::Temporary(whole))
    }

    /// As [`create`](Self::create), in a file that stays if the work is interrupted: that of `path` with `.part` added.
    ///
    /// # Errors
    /// As [`create`](Self::create), and when another process is writing the partial file.
    pub fn partial(path: impl AsRef<Path>, metadata: &TableMetadata) -> Result<Self, TableError> {
        let path = path.as_ref();
        let partial = with_suffix(path, ".part");
        // Emptied once it is ours alone.
        let mut open = OpenOptions::new();
        open.write(true).create(true).truncate(false);
        let io = |source| write_error(&partial, source);
        let file = open.open(&partial).map_err(io)?;
        lock(&file, &partial)?;
        file.set_len(0).map_err(io)?;
        Self::start(path, metadata, file, Unfinished::Partial(partial))
    }

    /// Resumes a [partial](Self::partial) table after its first `rows` rows; rows written after them are truncated.
    ///
    /// # Errors
    /// When there is no partial file of at least this many rows, begun with the same metadata, and when another process is writing it.
    pub fn resume(
        path: impl AsRef<Path>,
        metadata: &TableMetadata,
        rows: usize,
    ) -> Result<Self, TableError> {
        let path = path.as_ref();
        let partial = with_suffix(path, ".part");
        let open = OpenOptions::new().read(true).write(true).open(&partial);
        let mut file = open.map_err(|source| write_error(&partial, source))?;
        lock(&file, &partial)?;
        let header_len = header_len(metadata);
        let end = (8 + header_len + 4 * rows * metadata.context_size) as u64;
        let mut found = [0; 8];
        let read = file
            .read_exact(&mut found)
            .and_then(|()| Ok(file.metadata()?.len()));
        let len = read.map_err(|source| write_error(&partial, source))?;
        if u64::from_le_bytes(found) != header_len as u64 || len < end {
            return Err(TableError::NotBegun {
                path: partial,
                rows,
            });
        }
        file.set_len(end)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .map_err(|source| write_error(&partial, source))?;
        Ok(Self {
            path: path.to_owned(),
            out: BufWriter::with_capacity(1 << 20, file),
            unfinished: Unfinished::Partial(partial),
            metadata: metadata.clone(),
            header_len,
            rows,
            bytes: Vec::new(),
        })
    }

    fn start(
        path: &Path,
        metadata: &TableMetadata,
        file: File,
        unfinished: Unfinished,
    ) -> Result<Self, TableError> {
        if metadata.context_size == 0 {
            return Err(TableError::NotRows {
                found: 0,
                context_size: 0,
            });
        }
        let mut writer = Self {
            path: path.to_owned(),
            out: BufWriter::with_capacity(1 << 20, file),
            unfinished,
            metadata: metadata.clone(),
            header_len: header_len(metadata),
            rows: 0,
            bytes: Vec::new(),
        };
        writer.write_header().map_err(|source| writer.io(source))?;
        Ok(writer)
    }

    /// Makes sure that the rows so far are on the disk, and returns their number: a caller that saves it can
    /// [resume](Self::resume) from it.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn checkpoint(&mut self) -> Result<usize, TableError> {
        self.out
            .flush()
            .and_then(|()| self.out.get_ref().sync_data())
            .map_err(|source| self.io(source))?;
        Ok(self.rows)
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
            path,
            out,
            rows,
            unfinished,
            ..
        } = self;
        let io = |source| write_error(&path, source);
        let file = out.into_inner().map_err(|e| io(e.into_error()))?;
        file.sync_all().map_err(io)?;
        match unfinished {
            Unfinished::Temporary(whole) => whole.finish()?,
            Unfinished::Partial(partial) => std::fs::rename(partial, &path).map_err(io)?,
        }
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
        write_error(&self.path, source)
    }
}

fn write_error(path: &Path, source: std::io::Error) -> TableError {
    TableError::Io {
        doing: "write",
        path: path.to_owned(),
        source,
    }
}

/// The path with something added to its name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// How many rows there will be is not known at first: the header gets the room that the largest number would need.
fn header_len(metadata: &TableMetadata) -> usize {
    (8 + header(metadata, usize::MAX, u64::MAX).len()).next_multiple_of(8) - 8
}

fn header(metadata: &TableMetadata, rows: usize, bytes: u64) -> String {
    let own = json!(metadata).to_string();
    json!({
        "__metadata__": { "format": "pt", METADATA: own },
        KEY: { "dtype": "U32", "shape": [rows, metadata.context_size], "data_offsets": [0, bytes] },
    })
    .to_string()
}
