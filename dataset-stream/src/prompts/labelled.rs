//! Texts with labels.

use super::PromptError;
use super::read::{lines, not_empty};
use serde_json::{Map, Value};
use std::path::Path;

/// A text and its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledText {
    /// The text.
    pub text: String,
    /// The label; a number or a truth value as JSON writes it.
    pub label: String,
}

/// Reads JSON Lines in which each line has a text and a label under these keys. A label is text, a number or a truth value. Blank lines are left out.
///
/// # Errors
/// If the file cannot be read, a line has no such keys, or there is none.
pub fn read_labelled(
    path: &Path,
    text_key: &str,
    label_key: &str,
) -> Result<Vec<LabelledText>, PromptError> {
    let parse = |line: &str| labelled(line, text_key, label_key);
    not_empty(path, lines(path, parse)?)
}

fn labelled(line: &str, text_key: &str, label_key: &str) -> Result<LabelledText, String> {
    let object: Map<String, Value> =
        serde_json::from_str(line).map_err(|error| format!("is not an object of JSON: {error}"))?;
    let found = |key: &str| {
        object.get(key).ok_or_else(|| {
            let keys: Vec<&str> = object.keys().map(String::as_str).collect();
            format!("has no {key:?}; it has {}", keys.join(", "))
        })
    };
    let text = found(text_key)?.as_str();
    let text = text.ok_or_else(|| format!("{text_key:?} is not text"))?;
    let label = match found(label_key)? {
        Value::String(label) => label.clone(),
        label @ (Value::Number(_) | Value::Bool(_)) => label.to_string(),
        _ => return Err(format!("{label_key:?} is neither text nor a number")),
    };
    let text = text.to_owned();
    Ok(LabelledText { text, label })
}

#[cfg(test)]
mod tests {
    use super::labelled;

    #[test]
    fn labels_are_text_numbers_or_truth_values() {
        let label = |line: &str| labelled(line, "text", "label").map(|found| found.label);
        assert_eq!(label(r#"{"text": "a", "label": "news"}"#).unwrap(), "news");
        assert_eq!(label(r#"{"text": "a", "label": 3}"#).unwrap(), "3");
        assert_eq!(label(r#"{"text": "a", "label": true}"#).unwrap(), "true");
        let error = label(r#"{"text": "a", "class": 3}"#).unwrap_err();
        assert_eq!(error, "has no \"label\"; it has text, class");
        assert!(label(r#"{"text": 1, "label": 3}"#).is_err());
        assert!(label("[]").is_err());
    }
}
