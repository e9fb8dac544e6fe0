//! Why a page could not be written.

use std::path::PathBuf;

/// Why a page could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// It cannot be begun or named.
    #[error(transparent)]
    Output(#[from] whole_file::WriteError),
    /// A file or folder could not be written.
    #[error(
        "{path}: cannot be written; may you write to its folder, and is there room on the disk?"
    )]
    Write {
        /// Which one.
        path: PathBuf,
        /// The system's message.
        source: std::io::Error,
    },
    /// Something is in the place of the page.
    #[error(
        "{path}: is there already and is not an empty folder; name another one, or remove it first"
    )]
    Exists {
        /// The page's place.
        path: PathBuf,
    },
    /// A column of the overview has another length than the dictionary.
    #[error(
        "the overview's {column} has {found} entries, expected one for each of {d_sae} features"
    )]
    Column {
        /// Which column.
        column: &'static str,
        /// Its entries.
        found: usize,
        /// Width of the dictionary.
        d_sae: u32,
    },
    /// The list of shown features is out of order, or names one that does not exist.
    #[error(
        "the overview's shown has feature {index} at {at}, expected ascending numbers below {d_sae}"
    )]
    Shown {
        /// The number found.
        index: u32,
        /// Its place in the list.
        at: usize,
        /// Width of the dictionary.
        d_sae: u32,
    },
    /// A feature came that is not the next one shown.
    #[error("feature {found} was given, expected {}", next(*.expected))]
    Order {
        /// The feature's number.
        found: u32,
        /// The next one in the overview's `shown`.
        expected: Option<u32>,
    },
    /// The page was finished before all features shown had been given.
    #[error("{given} of {shown} features were given; the page would have holes")]
    Unfinished {
        /// Features given.
        given: usize,
        /// Features that the overview shows.
        shown: usize,
    },
    /// An example has not one activation per token.
    #[error(
        "feature {index}: the example at {position} of context {context} has {tokens} tokens and {values} activations"
    )]
    Example {
        /// The feature's number.
        index: u32,
        /// Context of the example.
        context: u64,
        /// Its position.
        position: u32,
        /// Tokens shown.
        tokens: usize,
        /// Activations.
        values: usize,
    },
    /// A feature cannot be expressed as JSON.
    #[error("the data of the page cannot be expressed as JSON")]
    Json(#[from] serde_json::Error),
}

fn next(expected: Option<u32>) -> String {
    expected.map_or_else(
        || "no more: all features shown were given".to_owned(),
        |index| format!("feature {index}, the next one that the overview shows"),
    )
}
