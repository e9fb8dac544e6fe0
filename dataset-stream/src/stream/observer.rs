//! Progress, told to whoever wants to know.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

/// How far a stream is. All counts are of what has been handed on, not of what threads are working on ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
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

/// Is told of progress, and may stop the work.
///
/// Any `FnMut(&Progress) -> ControlFlow<()>` is one.
pub trait Observer {
    /// Called after every block of documents (at most 1 MiB of text, or one longer document) on the thread that iterates.
    /// On `Break` the stream ends, without an error, before the next row.
    fn progress(&mut self, progress: &Progress) -> ControlFlow<()>;
}

impl<F: FnMut(&Progress) -> ControlFlow<()>> Observer for F {
    fn progress(&mut self, progress: &Progress) -> ControlFlow<()> {
        self(progress)
    }
}
