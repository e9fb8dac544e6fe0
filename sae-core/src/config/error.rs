//! Errors in a `cfg.json`.

use std::path::PathBuf;

/// A configuration that cannot be used: which file, which key, what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaeConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is far larger than any configuration.
    #[error("{}: has {bytes} bytes; a cfg.json has a few thousand, this is another kind of file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The file is not JSON of the expected form.
    #[error("{}: {}{reason}", path.display(), key.as_ref().map(|key| format!("{key}: ")).unwrap_or_default())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where a value is of the wrong type.
        key: Option<String>,
        /// The problem, with line and column.
        reason: String,
    },
    /// A value that cannot be used.
    #[error("{}: {problem}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key, what it says and what it may say.
        problem: Problem,
    },
}

/// The parser's message, without its words for Rust's types and its own limits.
pub(super) fn in_words(error: &serde_json::Error) -> String {
    const WORDS: [(&str, &str); 4] = [
        ("expected usize", "expected a whole number from 0"),
        ("expected f64", "expected a number"),
        (
            "unexpected end of hex escape",
            "a lone surrogate escape: \\ud800 to \\udfff come in pairs",
        ),
        (
            "recursion limit exceeded",
            "nested far deeper than any configuration",
        ),
    ];
    let text = error.to_string();
    WORDS
        .iter()
        .fold(text, |text, (from, to)| text.replace(from, to))
}

/// A value in a configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A required key is not there.
    #[error("{key} is missing; expected {expected}")]
    Missing {
        /// The key.
        key: &'static str,
        /// The expected content.
        expected: String,
    },
    /// An unknown word.
    #[error("{key} is {found:?}; expected one of {expected}{hint}")]
    Unknown {
        /// The key.
        key: &'static str,
        /// The value found.
        found: String,
        /// The values allowed.
        expected: String,
        /// A suggestion, or empty.
        hint: String,
    },
    /// A number or a combination that makes no sense.
    #[error("{key} is {found}; expected {expected}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// The value found.
        found: String,
        /// The values allowed.
        expected: String,
    },
}
