//! One message of a conversation.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ChatTemplateError;

/// One message: who speaks, and what is said.
///
/// In JSON it is `{"role": "user", "content": "Hello"}`. Further keys (`tool_calls`, `name`, …) are kept and handed to the template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
#[non_exhaustive]
pub struct Message {
    /// `system`, `user`, `assistant`, `tool`, or what else the template knows.
    pub role: String,
    /// A text, or a list of parts as `{"type": "text", "text": …}`; null where there is none, as beside `tool_calls`.
    pub content: Value,
    /// All further keys, in their order.
    pub other: Map<String, Value>,
    /// The keys in the order of the JSON that the message is from: a template may print a message as a whole.
    keys: Vec<String>,
}

impl TryFrom<Map<String, Value>> for Message {
    type Error = ChatTemplateError;

    fn try_from(mut fields: Map<String, Value>) -> Result<Self, ChatTemplateError> {
        let keys = fields.keys().cloned().collect();
        let Some(Value::String(role)) = fields.shift_remove("role") else {
            return Err(ChatTemplateError::NoRole);
        };
        let content = fields.shift_remove("content").unwrap_or_default();
        Ok(Self {
            role,
            content,
            other: fields,
            keys,
        })
    }
}

impl From<Message> for Map<String, Value> {
    fn from(message: Message) -> Self {
        message.fields()
    }
}

/// The names under which a message's reasoning comes, the standard one first.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

impl Message {
    /// A message of text, or of parts.
    pub fn new(role: impl Into<String>, content: impl Into<Value>) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
            other: Map::new(),
            keys: Vec::new(),
        }
    }

    /// What the user says.
    pub fn user(content: impl Into<Value>) -> Self {
        Self::new("user", content)
    }

    /// What the model is told before the conversation.
    pub fn system(content: impl Into<Value>) -> Self {
        Self::new("system", content)
    }

    /// What the model says.
    pub fn assistant(content: impl Into<Value>) -> Self {
        Self::new("assistant", content)
    }

    /// All keys and their values, in the order of the JSON, or role and content first. A key whose value is null is left out.
    fn fields(&self) -> Map<String, Value> {
        let own = [
            ("role", Value::from(self.role.as_str())),
            ("content", self.content.clone()),
        ];
        let own = own.into_iter().map(|(key, value)| (key.to_owned(), value));
        let mut given: Map<String, Value> = own
            .chain(self.other.clone())
            .filter(|(_, value)| !value.is_null())
            .collect();
        let mut fields: Map<String, Value> = self
            .keys
            .iter()
            .filter_map(|key| Some((key.clone(), given.shift_remove(key)?)))
            .collect();
        fields.extend(given);
        fields
    }

    /// What the template sees. As in transformers, reasoning goes by its standard name as well.
    pub(crate) fn to_template(&self) -> Value {
        let said = self.fields();
        let Some(reasoning) = REASONING.iter().find_map(|name| said.get(*name)).cloned() else {
            return said.into();
        };
        let mut fields = Map::new();
        fields.insert("thinking".to_owned(), reasoning.clone());
        fields.extend(said);
        fields.insert("reasoning_content".to_owned(), reasoning);
        fields.into()
    }
}
