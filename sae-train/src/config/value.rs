//! Values of a configuration: from JSON to types, and into messages.

use super::error::ConfigProblem;
use serde::de::DeserializeOwned;
use serde_json::{Number, Value};
use serde_path_to_error::Segment;

/// Whole numbers beyond this have no exact double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Reads a value as a type; `name` is its key, for the message.
pub(super) fn typed<T: DeserializeOwned>(name: &str, value: &Value) -> Result<T, ConfigProblem> {
    serde_path_to_error::deserialize(value.clone()).map_err(|error| {
        let (mut found, mut key) = (value, name.to_owned());
        for segment in error.path() {
            match segment {
                Segment::Seq { index } => {
                    found = found.get(index).unwrap_or(found);
                    key.push_str(&format!("[{index}]"));
                }
                // The outermost object of the options is of our making: its key is the name.
                Segment::Map { key: inner } => found = found.get(inner).unwrap_or(found),
                _ => {}
            }
        }
        ConfigProblem::Value {
            key,
            found: shown(found),
            expected: expected(&error.inner().to_string()),
        }
    })
}

/// From serde's message, without its words for Rust's types.
fn expected(message: &str) -> String {
    const WORDS: [(&str, &str); 9] = [
        ("f64", "a number"),
        ("usize", "a whole number from 0"),
        ("u64", "a whole number from 0"),
        ("u32", "a whole number from 0"),
        ("i64", "a whole number"),
        ("a boolean", "true or false"),
        ("a sequence", "a list"),
        ("a map", "an object"),
        ("path string", "a path"),
    ];
    let Some((_, rest)) = message.split_once("expected ") else {
        return format!("something else ({message})");
    };
    let word = WORDS.iter().find(|(word, _)| *word == rest);
    word.map_or_else(|| rest.replace('`', ""), |(_, plain)| (*plain).to_owned())
}

/// A value for a message: whole if it is short, else what it is.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match value {
        _ if text.chars().count() <= 60 => text,
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        _ => text.chars().take(59).chain(['…']).collect(),
    }
}

/// Numbers such as 2e6 as the whole numbers that they are, so that they will do where tokens or steps are counted.
pub(super) fn whole(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(match number.as_f64() {
            Some(x) if number.is_f64() && x.fract() == 0.0 && x.abs() < EXACT => {
                Number::from(x as i64)
            }
            _ => number,
        }),
        Value::Array(list) => list.into_iter().map(whole).collect(),
        Value::Object(map) => map.into_iter().map(|(k, v)| (k, whole(v))).collect(),
        other => other,
    }
}
