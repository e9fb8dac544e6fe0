//! Rows that cannot be used, and what happens to them.

use crate::Location;

use super::error::ReadError;

/// What happens to a row that cannot be used: JSON that does not parse, text that is not UTF-8, a null or a value of another type,
/// no such column, a row that is too long, ids outside the vocabulary.
///
/// A damaged file (truncated, failing its checksum, not of its format) is an error in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BadRows {
    /// It ends the stream, after the rows before it.
    #[default]
    Error,
    /// It is left out, and counted.
    Skip {
        /// More bad rows than this share of all, in percent, are an error after all, once a thousand rows have been read: a data
        /// set that is bad throughout is not what was meant.
        at_most_percent: u8,
    },
}

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Where it is.
    pub location: Location,
    /// The problem.
    pub reason: String,
    /// Its bytes, where it has some that could be read again: a line or a value of JSON.
    pub record: Vec<u8>,
}

/// The problem of a row that the reader has found to be bad; the row is empty in its block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BadCell {
    /// A description of a value of another type.
    #[cfg(any(feature = "arrow", feature = "parquet"))]
    Wrong { column: String, found: String },
    /// Not UTF-8 from this byte on.
    Utf8(usize),
    /// Longer than is accepted.
    TooLong,
}

impl BadCell {
    pub(super) fn error(&self, location: Location, limit: usize) -> ReadError {
        match self {
            #[cfg(any(feature = "arrow", feature = "parquet"))]
            Self::Wrong { column, found } => ReadError::WrongType {
                location,
                column: column.clone(),
                found: found.clone(),
            },
            Self::Utf8(byte) => ReadError::BadUtf8 {
                location,
                byte: *byte,
            },
            Self::TooLong => ReadError::TooLong { location, limit },
        }
    }
}

impl ReadError {
    /// The row that this is about, if it is about a row and not about a file.
    pub(crate) fn row(&self) -> Option<&Location> {
        match self {
            Self::BadJson { location, .. }
            | Self::BadUtf8 { location, .. }
            | Self::WrongType { location, .. }
            | Self::MissingColumn { location, .. }
            | Self::NoTextColumn { location, .. }
            | Self::TooLong { location, .. } => Some(location),
            _ => None,
        }
    }
}
