//! What can be wrong with labels and their file.

use std::path::PathBuf;

/// Why labels cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's message.
        source: std::io::Error,
    },
    /// It cannot be written; what was in it is still there.
    #[error("cannot write {}; may you write there, and is there room on the disk?", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's message.
        source: std::io::Error,
    },
    /// It cannot be replaced; what was in it is still there.
    #[error(transparent)]
    Replace(#[from] whole_file::WriteError),
    /// It is larger than labels can be.
    #[error("{}: has more than {most} bytes, which cannot all be labels", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes that are read.
        most: u64,
    },
    /// A line is not a label.
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The labels are of another SAE.
    #[error("{}: these labels are of another SAE ({key} {found}, and here it is {expected}); give the file of this one", path.display())]
    OtherSae {
        /// The file.
        path: PathBuf,
        /// What differs.
        key: &'static str,
        /// In the file.
        found: String,
        /// Of the SAE.
        expected: String,
    },
    /// It holds Neuronpedia's explanations, which can be read but not added to.
    #[error("{}: holds Neuronpedia's explanations, to which no labels can be added; give a file of its own, and import this one in the page", path.display())]
    Explanations {
        /// The file.
        path: PathBuf,
    },
    /// A label that cannot be kept.
    #[error("{0}")]
    Label(String),
}
