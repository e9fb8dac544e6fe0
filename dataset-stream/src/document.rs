//! One row of a data set, and where it came from.

use std::fmt;
use std::sync::Arc;

/// One row of a data set: text, or ids that somebody tokenised before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The content of the row.
    pub content: Content,
    /// Where the row stands.
    pub location: Location,
}

/// The content of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text, still to be tokenised.
    Text(String),
    /// Token ids.
    Tokens(Vec<u32>),
}

impl Content {
    /// The text, if it is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Tokens(_) => None,
        }
    }

    /// The ids, if it is ids.
    pub fn as_tokens(&self) -> Option<&[u32]> {
        match self {
            Self::Text(_) => None,
            Self::Tokens(ids) => Some(ids),
        }
    }
}

/// Where a row stands: the file, and the place in it.
///
/// Its `Display` is what error messages show: `part-0.jsonl, line 17`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file, as it was found from the spec.
    pub file: Arc<str>,
    /// The place in the file.
    pub place: Place,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A line, counted from 1.
    Line(u64),
    /// A row of a table, counted from 0.
    Row(u64),
    /// A value of a JSON file, counted from 0, and the line where it starts, counted from 1.
    Record {
        /// The value's index.
        index: u64,
        /// The line of its first character.
        line: u64,
    },
    /// The file as a whole.
    Whole,
}

impl Place {
    /// The number of the row in its file, counted from 0 and with gaps where there are blank lines.
    pub(crate) fn ordinal(self) -> u64 {
        match self {
            Self::Line(line) => line.saturating_sub(1),
            Self::Row(row) => row,
            Self::Record { index, .. } => index,
            Self::Whole => 0,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        match self.place {
            Place::Line(line) => write!(f, "{file}, line {line}"),
            Place::Row(row) => write!(f, "{file}, row {row}"),
            Place::Record { index, line } => write!(f, "{file}, record {index} (line {line})"),
            Place::Whole => write!(f, "{file}"),
        }
    }
}
