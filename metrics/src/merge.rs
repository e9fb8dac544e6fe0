//! The error of merging two partial results that do not belong together.

use thiserror::Error;

/// Two accumulators that describe different things and cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "cannot merge {what}: one side has {left}, the other {right}; both must come from the same SAE and hook"
)]
#[non_exhaustive]
pub struct MergeError {
    /// The quantity that differs, such as the number of features.
    pub what: &'static str,
    /// Its value in the accumulator merged into.
    pub left: usize,
    /// Its value in the accumulator merged from.
    pub right: usize,
}

impl MergeError {
    pub(crate) fn check(what: &'static str, left: usize, right: usize) -> Result<(), Self> {
        if left == right {
            Ok(())
        } else {
            Err(Self { what, left, right })
        }
    }
}
