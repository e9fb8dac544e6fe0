//! Why a split has no files.

/// Why the files of a split were not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DataFilesError {
    /// The README's head cannot be read.
    #[error(
        "the YAML at the head of the data set's README.md: {reason}; name the files by a pattern instead"
    )]
    Readme {
        /// The problem, and where it is.
        reason: String,
    },
    /// There is no such configuration.
    #[error("the data set has no configuration {config:?}; it has {configs}")]
    NoConfig {
        /// The configuration asked for.
        config: String,
        /// Those that there are.
        configs: String,
    },
    /// There are several, and none is the default.
    #[error("the data set has several configurations; name one of {configs}")]
    WhichConfig {
        /// Those that there are.
        configs: String,
    },
    /// There is no such split.
    #[error("the data set has no split {split:?} in its configuration {config:?}; it has {splits}")]
    NoSplit {
        /// The configuration.
        config: String,
        /// The split asked for.
        split: String,
        /// Those that there are.
        splits: String,
    },
    /// There are several, and none is `train`.
    #[error(
        "the data set has several splits in its configuration {config:?}; name one of {splits}"
    )]
    WhichSplit {
        /// The configuration.
        config: String,
        /// Those that there are.
        splits: String,
    },
    /// There is no data.
    #[error(
        "the data set has no data files in its configuration {config:?}; looked for are files ending in {}, each also compressed",
        super::rules::ENDINGS.join(", ")
    )]
    NoFiles {
        /// The configuration.
        config: String,
    },
    /// A pattern of the README cannot be used.
    #[error("the README's configuration {config:?} has the pattern {pattern:?}: {reason}")]
    Pattern {
        /// The configuration.
        config: String,
        /// The pattern.
        pattern: String,
        /// The problem.
        reason: String,
    },
}
