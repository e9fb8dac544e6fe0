//! Files of JSON and TOML.

use super::error::ConfigProblem;
use serde_json::{Map, Value};
use std::path::Path;

/// No configuration comes near this size.
const MAX_BYTES: u64 = 16 << 20;

/// The object that a file holds: TOML if it is named so, else JSON.
pub(super) fn read(path: &Path) -> Result<Map<String, Value>, ConfigProblem> {
    let found = std::fs::metadata(path).map_err(ConfigProblem::Read)?;
    // Opening a pipe would wait for somebody who writes into it.
    if !found.is_file() {
        let reason = std::io::Error::other("it is a folder, a pipe or a device");
        return Err(ConfigProblem::Read(reason));
    }
    if found.len() > MAX_BYTES {
        return Err(ConfigProblem::TooLarge { bytes: found.len() });
    }
    let text = std::fs::read_to_string(path).map_err(ConfigProblem::Read)?;
    let text = text.trim_start_matches('\u{feff}');
    let toml = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("toml"));
    if toml {
        from_toml(text)
    } else {
        from_json(text)
    }
}

fn from_json(text: &str) -> Result<Map<String, Value>, ConfigProblem> {
    let syntax = |reason| ConfigProblem::Syntax {
        format: "JSON",
        reason,
    };
    match serde_json::from_str(text).map_err(|error| syntax(error.to_string()))? {
        Value::Object(object) => Ok(object),
        other => Err(syntax(format!(
            "it holds {}, expected an object with the settings",
            super::value::shown(&other)
        ))),
    }
}

fn from_toml(text: &str) -> Result<Map<String, Value>, ConfigProblem> {
    let syntax = |reason| ConfigProblem::Syntax {
        format: "TOML",
        reason,
    };
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map(|before| format!("line {}: ", before.matches('\n').count() + 1));
        syntax(line.unwrap_or_default() + error.message())
    })?;
    let entries = table.into_iter();
    entries
        .map(|(key, value)| match json(value) {
            Ok(value) => Ok((key, value)),
            Err(reason) => Err(syntax(format!("{key}: {reason}"))),
        })
        .collect()
}

/// Nested no deeper than TOML's parser allows.
fn json(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(n) => n.into(),
        toml::Value::Boolean(yes) => yes.into(),
        toml::Value::Float(x) => match serde_json::Number::from_f64(x) {
            Some(number) => Value::Number(number),
            None => return Err(format!("{x} is no setting; expected a number")),
        },
        toml::Value::Datetime(date) => {
            return Err(format!("{date} is a date, which no setting is"));
        }
        toml::Value::Array(list) => list.into_iter().map(json).collect::<Result<_, _>>()?,
        toml::Value::Table(table) => {
            let entries = table.into_iter();
            let entries = entries.map(|(key, value)| Ok((key, json(value)?)));
            Value::Object(entries.collect::<Result<_, String>>()?)
        }
    })
}
