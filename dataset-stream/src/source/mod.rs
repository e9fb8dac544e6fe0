//! From a spec (path, directory, pattern) to documents.

#[cfg(feature = "arrow")]
mod arrow;
mod bad;
mod block;
mod bytes;
#[cfg(any(feature = "arrow", feature = "parquet"))]
mod columnar;
mod columns;
mod error;
#[cfg(any(feature = "arrow", feature = "parquet"))]
mod guard;
mod json;
mod memory;
#[cfg(feature = "parquet")]
mod parquet;
mod reader;
mod safetensors;
mod spec;
mod txt;

pub use bad::{BadRow, BadRows};
pub use error::{ReadError, SourceError};

#[cfg(feature = "parquet")]
pub(crate) use block::Rows;
pub(crate) use block::{Block, Cursor, RowRef};
pub(crate) use json::record::Scratch;
#[cfg(feature = "parquet")]
pub(crate) use parquet::parquet_footer;
pub(crate) use reader::Reader;

use std::fmt;
#[cfg(feature = "parquet")]
use std::path::Path;
use std::path::PathBuf;

#[cfg(feature = "hub")]
use hub_io::{Cache, Hub};

use crate::{Content, Document};

/// How a data set is read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceOptions {
    /// The configuration (subset) of a data set on the Hub, or of a folder laid out as one; by default the only one, or the one that its
    /// README or its name makes the default.
    pub config: Option<String>,
    /// The split of such a data set; by default `train`, or the only one.
    pub split: Option<String>,
    /// The column (JSON key, Parquet column, safetensors key) that holds text or ids. By default the first of `tokens`,
    /// `input_ids`, `text`, `content`, `raw_content`, `problem` whose value in the first row is text or a list of ids.
    pub column: Option<String>,
    /// The longest row that is accepted, in bytes of the decompressed file; a longer one is an error, so that a file
    /// without line breaks cannot fill the memory. 256 MiB by default.
    pub max_record_bytes: usize,
    /// What happens to rows that cannot be used.
    pub bad_rows: BadRows,
    /// Where the files of a data set on the Hub are kept as they are read, and read from if they exist; by default nowhere. Parquet
    /// files are brought there whole before they are read.
    #[cfg(feature = "hub")]
    pub cache: Option<Cache>,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self {
            config: None,
            split: None,
            column: None,
            max_record_bytes: 256 << 20,
            bad_rows: BadRows::Error,
            #[cfg(feature = "hub")]
            cache: None,
        }
    }
}

/// A data set as a sequence of [`Document`]s, in the order of its files and rows.
///
/// Read it by iterating, or hand it to a [`TokenStream`](crate::TokenStream), which parses and tokenises on threads.
/// The first error ends it.
///
/// # Formats
/// By the file's name: `.jsonl`, `.ndjson`, `.json` (an array, or values one after the other, as C4's files have), `.txt`
/// (**one file is one document**), each plain, `.gz` (one member or many) or `.zst` (one frame or many); `.parquet`; `.arrow`
/// (the IPC stream and the IPC file); `.safetensors` (a [`TokenTable`](crate::TokenTable)). All but `.txt`, Parquet's row groups
/// and Arrow's record batches are streamed.
pub struct TextSource {
    reader: Reader,
    block: Option<Block>,
    cursor: Cursor,
    scratch: Scratch,
    total_bytes: u64,
    files: Vec<PathBuf>,
    sizes: Vec<u64>,
    finished: bool,
}

impl TextSource {
    /// Opens the data set that `spec` names: a file, a directory (all data files below it, hidden ones aside; of a token
    /// folder and of one that Python's `datasets` has saved, those that it lists) or a pattern (`data/**/*.jsonl.zst`). Files are read in the byte order of their paths.
    ///
    /// # Errors
    /// When there is no such file, when a directory holds no data files or data files of several formats, and when the
    /// first rows cannot be read: they are, here, so that most mistakes show at once.
    pub fn open(spec: &str, options: &SourceOptions) -> Result<Self, SourceError> {
        let files = spec::resolve(
            spec,
            options,
            #[cfg(feature = "hub")]
            &spec::hub_of_environment,
        )?;
        Self::of_files(spec, files, options)
    }

