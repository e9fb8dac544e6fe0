//! What is wrong with somebody's files.

use std::path::PathBuf;

/// Files of another format that cannot be read: which file, what was found, what was expected, what to try.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A configuration is far larger than any.
    #[error("{}: has {bytes} bytes; a configuration has a few thousand, this is another kind of file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// A configuration is not JSON, or not YAML.
    #[error("{}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// In words, with line and column.
        reason: String,
    },
    /// A key of a configuration cannot be used.
    #[error("{}: {key} {found}; expected {expected}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What it says: `is 3` or `is missing`.
        found: String,
        /// What it may say.
        expected: String,
    },
    /// The files ask for something that is not read.
    #[error("{}: {what}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it asks for, and what to do.
        what: String,
    },
    /// A container of tensors is damaged, or not what it should be.
    #[error("{}: {problem}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// In words.
        problem: String,
    },
    /// A pickle asks for code.
    #[error(
        "{}: its pickle asks for {name}, which is not data of PyTorch's: such a file runs code when Python loads it, and is not read. If you \
         trust it, save the weights alone in Python: torch.save(model.state_dict(), FILE)",
        path.display()
    )]
    Global {
        /// The file.
        path: PathBuf,
        /// Module and name.
        name: String,
    },
    /// The files do not say something that has to be known.
    #[error("{}: {missing}", path.display())]
    Undecided {
        /// The file or folder.
        path: PathBuf,
        /// What is not known, and which flag says it.
        missing: String,
    },
    /// The weights are not where they should be.
    #[error("{}: is missing; a {format} SAE keeps its weights there. Was it copied or downloaded whole?", path.display())]
    NoWeights {
        /// The file.
        path: PathBuf,
        /// The format.
        format: super::Format,
    },
    /// A format was asked for, and there are none of its files.
    #[error("{}: holds no SAE of the format {format}; expected {expected}", path.display())]
    NotThis {
        /// The path.
        path: PathBuf,
        /// The format.
        format: super::Format,
        /// Its files.
        expected: &'static str,
    },
}
