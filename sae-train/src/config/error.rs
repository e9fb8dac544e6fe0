//! What can be wrong with a configuration file, or with one setting.

use std::fmt;
use std::path::{Path, PathBuf};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub struct ConfigError {
    /// The file; none for a setting that was not read from one.
    pub path: Option<PathBuf>,
    /// What is wrong.
    pub problem: ConfigProblem,
}

impl ConfigError {
    pub(super) fn new(path: Option<&Path>, problem: ConfigProblem) -> Self {
        Self {
            path: path.map(Path::to_owned),
            problem,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}: ", path.display())?;
        }
        write!(f, "{}", self.problem)
    }
}

/// What is wrong with a configuration. Keys are written as paths, such as `sae.k`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigProblem {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(std::io::Error),
    /// The file is far larger than any configuration.
    #[error("has {bytes} bytes; a configuration has a few thousand, this is another kind of file")]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// The file is not JSON, not TOML, or not a set of keys with values.
    #[error("is not a configuration in {format}: {reason}")]
    Syntax {
        /// What it was read as.
        format: &'static str,
        /// What and where.
        reason: String,
    },
    /// A key that means nothing.
    #[error("there is no setting {key}{}", near.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    UnknownKey {
        /// The key.
        key: String,
        /// The key that it resembles most, if it resembles any.
        near: Option<String>,
    },
    /// A value of another type, or beyond what is possible.
    #[error("{key} is {found}: expected {expected}")]
    Value {
        /// The key.
        key: String,
        /// What it says.
        found: String,
        /// What it may say.
        expected: String,
    },
    /// A value that SAELens knows and we cannot honour.
    #[error("{key} is {found}, which is not supported: {instead}")]
    Unsupported {
        /// The key.
        key: String,
        /// What it says.
        found: String,
        /// What to do.
        instead: String,
    },
    /// One setting under two keys that disagree.
    #[error(
        "{first} and {second} are one setting, and say different things; leave one of them out"
    )]
    Twice {
        /// A key.
        first: String,
        /// Another.
        second: String,
    },
    /// A setting that would change nothing. In a file it is a warning.
    #[error("{0}")]
    NoEffect(String),
}
