//! Why an export could not be written.

use std::path::PathBuf;

/// Why an export could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// It cannot be begun or named.
    #[error(transparent)]
    Output(#[from] whole_file::WriteError),
    /// The activations that it is made from are at fault.
    #[error(transparent)]
    Activations(#[from] crate::CollectError),
    /// The hook has a name that a folder cannot have.
    #[error("{hook_name:?} cannot name a folder for delphi, which finds an SAE by its hook's name")]
    Module {
        /// The hook.
        hook_name: String,
    },
    /// A file or folder could not be written.
    #[error(
        "{path}: cannot be written; may you write to its folder, and is there room on the disk?"
    )]
    Write {
        /// The export's place.
        path: PathBuf,
        /// The system's message.
        source: std::io::Error,
    },
    /// Something is in the place of the export.
    #[error(
        "{path}: is there already and is not an empty folder; name another one, or remove it first"
    )]
    Exists {
        /// The export's place.
        path: PathBuf,
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
    /// The export was finished before all features shown had been given.
    #[error("{given} of {shown} features were given; the export would have holes")]
    Unfinished {
        /// Features given.
        given: usize,
        /// Features that the overview shows.
        shown: usize,
    },
    /// An example has not one activation per token, or does not show the token it is about.
    #[error(
        "feature {index}: the example at {position} of context {context} shows {tokens} tokens from {start} with {values} activations"
    )]
    Example {
        /// The feature's number.
        index: u32,
        /// Context of the example.
        context: u64,
        /// Its position.
        position: u32,
        /// Position of the first token shown.
        start: u32,
        /// Tokens shown.
        tokens: usize,
        /// Activations.
        values: usize,
    },
    /// A number does not fit its column.
    #[error(
        "feature {index}: {value} is too large for the {column} column, which holds up to {most}"
    )]
    TooLarge {
        /// The feature's number.
        index: u32,
        /// Which column.
        column: &'static str,
        /// The number.
        value: u64,
        /// The largest that fits.
        most: u64,
    },
    /// The names that Neuronpedia is to know the features by.
    #[error("{value:?} cannot be the {what} on Neuronpedia: {expected}")]
    Name {
        /// Which name.
        what: &'static str,
        /// As it was given.
        value: String,
        /// The values allowed.
        expected: &'static str,
    },
}

fn next(expected: Option<u32>) -> String {
    expected.map_or_else(
        || "no more: all features shown were given".to_owned(),
        |index| format!("feature {index}, the next one that the overview shows"),
    )
}
