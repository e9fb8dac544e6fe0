//! The tokens that a model goes on from.

use chat_template::{ChatTemplate, ChatTemplateError, Message, RenderOptions};
use dataset_stream::{EncodeError, Prompt as Request, Tokenizer};
use serde_json::Value;
use std::path::PathBuf;

/// A prompt that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// The model has no chat template, or it refuses the conversation.
    #[error(transparent)]
    Template(#[from] ChatTemplateError),
    /// The tokenizer fails.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// BOS was asked for and is not known.
    #[error("{}: names no BOS token; ask without one", .0.display())]
    NoBos(PathBuf),
    /// Nothing to go on from.
    #[error("the prompt has no tokens")]
    NoTokens,
    /// A message that a template cannot take.
    #[error("message {number}: {source}")]
    Message {
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// There are two messages of the system.
    #[error("the conversation begins with a system message already: leave one of the two out")]
    TwoSystems,
}

/// A prompt as text and as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prompt {
    /// The text: of a conversation what the template makes of it.
    pub text: String,
    /// Its tokens, BOS included where there is one.
    pub ids: Vec<u32>,
}

/// Makes prompts: with the tokenizer alone, or with the chat template before it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Prompter<'a> {
    /// The model's tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// The model's template, where it has one.
    pub template: Option<ChatTemplate>,
    /// Whether texts begin with BOS. A conversation begins as its template has it.
    pub bos: bool,
    /// Whether a text is what a user says, and goes through the template.
    pub text_is_chat: bool,
    /// What the system says before a conversation.
    pub system: Option<String>,
    /// What the template gets besides the messages.
    pub options: RenderOptions,
}

impl<'a> Prompter<'a> {
    /// Texts begin with BOS; what goes through the template ends with the head of an answer.
    pub fn new(tokenizer: &'a Tokenizer, template: Option<ChatTemplate>) -> Self {
        Self {
            tokenizer,
            template,
            bos: true,
            text_is_chat: false,
            system: None,
            options: RenderOptions::new().add_generation_prompt(true),
        }
    }

    /// The tokens of a prompt as it was read. There is never more than one BOS: a template writes its own, and a text that begins with the BOS
    /// token's text gets no second one.
    ///
    /// # Errors
    /// If the template refuses the conversation or there is none, or the tokenizer makes no tokens of the text.
    pub fn prompt(&self, request: &Request) -> Result<Prompt, PromptError> {
        match request {
            Request::Text(text) if self.text_is_chat => {
                self.chat(&[Message::user(text.as_str())], &self.options)
            }
            Request::Text(text) => self.text(text),
            Request::Messages(given) => self.chat(&messages(given)?, &self.options),
            Request::Tools {
                messages: given,
                tools,
            } => {
                let options = self.options.clone().tools(tools.clone());
                self.chat(&messages(given)?, &options)
            }
        }
    }

    fn text(&self, text: &str) -> Result<Prompt, PromptError> {
        let mut ids = self.tokenizer.encode(text)?;
        if self.bos {
            let missing = || PromptError::NoBos(self.tokenizer.path().to_owned());
            let bos = self.tokenizer.bos().ok_or_else(missing)?;
            if ids.first() == Some(&bos) {
                tracing::warn!(
                    "the prompt begins with the BOS token already: it gets no second one"
                );
            } else {
                ids.insert(0, bos);
            }
        }
        finished(text.to_owned(), ids)
    }

    fn chat(&self, messages: &[Message], options: &RenderOptions) -> Result<Prompt, PromptError> {
        let place = || {
            self.tokenizer
                .path()
                .parent()
                .map_or_else(String::new, |folder| folder.display().to_string())
        };
        let template = self
            .template
            .as_ref()
            .ok_or_else(|| ChatTemplateError::Missing { place: place() })?;
        let mut all = Vec::new();
        if let Some(system) = &self.system {
            if messages
                .first()
                .is_some_and(|message| message.role == "system")
            {
                return Err(PromptError::TwoSystems);
            }
            all.push(Message::system(system.as_str()));
        }
        all.extend_from_slice(messages);
        let text = template.render(&all, options)?;
        // The template has written BOS where the model wants it.
        let ids = self.tokenizer.encode(&text)?;
        finished(text, ids)
    }
}

fn messages(given: &[Value]) -> Result<Vec<Message>, PromptError> {
    let message = |(at, value): (usize, &Value)| {
        let message = serde_json::from_value(value.clone());
        message.map_err(|source| PromptError::Message {
            number: at + 1,
            source,
        })
    };
    given.iter().enumerate().map(message).collect()
}

fn finished(text: String, ids: Vec<u32>) -> Result<Prompt, PromptError> {
    if ids.is_empty() {
        Err(PromptError::NoTokens)
    } else {
        Ok(Prompt { text, ids })
    }
}
