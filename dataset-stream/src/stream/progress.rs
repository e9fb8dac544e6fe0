//! How far a stream is.

use serde::{Deserialize, Serialize};

/// How far a stream is. All counts are of what has been handed on, not of what threads are working on ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StreamProgress {
    /// Documents whose tokens are in rows, up to a tail that waits for the next row.
    pub documents: u64,
    /// Rows of the data set that could not be used and were left out.
    pub bad_rows: u64,
    /// Bytes of text in these documents.
    pub text_bytes: u64,
    /// Tokens in these documents.
    pub tokens: u64,
    /// Rows handed to the caller.
    pub rows: u64,
    /// Bytes read from disk for these documents, compressed as they lie there.
    pub bytes_read: u64,
    /// Bytes on disk altogether; 0 if unknown.
    pub total_bytes: u64,
}
