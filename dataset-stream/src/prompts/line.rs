//! A line of JSON as a prompt.

use super::Prompt;
use serde_json::{Map, Value};

/// The prompt of a line: an object with `text` or `messages`, or only the text or the list of messages.
pub(super) fn prompt(line: &str) -> Result<Prompt, String> {
    of_line(parse(line)?)
}

/// The conversation of a line, or of a whole file.
pub(super) fn conversation(json: &str) -> Result<Prompt, String> {
    match of_line(parse(json)?)? {
        Prompt::Text(_) => Err(
            "is a text, expected a conversation: an object with \"messages\", or a list of messages"
                .to_owned(),
        ),
        conversation => Ok(conversation),
    }
}

fn of_line(value: Value) -> Result<Prompt, String> {
    match value {
        Value::String(text) => Ok(Prompt::Text(text)),
        messages @ Value::Array(_) => of_value("messages", messages),
        Value::Object(mut object) => match (object.remove("text"), object.remove("messages")) {
            (Some(_), Some(_)) => {
                Err("has both \"text\" and \"messages\"; expected one of them".to_owned())
            }
            (Some(text), None) => of_value("text", text),
            (None, Some(messages)) => {
                let tools = tools(object.remove("tools"))?;
                match (of_value("messages", messages)?, tools) {
                    (Prompt::Messages(messages), Some(tools)) => {
                        Ok(Prompt::Tools { messages, tools })
                    }
                    (prompt, _) => Ok(prompt),
                }
            }
            (None, None) => Err(format!(
                "has neither \"text\" nor \"messages\"; {}",
                keys(&object)
            )),
        },
        other => Err(format!(
            "is {}, expected an object with \"text\" or \"messages\"",
            kind(&other)
        )),
    }
}

/// No tools are as good as none said.
fn tools(value: Option<Value>) -> Result<Option<Vec<Value>>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(tools)) => Ok((!tools.is_empty()).then_some(tools)),
        Some(other) => Err(format!(
            "\"tools\" is {}, expected a list of functions as JSON schemas",
            kind(&other)
        )),
    }
}

/// The pair of a line: an object with `a` and `b`, each text, messages, or an object with one of them.
pub(super) fn pair(line: &str) -> Result<(Prompt, Prompt), String> {
    let Value::Object(mut object) = parse(line)? else {
        return Err("is not an object; expected {\"a\": …, \"b\": …}".to_owned());
    };
    let mut side = |name: &str| match object.remove(name) {
        Some(value) => of_value(name, value),
        None => Err(format!("has no {name:?}; {}", keys(&object))),
    };
    Ok((side("a")?, side("b")?))
}

fn parse(line: &str) -> Result<Value, String> {
    serde_json::from_str(line).map_err(|error| format!("is not JSON: {error}"))
}

fn of_value(name: &str, value: Value) -> Result<Prompt, String> {
    match value {
        Value::String(text) => Ok(Prompt::Text(text)),
        Value::Array(messages) => {
            if messages.is_empty() {
                return Err(format!("{name:?} has no messages"));
            }
            let wrong = messages.iter().position(|message| !is_message(message));
            match wrong {
                Some(at) => Err(format!(
                    "{name:?}[{at}] is not a message; expected an object with a \"role\" and a \"content\""
                )),
                None => Ok(Prompt::Messages(messages)),
            }
        }
        Value::Object(mut object) if object.len() == 1 => {
            let inner = ["text", "messages"].into_iter();
            let inner = inner.filter_map(|key| Some((key, object.remove(key)?)));
            match inner.last() {
                Some((key, value)) => of_value(key, value),
                None => Err(format!("{name:?} {}", keys(&object))),
            }
        }
        other => Err(format!(
            "{name:?} is {}, expected text or a list of messages",
            kind(&other)
        )),
    }
}

fn is_message(value: &Value) -> bool {
    // A call of a tool may come without content.
    let says = ["content", "tool_calls"]
        .iter()
        .any(|key| value.get(key).is_some());
    value["role"].is_string() && says
}

fn keys(object: &Map<String, Value>) -> String {
    let keys: Vec<_> = object
        .keys()
        .take(8)
        .map(|key| format!("{key:?}"))
        .collect();
    if keys.is_empty() {
        return "it has no other keys".to_owned();
    }
    format!("has the keys {}", keys.join(", "))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
