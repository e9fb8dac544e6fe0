//! A model's chat template: found, chosen and rendered.

use std::path::Path;

use minijinja::ErrorKind;
use serde_json::{Map, Value};

use crate::environment::{Raised, environment};
use crate::files::{self, Named};
use crate::{ChatTemplateError, Message, Place, RenderOptions, SpecialTokens, generation};

/// A model's chat template, or its several ones by name, with the special tokens that they write.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    templates: Vec<Named>,
    tokens: SpecialTokens,
}

impl ChatTemplate {
    /// One template, from its text.
    pub fn new(source: impl Into<String>, tokens: SpecialTokens) -> Self {
        Self {
            templates: vec![Named::new("default", "chat template", source)],
            tokens,
        }
    }

    /// The templates of a model's folder: `chat_template.jinja` and `additional_chat_templates/*.jinja` if there are any, else what
    /// `tokenizer_config.json` has under `chat_template`. Special tokens are those of `tokenizer_config.json`.
    ///
    /// # Errors
    ///
    /// [`ChatTemplateError::Missing`] where the folder has no template, and where a file cannot be read or is not what it should be.
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self, ChatTemplateError> {
        let folder = folder.as_ref();
        let file = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
        let (template, config) = (file(files::TEMPLATE), file(files::CONFIG));
        Self::read(
            template.as_deref(),
            config.as_deref(),
            files::more(&folder.join(files::MORE))?,
            || folder.display().to_string(),
        )
    }

    /// The template in `template` if it is given, else those in `tokenizer_config`, which has the special tokens.
    ///
    /// # Errors
    ///
    /// As for [`Self::from_folder`].
    pub fn from_files(
        template: Option<&Path>,
        tokenizer_config: Option<&Path>,
    ) -> Result<Self, ChatTemplateError> {
        Self::read(template, tokenizer_config, Vec::new(), || {
            tokenizer_config.map_or_else(
                || "the model's files".to_owned(),
                |path| path.display().to_string(),
            )
        })
    }

    fn read(
        template: Option<&Path>,
        config: Option<&Path>,
        more: Vec<Named>,
        place: impl Fn() -> String,
    ) -> Result<Self, ChatTemplateError> {
        let (in_config, tokens) = config.map(files::config).transpose()?.unwrap_or_default();
        let mut templates: Vec<Named> = template
            .map(|path| files::template("default", path))
            .transpose()?
            .into_iter()
            .collect();
        templates.extend(more);
        // As in transformers: files of their own replace what the configuration has.
        if templates.is_empty() {
            templates = in_config;
        }
        if templates.is_empty() {
            return Err(ChatTemplateError::Missing { place: place() });
        }
        Ok(Self { templates, tokens })
    }

    /// The names of the templates; a single one is `default`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.templates.iter().map(|template| template.name.as_str())
    }

    /// The special tokens that the template may write. A text that [`Self::render`] made has them already: it is encoded without adding any.
    pub fn special_tokens(&self) -> &SpecialTokens {
        &self.tokens
    }

    /// The text that the model was trained to continue, byte for byte what transformers' `apply_chat_template(…, tokenize=False)` gives.
    ///
    /// Encode it without adding special tokens: a template writes the BOS token itself.
    ///
    /// # Errors
    ///
    /// Where the template refuses the messages ([`ChatTemplateError::Raised`]), is not valid, fails, or does not come to an end, and where
    /// there is no message or no template of the name.
    pub fn render(
        &self,
        messages: &[Message],
        options: &RenderOptions,
    ) -> Result<String, ChatTemplateError> {
        if messages.is_empty() {
            return Err(ChatTemplateError::NoMessages);
        }
        let named = self.choose(options)?;
        let source = generation::replace(&named.source);
        let context = self.context(messages, options);
        let bytes = serde_json::to_vec(&context).map_or(0, |json| json.len());
        let environment = environment(options.now, bytes);
        environment
            .template_from_named_str(&named.file, &source)
            .and_then(|template| {
                template.render(minijinja::Value::from(minijinja::value::Serde(&context)))
            })
            .map_err(|error| explain(&error, &named.file, messages.len()))
    }

    fn choose(&self, options: &RenderOptions) -> Result<&Named, ChatTemplateError> {
        let find = |name: &str| self.templates.iter().find(|template| template.name == name);
        let asked = options.template.as_deref();
        let found = match asked {
            Some(name) => find(name),
            None => options
                .tools
                .as_ref()
                .and_then(|_| find("tool_use"))
                .or_else(|| find("default")),
        };
        found.ok_or_else(|| ChatTemplateError::UnknownName {
            name: asked.unwrap_or("default").to_owned(),
            known: self.names().map(str::to_owned).collect(),
        })
    }

    /// The template's variables.
    fn context(&self, messages: &[Message], options: &RenderOptions) -> Map<String, Value> {
        let mut context: Map<String, Value> = self
            .tokens
            .texts
            .iter()
            .map(|(name, text)| (name.clone(), text.as_str().into()))
            .collect();
        context.extend(
            options
                .variables
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        context.insert(
            "messages".to_owned(),
            messages.iter().map(Message::to_template).collect(),
        );
        context.insert("tools".to_owned(), options.tools.clone().into());
        context.insert("documents".to_owned(), options.documents.clone().into());
        context.insert(
            "add_generation_prompt".to_owned(),
            options.add_generation_prompt.into(),
        );
        context
    }
}

/// minijinja's error as ours.
fn explain(error: &minijinja::Error, file: &str, messages: usize) -> ChatTemplateError {
    let place = Place {
        file: file.to_owned(),
        line: error.line(),
    };
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(one) = cause {
        if let Some(Raised(message)) = one.downcast_ref() {
            return ChatTemplateError::Raised {
                message: message.clone(),
                place,
            };
        }
        cause = one.source();
    }
    let message = match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    };
    match error.kind() {
        ErrorKind::OutOfFuel => ChatTemplateError::TooMuchWork { place, messages },
        ErrorKind::SyntaxError => ChatTemplateError::Syntax { place, message },
        ErrorKind::InvalidOperation if message.contains("recursion limit") => {
            ChatTemplateError::TooMuchWork { place, messages }
        }
        _ => ChatTemplateError::Render { place, message },
    }
}
