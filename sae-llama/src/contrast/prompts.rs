//! From a prompt to tokens.

use super::PromptTokensError;
use chat_template::{ChatTemplate, Message, RenderOptions};
use dataset_stream::{Prompt, Tokenizer};
use std::collections::BTreeSet;

/// How prompts become tokens.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PromptOptions {
    /// Text around each prompt's own, which goes where `{text}` stands.
    pub template: Option<String>,
    /// The model's chat template; without one, prompts are plain text.
    pub chat: Option<ChatTemplate>,
    /// A system message before each conversation.
    pub system: Option<String>,
    /// Whether a conversation ends where the model would answer. So it does by default.
    pub add_generation_prompt: bool,
    /// Whether plain text begins with BOS. A chat template decides for itself.
    pub prepend_bos: bool,
    /// Leave out every special token, and not only the BOS at the start.
    pub exclude_special_tokens: bool,
    /// Tokens after which a prompt is cut.
    pub context_size: usize,
    /// The size of the model's vocabulary.
    pub vocab_size: usize,
}

impl PromptOptions {
    /// Plain text with BOS, cut at so many tokens.
    pub fn new(context_size: usize, vocab_size: usize) -> Self {
        Self {
            template: None,
            chat: None,
            system: None,
            add_generation_prompt: true,
            prepend_bos: true,
            exclude_special_tokens: false,
            context_size,
            vocab_size,
        }
    }
}

/// The tokens of a prompt, and which of them count.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PromptTokens {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Whether each of them counts; at least one does.
    pub kept: Vec<bool>,
    /// Whether the prompt was longer.
    pub cut: bool,
}

impl PromptTokens {
    /// All tokens count.
    pub fn new(ids: Vec<u32>) -> Self {
        Self {
            kept: vec![true; ids.len()],
            ids,
            cut: false,
        }
    }
}

/// Makes tokens of prompts.
#[derive(Debug, Clone)]
pub struct PromptTokenizer {
    tokenizer: Tokenizer,
    options: PromptOptions,
    special: BTreeSet<u32>,
}

impl PromptTokenizer {
    /// With this tokenizer.
    ///
    /// # Errors
    /// If BOS is asked for and not known, or the template has no place for the text.
    pub fn new(tokenizer: &Tokenizer, options: PromptOptions) -> Result<Self, PromptTokensError> {
        if let Some(template) = options.template.as_ref().filter(|t| !t.contains("{text}")) {
            return Err(PromptTokensError::Template(template.clone()));
        }
        if options.chat.is_none() && options.prepend_bos && tokenizer.bos().is_none() {
            return Err(PromptTokensError::NoBos(tokenizer.path().to_owned()));
        }
        let special = if options.exclude_special_tokens {
            tokenizer.all_special().into_iter().collect()
        } else {
            BTreeSet::new()
        };
        Ok(Self {
            tokenizer: tokenizer.clone(),
            options,
            special,
        })
    }

    /// The tokens of a prompt. Text that a chat template has rendered gets no further BOS, plain text that begins with it neither.
    ///
    /// # Errors
    /// If the template or the tokenizer refuses, or no token is left that counts.
    pub fn tokens(&self, prompt: &Prompt) -> Result<PromptTokens, PromptTokensError> {
        let text = self.text(prompt)?;
        let mut ids = self.tokenizer.encode(&text)?;
        let bos = self.tokenizer.bos();
        if self.options.chat.is_none()
            && self.options.prepend_bos
            && let Some(bos) = bos
            && ids.first() != Some(&bos)
        {
            ids.insert(0, bos);
        }
        let vocab_size = self.options.vocab_size;
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(PromptTokensError::UnknownToken { id, vocab_size });
        }
        let cut = ids.len() > self.options.context_size;
        ids.truncate(self.options.context_size);
        let counts = |(at, id): (usize, &u32)| {
            let is_first_bos = at == 0 && bos == Some(*id);
            !is_first_bos && !self.special.contains(id)
        };
        let kept: Vec<bool> = ids.iter().enumerate().map(counts).collect();
        if !kept.contains(&true) {
            return Err(PromptTokensError::NoTokens);
        }
        Ok(PromptTokens { ids, kept, cut })
    }

    fn text(&self, prompt: &Prompt) -> Result<String, PromptTokensError> {
        let Some(chat) = &self.options.chat else {
            return match prompt {
                Prompt::Text(text) => Ok(self.around(text)),
                _ => Err(PromptTokensError::Messages),
            };
        };
        let mut messages: Vec<Message> = self
            .options
            .system
            .iter()
            .map(|s| Message::system(s.clone()))
            .collect();
        match prompt {
            Prompt::Text(text) => messages.push(Message::user(self.around(text))),
            Prompt::Messages(given)
            | Prompt::Tools {
                messages: given, ..
            } => {
                for message in given {
                    let message = serde_json::from_value(message.clone());
                    messages.push(message.map_err(PromptTokensError::Message)?);
                }
            }
        }
        let mut options =
            RenderOptions::new().add_generation_prompt(self.options.add_generation_prompt);
        if let Prompt::Tools { tools, .. } = prompt {
            options = options.tools(tools.clone());
        }
        Ok(chat.render(&messages, &options)?)
    }

    fn around(&self, text: &str) -> String {
        match &self.options.template {
            Some(template) => template.replace("{text}", text),
            None => text.to_owned(),
        }
    }
}