    /// As [`open`](Self::open), with a given Hub instead of the one that the environment describes: another endpoint,
    /// token, patience or observer.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[cfg(feature = "hub")]
    pub fn open_with(spec: &str, options: &SourceOptions, hub: &Hub) -> Result<Self, SourceError> {
        let files = spec::resolve(spec, options, &|| Ok(hub.clone()))?;
        Self::of_files(spec, files, options)
    }

    fn of_files(
        spec: &str,
        files: Vec<spec::DataFile>,
        options: &SourceOptions,
    ) -> Result<Self, SourceError> {
        tracing::debug!(spec, files = files.len(), "opening data set");
        let sizes = files.iter().map(|file| file.bytes).collect();
        let paths = files.iter().map(|file| file.path.clone()).collect();
        let mut reader = Reader::new(files, options);
        reader.peek()?;
        Ok(Self::new(reader, sizes, paths))
    }

    /// A source of documents that the caller has or makes, one after the other.
    pub fn from_documents<I>(documents: I) -> Self
    where
        I: IntoIterator<Item = Content>,
        I::IntoIter: Send + 'static,
    {
        let reader = memory::Memory::new(documents.into_iter());
        Self::new(
            Reader::of(Box::new(reader), &SourceOptions::default()),
            Vec::new(),
            Vec::new(),
        )
    }

    fn new(reader: Reader, sizes: Vec<u64>, files: Vec<PathBuf>) -> Self {
        Self {
            total_bytes: reader.total_bytes(),
            reader,
            block: None,
            cursor: Cursor::default(),
            scratch: Scratch::default(),
            files,
            sizes,
            finished: false,
        }
    }

    /// The size of all files together, on disk, in bytes; 0 for documents from memory.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Bytes that decompressing takes besides what is read: the window of the zstd frame at the start (`zstd --long=31` has one of 2 GiB).
    pub fn window_bytes(&self) -> u64 {
        self.reader.window_bytes()
    }

    /// The files, in the order in which they are read; none for documents from memory.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    pub(crate) fn options(&self) -> &SourceOptions {
        self.reader.options()
    }

    /// The files by name and size, which tell this data set from another.
    pub(crate) fn identities(&self) -> impl Iterator<Item = (std::borrow::Cow<'_, str>, u64)> {
        // Where a local file lies does not matter; of a remote one, its address names the commit.
        let names = self.files.iter().map(|path| match path.to_str() {
            Some(address) if address.contains("://") => path.as_os_str(),
            _ => path.file_name().unwrap_or_default(),
        });
        names
            .map(std::ffi::OsStr::to_string_lossy)
            .zip(self.sizes.iter().copied())
    }

    pub(crate) fn bad_rows(&self) -> BadRows {
        self.reader.options().bad_rows
    }

    pub(crate) fn into_reader(self) -> Reader {
        self.reader
    }

    fn next_document(&mut self) -> Result<Option<Document>, ReadError> {
        loop {
            if self.block.is_none() {
                self.block = self.reader.next_block()?;
                self.cursor = Cursor::default();
            }
            let Some(block) = &self.block else {
                return Ok(None);
            };
            match block.next(&mut self.cursor, &mut self.scratch) {
                Some(Ok((row, place))) => {
                    let content = match row {
                        RowRef::Text(text) => Content::Text(text.to_owned()),
                        RowRef::Ids(ids) => Content::Tokens(ids.to_owned()),
                    };
                    return Ok(Some(Document {
                        content,
                        location: block.location(place),
                    }));
                }
                Some(Err(error)) => {
                    let skip = matches!(self.reader.options().bad_rows, BadRows::Skip { .. });
                    if !skip || error.row().is_none() {
                        return Err(error);
                    }
                    tracing::debug!(%error, "a row is left out");
                }
                None => self.block = None,
            }
        }
    }
}

impl fmt::Debug for TextSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextSource")
            .field("files", &self.files)
            .field("total_bytes", &self.total_bytes)
            .finish_non_exhaustive()
    }
}

impl Iterator for TextSource {
    type Item = Result<Document, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let next = self.next_document().transpose();
        self.finished = !matches!(next, Some(Ok(_)));
        next
    }
}

/// The blocks of one local file.
#[cfg(feature = "parquet")]
pub(crate) fn reader_of(path: &Path) -> Result<Reader, SourceError> {
    let file = spec::data_file(path)?;
    Ok(Reader::new(vec![file], &SourceOptions::default()))
}
