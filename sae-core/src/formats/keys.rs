//! A configuration as keys and values, with errors that name them.

use super::error::FormatError;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// No configuration comes near this size.
const MAX_BYTES: u64 = 16 << 20;
/// Larger than any dictionary, small enough that products of two sizes stay far from overflow.
const MAX_DIM: u64 = 1 << 28;

/// An object of a configuration file.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    path: PathBuf,
    /// Before the names of keys: `trainer.`.
    prefix: String,
    map: Map<String, Value>,
}

/// The text of a small file.
pub(crate) fn text(path: &Path) -> Result<String, FormatError> {
    let read = |source| FormatError::Read {
        path: path.to_owned(),
        source,
    };
    let found = std::fs::metadata(path).map_err(read)?;
    // Opening a pipe would wait for somebody who writes into it.
    if !found.is_file() {
        return Err(read(std::io::Error::other(
            "it is a folder, a pipe or a device",
        )));
    }
    if found.len() > MAX_BYTES {
        return Err(FormatError::TooLarge {
            path: path.to_owned(),
            bytes: found.len(),
        });
    }
    std::fs::read_to_string(path).map_err(read)
}

impl Keys {
    /// Reads a file of JSON.
    pub(crate) fn json(path: &Path) -> Result<Self, FormatError> {
        let text = text(path)?;
        let value = serde_json::from_str(&text).map_err(|error| FormatError::Syntax {
            path: path.to_owned(),
            reason: format!("is not JSON: {error}"),
        })?;
        Self::new(path, value)
    }

    pub(crate) fn new(path: &Path, value: Value) -> Result<Self, FormatError> {
        match value {
            Value::Object(map) => Ok(Self {
                path: path.to_owned(),
                prefix: String::new(),
                map,
            }),
            _ => Err(FormatError::Syntax {
                path: path.to_owned(),
                reason: "holds no object of keys and values; expected an SAE's configuration"
                    .to_owned(),
            }),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(|value| !value.is_null())
    }

    /// The error that a key says what it must not.
    pub(crate) fn wrong(&self, key: &str, expected: impl Into<String>) -> FormatError {
        let found = match self.map.get(key) {
            None => "is missing".to_owned(),
            Some(value) => {
                let text = value.to_string();
                let short: String = text.chars().take(60).collect();
                format!(
                    "is {short}{}",
                    if short.len() < text.len() { "…" } else { "" }
                )
            }
        };
        FormatError::Key {
            path: self.path.clone(),
            key: format!("{}{key}", self.prefix),
            found,
            expected: expected.into(),
        }
    }

    /// An object within.
    pub(crate) fn object(&self, key: &str) -> Result<Self, FormatError> {
        match self.map.get(key) {
            Some(Value::Object(map)) => Ok(Self {
                path: self.path.clone(),
                prefix: format!("{}{key}.", self.prefix),
                map: map.clone(),
            }),
            _ => Err(self.wrong(key, "an object of keys and values")),
        }
    }

    /// A whole number from 1, as sizes are.
    pub(crate) fn size(&self, key: &str) -> Result<usize, FormatError> {
        let found = self.map.get(key).and_then(Value::as_u64);
        found
            .filter(|n| (1..=MAX_DIM).contains(n))
            .map(|n| n as usize)
            .ok_or_else(|| self.wrong(key, format!("a whole number from 1 to {MAX_DIM}")))
    }

    /// A whole number from 0.
    pub(crate) fn index(&self, key: &str) -> Result<usize, FormatError> {
        let found = self.map.get(key).and_then(Value::as_u64);
        found
            .filter(|n| *n <= 10_000)
            .map(|n| n as usize)
            .ok_or_else(|| self.wrong(key, "a whole number from 0"))
    }

    pub(crate) fn number(&self, key: &str) -> Result<f64, FormatError> {
        let found = self.map.get(key).and_then(Value::as_f64);
        found
            .filter(|x| x.is_finite())
            .ok_or_else(|| self.wrong(key, "a number"))
    }

    /// A number above 0.
    pub(crate) fn positive(&self, key: &str) -> Result<f64, FormatError> {
        match self.number(key) {
            Ok(x) if x > 0.0 => Ok(x),
            _ => Err(self.wrong(key, "a number above 0")),
        }
    }

    pub(crate) fn text(&self, key: &str) -> Result<&str, FormatError> {
        let found = self.map.get(key).and_then(Value::as_str);
        found.ok_or_else(|| self.wrong(key, "a text"))
    }

    /// A text, if there is one.
    pub(crate) fn optional_text(&self, key: &str) -> Result<Option<&str>, FormatError> {
        if self.has(key) {
            self.text(key).map(Some)
        } else {
            Ok(None)
        }
    }

    /// A list of texts.
    pub(crate) fn texts(&self, key: &str) -> Result<Vec<String>, FormatError> {
        let list = self.map.get(key).and_then(Value::as_array);
        let texts = list.and_then(|list| {
            let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
            texts.collect()
        });
        texts.ok_or_else(|| self.wrong(key, "a list of texts"))
    }

    /// A list of whole numbers from 0.
    pub(crate) fn indices(&self, key: &str) -> Result<Vec<usize>, FormatError> {
        let list = self.map.get(key).and_then(Value::as_array);
        let numbers = list.and_then(|list| {
            let numbers = list.iter().map(|n| n.as_u64().filter(|n| *n <= 10_000));
            numbers.map(|n| n.map(|n| n as usize)).collect()
        });
        numbers.ok_or_else(|| self.wrong(key, "a list of whole numbers from 0"))
    }

    /// True or false; `otherwise` if the key is missing.
    pub(crate) fn flag(&self, key: &str, otherwise: bool) -> Result<bool, FormatError> {
        match self.map.get(key) {
            None | Some(Value::Null) => Ok(otherwise),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }
}
