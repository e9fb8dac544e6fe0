//! Errors of token tables.

use std::path::PathBuf;

use thiserror::Error;

/// Why a token table could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TableError {
    /// The file system refused.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// The operation that failed.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file or folder that cannot be begun or named.
    #[error(transparent)]
    Write(#[from] whole_file::WriteError),
    /// A file that is not safetensors, or a damaged one.
    #[error("{path} is not a readable safetensors file: {reason}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
    /// No such tensor.
    #[error("{path} has no tensor {wanted}; it has {found}")]
    NoTensor {
        /// The file.
        path: PathBuf,
        /// The tensor that was looked for.
        wanted: String,
        /// What there is.
        found: String,
    },
    /// A tensor that is not a table.
    #[error("{path}: tensor {key:?} has the shape {shape:?}, expected [rows, context size]")]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A tensor that does not hold ids.
    #[error("{path}: tensor {key:?} is {dtype}, expected U16, U32, I32 or I64")]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
        /// Its type.
        dtype: String,
    },
    /// A value that cannot be an id.
    #[error("{path}: tensor {key:?} holds {value} at [{row}, {column}], which is not a token id")]
    NotAnId {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
        /// The row.
        row: usize,
        /// The column.
        column: usize,
        /// The value.
        value: i64,
    },
    /// A row that is not there.
    #[error("row {row} of {rows} was asked for")]
    NoSuchRow {
        /// The row asked for.
        row: usize,
        /// How many there are.
        rows: usize,
    },
    /// Ids that do not make up rows.
    #[error("{found} ids are not whole rows of {context_size}")]
    NotRows {
        /// How many ids.
        found: usize,
        /// The rows'.
        context_size: usize,
    },
    /// A row of another length than the table's.
    #[error("a row of {found} ids was put into a table of rows of {context_size}")]
    RowLength {
        /// The row's.
        found: usize,
        /// The table's.
        context_size: usize,
    },
    /// A partial table that is not the one that was begun.
    #[error(
        "{path} does not hold the first {rows} rows of this table: it was begun with other settings, or is damaged; remove it to start again"
    )]
    NotBegun {
        /// The partial file.
        path: PathBuf,
        /// The rows it should hold.
        rows: usize,
    },
    /// A partial table that another process is writing.
    #[error(
        "{path} is being written by another process; wait until it ends, or choose another output"
    )]
    AtWork {
        /// The partial file or folder.
        path: PathBuf,
    },
    /// A manifest that cannot be right.
    #[error("{path} is not a readable manifest of a token folder: {reason}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
    /// A folder without a manifest.
    #[error(
        "{path} is a folder without a manifest.json of a token folder; name a file in it, or a folder that `sae tokenize` has written"
    )]
    NoManifest {
        /// The folder.
        path: PathBuf,
    },
    /// A folder whose writer was interrupted.
    #[error(
        "{path} is incomplete: its writer was interrupted; resume it (--resume), or write it again"
    )]
    Incomplete {
        /// The folder.
        path: PathBuf,
    },
    /// A shard that is not what the manifest says.
    #[error("{path} {what}; restore the file, or write the folder again")]
    Shard {
        /// The shard.
        path: PathBuf,
        /// The values found and expected.
        what: String,
    },
    /// A folder that is not ours to replace.
    #[error(
        "{path} holds {name:?}, which is not of a token folder and would be lost; choose another name, or empty it"
    )]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// A name found in it.
        name: String,
    },
    /// An id that the column's type cannot hold.
    #[error("row {row} holds the id {id}, and Parquet token files have signed ids of 32 bits")]
    TooLargeForParquet {
        /// The row.
        row: usize,
        /// The id.
        id: u32,
    },
    /// A Parquet file, where this crate was built without its feature `parquet`.
    #[error("{path} cannot be read by this build: it lacks the feature parquet of dataset-stream")]
    NotBuilt {
        /// The file.
        path: PathBuf,
    },
    /// A file whose rows are not a table.
    #[error("{path} is not a table of token ids: {reason}")]
    NotATable {
        /// The file.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
    /// A file that cannot be read as a data set.
    #[error(transparent)]
    Read(Box<dyn std::error::Error + Send + Sync>),
}
