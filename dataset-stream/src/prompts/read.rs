//! Files of prompts.

use super::{Prompt, PromptError, line};
use crate::{Content, SourceOptions, TextSource};
use std::path::Path;

/// Prompts are kept in memory, all of them.
const MOST_BYTES: u64 = 1 << 30;

/// Reads a file of prompts, in its order. By its ending: `.jsonl` and `.ndjson` have an object a line, with `text` or `messages` (and `tools`), or a JSON string
/// or a list of messages a line; `.parquet` and `.arrow` have a column of text, found as in data sets; anything else is text, one prompt a line. Blank lines are left out.
///
/// # Errors
/// If it cannot be read, a line is not a prompt, or there is none.
pub fn read_prompts(path: &Path) -> Result<Vec<Prompt>, PromptError> {
    let prompts = match ending(path).as_str() {
        "parquet" | "arrow" => table(path)?,
        "jsonl" | "ndjson" => lines(path, line::prompt)?,
        _ => lines(path, |line| Ok(Prompt::Text(line.to_owned())))?,
    };
    not_empty(path, prompts)
}

/// Reads pairs of prompts from JSON Lines: `{"a": …, "b": …}`, each side text or a list of messages.
///
/// # Errors
/// As [`read_prompts`].
pub fn read_pairs(path: &Path) -> Result<Vec<(Prompt, Prompt)>, PromptError> {
    not_empty(path, lines(path, line::pair)?)
}

/// Reads conversations from JSON: a list of messages or an object with `messages` (and `tools`), one in the whole file or one a line.
///
/// # Errors
/// As [`read_prompts`].
pub fn read_conversations(path: &Path) -> Result<Vec<Prompt>, PromptError> {
    let text = text(path)?;
    if let Ok(whole) = line::conversation(&text) {
        return Ok(vec![whole]);
    }
    not_empty(path, of_lines(path, &text, line::conversation)?)
}

pub(super) fn not_empty<T>(path: &Path, prompts: Vec<T>) -> Result<Vec<T>, PromptError> {
    if prompts.is_empty() {
        return Err(PromptError::Empty(path.to_owned()));
    }
    Ok(prompts)
}

fn ending(path: &Path) -> String {
    let ending = path.extension().unwrap_or_default();
    ending.to_string_lossy().to_ascii_lowercase()
}

pub(super) fn lines<T>(
    path: &Path,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, PromptError> {
    of_lines(path, &text(path)?, parse)
}

fn of_lines<T>(
    path: &Path,
    text: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, PromptError> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let parsed = parse(line).map_err(|problem| PromptError::Line {
            path: path.to_owned(),
            line: at + 1,
            problem,
        });
        found.push(parsed?);
    }
    Ok(found)
}

fn text(path: &Path) -> Result<String, PromptError> {
    if matches!(ending(path).as_str(), "gz" | "zst" | "bz2" | "xz" | "zip") {
        return Err(PromptError::Compressed(path.to_owned()));
    }
    let io = |source| PromptError::Io {
        path: path.to_owned(),
        source,
    };
    let found = std::fs::metadata(path).map_err(io)?;
    // Opening a pipe would wait for somebody who writes into it.
    if !found.is_file() {
        return Err(io(std::io::Error::other("it is not a file")));
    }
    if found.len() > MOST_BYTES {
        return Err(PromptError::TooLarge {
            path: path.to_owned(),
            bytes: found.len(),
            limit: MOST_BYTES,
        });
    }
    let bytes = std::fs::read(path).map_err(io)?;
    let text = String::from_utf8(bytes).map_err(|error| PromptError::NotText {
        path: path.to_owned(),
        at: error.utf8_error().valid_up_to(),
    })?;
    // A byte order mark is no part of the first prompt.
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

fn table(path: &Path) -> Result<Vec<Prompt>, PromptError> {
    let spec = path.to_string_lossy();
    let mut prompts = Vec::new();
    for document in TextSource::open(&spec, &SourceOptions::default())? {
        let document = document?;
        match document.content {
            Content::Text(text) if text.trim().is_empty() => {}
            Content::Text(text) => prompts.push(Prompt::Text(text)),
            Content::Tokens(_) => return Err(PromptError::Ids(document.location)),
        }
    }
    Ok(prompts)
}
