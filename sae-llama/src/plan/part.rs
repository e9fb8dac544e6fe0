//! A use of memory.

use serde::Serialize;

/// A use of memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Part {
    /// The purpose.
    pub name: &'static str,
    /// How many bytes it takes.
    pub bytes: u64,
}

impl Part {
    /// A use of memory and how many bytes it takes.
    pub fn new(name: &'static str, bytes: u64) -> Self {
        Self { name, bytes }
    }
}
