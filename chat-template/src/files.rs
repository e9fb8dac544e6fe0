//! The files that hold a model's templates.

use std::fs::File;
use std::io::{Error, Read};
use std::path::Path;

use serde_json::Value;

use crate::{ChatTemplateError, SpecialTokens};

/// The file of the template, where it has one of its own.
pub(crate) const TEMPLATE: &str = "chat_template.jinja";
/// The folder of further templates.
pub(crate) const MORE: &str = "additional_chat_templates";
/// The tokenizer's configuration.
pub(crate) const CONFIG: &str = "tokenizer_config.json";

/// The largest file that is read: some tokenizers list thousands of added tokens in their configuration.
const MAX_BYTES: u64 = 64 << 20;
/// The largest template.
const MAX_TEMPLATE: u64 = 1 << 20;

/// One template and where it is from.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) source: String,
}

impl Named {
    pub(crate) fn new(name: &str, file: impl Into<String>, source: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            file: file.into(),
            source: source.into(),
        }
    }
}

/// A text file of at most `limit` bytes.
fn read(path: &Path, limit: u64) -> Result<String, ChatTemplateError> {
    let failed = |source| ChatTemplateError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    let found = path.metadata().map_err(failed)?;
    // Opening a pipe would wait for somebody who writes into it.
    if !found.is_file() {
        return Err(failed(Error::other("it is not a file")));
    }
    let file = File::open(path).map_err(failed)?;
    let bytes = found.len();
    // A file may grow: what is read is counted as well.
    let read = if bytes > limit {
        0
    } else {
        file.take(limit + 1)
            .read_to_string(&mut text)
            .map_err(failed)? as u64
    };
    if bytes.max(read) > limit {
        return Err(ChatTemplateError::TooLarge {
            path: path.to_owned(),
            bytes: bytes.max(read),
            limit,
        });
    }
    Ok(text)
}

/// The template in a file of its own.
pub(crate) fn template(name: &str, path: &Path) -> Result<Named, ChatTemplateError> {
    Ok(Named::new(
        name,
        path.display().to_string(),
        read(path, MAX_TEMPLATE)?,
    ))
}

/// The templates and special tokens of a `tokenizer_config.json`.
pub(crate) fn config(path: &Path) -> Result<(Vec<Named>, SpecialTokens), ChatTemplateError> {
    let wrong = |message: String| ChatTemplateError::Config {
        path: path.to_owned(),
        message,
    };
    let config: Value = serde_json::from_str(&read(path, MAX_BYTES)?)
        .map_err(|error| wrong(format!("not valid JSON: {error}")))?;
    let one = |name: &str, source: &str| Named::new(name, path.display().to_string(), source);
    let templates = match &config["chat_template"] {
        Value::Null => Vec::new(),
        Value::String(source) => vec![one("default", source)],
        Value::Array(entries) => entries
            .iter()
            .map(|entry| match (entry["name"].as_str(), entry["template"].as_str()) {
                (Some(name), Some(source)) => Ok(one(name, source)),
                _ => Err(wrong("chat_template is a list with an entry that is not {\"name\": …, \"template\": …}".to_owned())),
            })
            .collect::<Result<_, _>>()?,
        _ => return Err(wrong("chat_template must be a text, or a list of {\"name\": …, \"template\": …}".to_owned())),
    };
    Ok((templates, SpecialTokens::from_config(&config)))
}

/// The further templates in the folder, sorted by name.
pub(crate) fn more(folder: &Path) -> Result<Vec<Named>, ChatTemplateError> {
    let failed = |source| ChatTemplateError::Read {
        path: folder.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut templates = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "jinja")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            templates.push(template(name, &path)?);
        }
    }
    templates.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(templates)
}
