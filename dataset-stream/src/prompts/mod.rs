//! Prompts: short texts or conversations that are kept one by one, not packed into rows.

mod error;
mod labelled;
mod line;
mod read;
#[cfg(test)]
mod tests;

pub use error::PromptError;
pub use labelled::{LabelledText, read_labelled};
pub use read::{read_conversations, read_pairs, read_prompts};

use serde_json::Value;

/// One prompt of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Prompt {
    /// Text.
    Text(String),
    /// The messages of a conversation, as chat templates take them: objects with a `role` and a `content`.
    Messages(Vec<Value>),
    /// The same with the functions that the model may call, as JSON schemas.
    Tools {
        /// What was said.
        messages: Vec<Value>,
        /// The functions.
        tools: Vec<Value>,
    },
}
