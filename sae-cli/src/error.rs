//! Errors that only the command line has.

use anyhow::Error;

/// A contradiction in the arguments that only shows once a file has been read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// 1 for work that failed, 2 for a call that is wrong.
pub(crate) fn exit_code(error: &Error) -> u8 {
    if error.is::<UsageError>() { 2 } else { 1 }
}
