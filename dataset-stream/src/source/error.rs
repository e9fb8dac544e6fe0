//! Errors between a spec and a document.

use std::path::PathBuf;

use thiserror::Error;

use crate::Location;
use crate::token_files::TableError;

/// Why a data set could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Neither a file, a directory, a pattern nor anything else that could be read.
    #[error(
        "no file, directory or pattern {spec}; a relative path is looked up from the current directory, {cwd}"
    )]
    NotFound {
        /// The spec, as given.
        spec: String,
        /// Where a relative path is looked up.
        cwd: PathBuf,
    },
    /// A data set on the Hub or at an address that cannot be read.
    #[error(
        "{spec} is not on this machine, and cannot be read from the Hub or its address: {source}"
    )]
    Remote {
        /// The spec, as given.
        spec: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Needs a feature of this crate that it was built without.
    #[error(
        "{spec} cannot be read by this build: it lacks the feature {feature} of dataset-stream"
    )]
    NotBuilt {
        /// The spec, as given.
        spec: String,
        /// The feature.
        feature: &'static str,
    },
    /// A folder without such a configuration or split.
    #[cfg(feature = "hub")]
    #[error("{path}: {source}")]
    Split {
        /// The folder.
        path: PathBuf,
        /// The problem, with what exists.
        source: hub_io::DataFilesError,
    },
    /// A configuration or a split of something that has none.
    #[error(
        "{spec} has no configurations and splits to choose from: data sets on the Hub have them, and folders laid out like one"
    )]
    NoSplits {
        /// The spec, as given.
        spec: String,
    },
    /// A cache for something that is not a data set on the Hub.
    #[error(
        "{spec} is not kept: the cache has room for data sets on the Hub, organisation/name; leave the cache out, or download the files"
    )]
    NotKept {
        /// The spec, as given.
        spec: String,
    },
    /// An address of another kind.
    #[error(
        "{spec} is not an address that can be read; known are https://, http://, hf://datasets/ and file://"
    )]
    Scheme {
        /// The spec, as given.
        spec: String,
    },
    /// A file of a format that is not read as a stream.
    #[error(
        "{name} cannot be streamed: {format} files are mapped into memory; download them and give their path"
    )]
    NotStreamed {
        /// The file.
        name: String,
        /// Its ending.
        format: &'static str,
    },
    /// A pattern that does not parse.
    #[error("{spec} is not a valid pattern: {reason}")]
    BadPattern {
        /// The pattern.
        spec: String,
        /// The problem.
        reason: String,
    },
    /// A pattern that no file matches.
    #[error("the pattern {spec} matches no file")]
    NoMatch {
        /// The pattern.
        spec: String,
    },
    /// A directory without a data file.
    #[error("{path} holds no data file; known are {known}{found}", known = super::spec::format::KNOWN)]
    NothingInDirectory {
        /// The directory.
        path: PathBuf,
        /// What is in it instead, for the message.
        found: String,
    },
    /// A directory with data files of several formats, which may be the same data twice.
    #[error(
        "{path} holds files of several formats ({formats}); name one of them by a pattern, such as {example:?}"
    )]
    MixedFormats {
        /// The directory.
        path: PathBuf,
        /// The formats and how many files each has.
        formats: String,
        /// A pattern that would do.
        example: String,
    },
    /// A folder of Python's `datasets` that cannot be read.
    #[error("{path} was saved by datasets, and cannot be read: {reason}")]
    Saved {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A file whose name tells no known format.
    #[error("{path}: its name does not say which format it has; known are {known}", known = super::spec::format::KNOWN)]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The first rows are already wrong.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why a row could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file system refused.
    #[error("cannot read {file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A compressed stream or a JSON array that stops in the middle.
    #[error("{file} is truncated: {reason}; the file is incomplete, fetch or write it again")]
    Truncated {
        /// The file.
        file: String,
        /// The reason, and the place.
        reason: String,
    },
    /// Needs a feature of this crate that it was built without.
    #[error(
        "{file} cannot be read by this build: it lacks the feature {feature} of dataset-stream"
    )]
    NotBuilt {
        /// The file.
        file: String,
        /// The feature.
        feature: &'static str,
    },
    /// A container (gzip, zstd, Parquet, safetensors) that is damaged or is something else.
    #[error("{file} is not a readable {format} file: {reason}")]
    Corrupt {
        /// The file.
        file: String,
        /// The expected format.
        format: &'static str,
        /// The problem.
        reason: String,
    },
    /// A record that is not JSON.
    #[error("{location}, byte {byte}: not valid JSON: {reason}")]
    BadJson {
        /// The record.
        location: Location,
        /// Counted from 1 at the record's start.
        byte: usize,
        /// The parser's message.
        reason: String,
    },
    /// Text that is not UTF-8.
    #[error("{location}: not valid UTF-8 at byte {byte}")]
    BadUtf8 {
        /// The row.
        location: Location,
        /// Counted from 0 at the row's start.
        byte: usize,
    },
    /// A value of the wrong type.
    #[error("{location}: column {column:?} is {found}, expected text or a list of token ids")]
    WrongType {
        /// The row.
        location: Location,
        /// The column.
        column: String,
        /// The type found.
        found: String,
    },
    /// A row without the column.
    #[error("{location}: no column {column:?}; the row has {columns}")]
    MissingColumn {
        /// The row.
        location: Location,
        /// The column that was asked for, or that earlier rows have.
        column: String,
        /// The columns of the row.
        columns: String,
    },
    /// No column that looks like text or ids.
    #[error(
        "{location}: none of the columns {tried} holds text or token ids; the row has {columns}; choose one by its name",
        tried = super::columns::CANDIDATES.join(", ")
    )]
    NoTextColumn {
        /// The row.
        location: Location,
        /// The columns of the row.
        columns: String,
    },
    /// A row longer than the limit.
    #[error(
        "{location}: the row is longer than the limit of {limit} bytes; split it, or raise the limit (max_record_bytes)"
    )]
    TooLong {
        /// The row.
        location: Location,
        /// The limit.
        limit: usize,
    },
    /// A token table that cannot be read.
    #[error(transparent)]
    Table(TableError),
}

impl From<TableError> for ReadError {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}
