//! Errors in a `config.json`.

use std::fmt::Display;
use std::path::PathBuf;

/// A `config.json` that cannot be used: the file, the key, what was found and what was expected.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
#[non_exhaustive]
pub struct LlamaConfigError {
    path: PathBuf,
    problem: Problem,
}

impl LlamaConfigError {
    pub(crate) fn new(path: impl Into<PathBuf>, problem: Problem) -> Self {
        Self {
            path: path.into(),
            problem,
        }
    }

    /// The file at fault.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("cannot be read: {0}")]
    Read(std::io::Error),
    #[error("is {bytes} bytes long, more than the {limit} that a model configuration may have")]
    TooLarge { bytes: u64, limit: u64 },
    #[error("is not a Llama configuration: {key}{reason}")]
    Json {
        /// With a colon after it, if it is known.
        key: String,
        reason: String,
    },
    #[error("`{key}` is {found}, expected {expected}")]
    Invalid {
        key: &'static str,
        found: String,
        expected: String,
    },
    #[error("`{key}` is {found}, which is not supported; supported: {supported}")]
    Unsupported {
        key: &'static str,
        found: String,
        supported: &'static str,
    },
}

impl Problem {
    /// The parser's message, with the key at fault where there is one and without Rust's names of types.
    pub(crate) fn json(path: &str, error: &serde_json::Error) -> Self {
        // Where the JSON itself is broken, the path says nothing that line and column do not.
        let key = if path == "." || !error.is_data() {
            String::new()
        } else {
            format!("`{path}`: ")
        };
        let reason = error.to_string();
        let reason = reason.replace("expected usize", "expected a whole number from 0");
        let reason = reason.replace("expected f64", "expected a number");
        Self::Json { key, reason }
    }
}

pub(crate) fn invalid(
    key: &'static str,
    found: impl Display,
    expected: impl Into<String>,
) -> Problem {
    Problem::Invalid {
        key,
        found: found.to_string(),
        expected: expected.into(),
    }
}

pub(crate) fn unsupported(
    key: &'static str,
    found: impl Display,
    supported: &'static str,
) -> Problem {
    Problem::Unsupported {
        key,
        found: found.to_string(),
        supported,
    }
}
