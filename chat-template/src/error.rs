//! What can go wrong with a template.

use std::fmt;
use std::path::PathBuf;

/// Where in a template something went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The file, or what else the template was named.
    pub file: String,
    /// The line in the template's text, from 1, where it is known.
    pub line: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}, line {line} of the template", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// Why there is no template, or no text from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChatTemplateError {
    /// The model has no template: it is no chat model, or its files are incomplete.
    #[error(
        "no chat template in {place}: expected chat_template.jinja, or tokenizer_config.json with the key chat_template. A model without \
         one takes plain text"
    )]
    Missing {
        /// Where it was looked for.
        place: String,
    },
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is larger than any template or configuration.
    #[error("{} has {bytes} bytes, more than the {limit} that a template or a tokenizer's configuration may have", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The most that is read.
        limit: u64,
    },
    /// `tokenizer_config.json` is not as it should be.
    #[error("{}: {message}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        message: String,
    },
    /// The model has no template of this name.
    #[error("no chat template is named {name:?}; the model has {}", known.join(", "))]
    UnknownName {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A message does not say whose it is.
    #[error("a message needs a text under \"role\", such as user, assistant or system")]
    NoRole,
    /// There is nothing to render.
    #[error("the conversation is empty: a chat template needs at least one message")]
    NoMessages,
    /// The template is not Jinja.
    #[error("{place}: the chat template is not valid: {message}")]
    Syntax {
        /// Where.
        place: Place,
        /// What was found.
        message: String,
    },
    /// The template refused the messages, with `raise_exception`.
    #[error("the chat template refuses these messages: {message} ({place})")]
    Raised {
        /// The template's words.
        message: String,
        /// Where.
        place: Place,
    },
    /// The template cannot be rendered with these messages.
    #[error("{place}: the chat template cannot be rendered with these messages: {message}")]
    Render {
        /// Where.
        place: Place,
        /// What failed.
        message: String,
    },
    /// The template does more work, or makes more text, than is allowed.
    #[error(
        "{place}: the chat template was stopped: it does more work or makes more text than {messages} messages call for"
    )]
    TooMuchWork {
        /// Where.
        place: Place,
        /// How many messages it had.
        messages: usize,
    },
}
