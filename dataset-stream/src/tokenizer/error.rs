//! Errors of tokenizers.

use std::path::PathBuf;

use thiserror::Error;

/// Why a tokenizer could not be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// The file system refused.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A directory without `tokenizer.json`.
    #[error("{path} holds no tokenizer.json{hint}")]
    NotInDirectory {
        /// The directory.
        path: PathBuf,
        /// What to do instead, if that is known.
        hint: &'static str,
    },
    /// A file that is too large to be a tokenizer.
    #[error("{path} has {bytes} bytes, more than a tokenizer.json can need ({limit})")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The largest that is accepted.
        limit: u64,
    },
    /// A file that is not JSON.
    #[error("{path} is not valid JSON: {source}")]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's message.
        source: serde_json::Error,
    },
    /// JSON that is not a tokenizer, or one that is not supported.
    #[error("{path} is not a tokenizer this version can use: {reason}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is wrong, or not supported.
        reason: String,
    },
    /// A special token that the vocabulary lacks.
    #[error("{path} names the {role} {token:?}, which the vocabulary does not have")]
    UnknownSpecial {
        /// The file that names it.
        path: PathBuf,
        /// Its role, such as `bos_token`.
        role: &'static str,
        /// The token.
        token: String,
    },
}

/// Text that the tokenizer itself refuses.
#[derive(Debug, Error)]
#[error("cannot tokenise {excerpt:?}: {reason}")]
#[non_exhaustive]
pub struct EncodeError {
    /// The start of the text.
    pub excerpt: String,
    /// The tokenizer's message.
    pub reason: String,
}

/// Ids that the tokenizer cannot turn into text.
#[derive(Debug, Error)]
#[error("cannot decode: {reason}")]
#[non_exhaustive]
pub struct DecodeError {
    /// The tokenizer's message.
    pub reason: String,
}

/// Text that should have been one token.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SingleTokenError {
    /// It is not exactly one token.
    #[error("{text:?} is {n} tokens, expected one: {}", pieces.join(", "), n = pieces.len())]
    NotOne {
        /// The text.
        text: String,
        /// The tokens, quoted.
        pieces: Vec<String>,
    },
    /// It is not a token.
    #[error("{text:?} gives no token, expected one")]
    Nothing {
        /// The text.
        text: String,
    },
    /// The tokenizer refuses it.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}
