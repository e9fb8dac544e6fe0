//! What a rendering needs besides the messages.

use serde_json::{Map, Value};

use crate::Moment;

/// What a rendering needs besides the messages. All of it has a default.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RenderOptions {
    /// Whether the text ends with the head of an assistant's message, so that a model answers. By default it does not.
    pub add_generation_prompt: bool,
    /// Which of several templates. By default `tool_use` where there are tools and a template of that name, else `default`.
    pub template: Option<String>,
    /// The functions that the model may call, as JSON schemas. Without any the template's `tools` is none.
    pub tools: Option<Vec<Value>>,
    /// Documents to answer from, as `{"title": …, "text": …}`. Without any the template's `documents` is none.
    pub documents: Option<Vec<Value>>,
    /// Further variables of the template. They come before special tokens of the same name.
    pub variables: Map<String, Value>,
    /// What `strftime_now` tells; by default what the clock says.
    pub now: Option<Moment>,
}

impl RenderOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the text ends with the head of an assistant's message.
    #[must_use]
    pub fn add_generation_prompt(mut self, add: bool) -> Self {
        self.add_generation_prompt = add;
        self
    }

    /// The template of this name, of those that the model has.
    #[must_use]
    pub fn template(mut self, name: impl Into<String>) -> Self {
        self.template = Some(name.into());
        self
    }

    /// The functions that the model may call, as JSON schemas.
    #[must_use]
    pub fn tools(mut self, tools: Vec<Value>) -> Self {
        self.tools = Some(tools);
        self
    }

    /// Documents to answer from.
    #[must_use]
    pub fn documents(mut self, documents: Vec<Value>) -> Self {
        self.documents = Some(documents);
        self
    }

    /// One further variable of the template.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// The date that Llama 3's templates write, in their form: `26 Jul 2024`.
    #[must_use]
    pub fn date_string(self, date: impl Into<String>) -> Self {
        self.variable("date_string", date.into())
    }

    /// What `strftime_now` tells.
    #[must_use]
    pub fn now(mut self, now: Moment) -> Self {
        self.now = Some(now);
        self
    }
}
