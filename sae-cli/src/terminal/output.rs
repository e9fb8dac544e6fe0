//! Results to stdout or a file, messages to stderr.

use super::logging::warnings;
use anyhow::{Context, Error, Result};
use serde::Serialize;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Prints what went wrong, with its causes.
#[expect(clippy::print_stderr, reason = "the one place that reports failure")]
pub(crate) fn print_error(error: &Error) {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Many messages quote their cause already.
        if !text.contains(&cause) {
            text.push_str("\n  because: ");
            text.push_str(&cause);
        }
    }
    eprintln!("error: {}", harmless(&text));
}

/// Prints a line to stderr.
#[expect(clippy::print_stderr, reason = "the end of an interrupted call")]
pub(crate) fn print_line(text: &str) {
    eprintln!("{text}");
}

/// Where the result goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output<'a> {
    /// `-` is stdout.
    json: Option<&'a Path>,
}

/// A result, and every warning that was given on the way to it.
#[derive(Serialize)]
struct WithWarnings<'a, T> {
    #[serde(flatten)]
    result: &'a T,
    warnings: Vec<String>,
}

impl<'a> Output<'a> {
    /// JSON goes to this file, or to stdout for `-`.
    pub(crate) fn new(json: Option<&'a Path>) -> Self {
        Self { json }
    }

    /// Whether stdout is for JSON, so that people see what is on stderr only.
    pub(crate) fn is_json_alone(&self) -> bool {
        self.json == Some(Path::new("-"))
    }

    /// Prints the result for people, unless stdout is for JSON, and writes the JSON that was asked for: the keys of the result, and
    /// `warnings`.
    pub(crate) fn emit(&self, human: &str, result: &impl Serialize) -> Result<()> {
        let warnings = warnings();
        self.emit_as_it_is(human, &WithWarnings { result, warnings })
    }

    /// As [`emit`](Self::emit), with the JSON as it is: a list, or a result that has its `warnings` already.
    pub(crate) fn emit_as_it_is(&self, human: &str, result: &impl Serialize) -> Result<()> {
        match self.json {
            Some(_) if self.is_json_alone() => write(&pretty(result)?).map(drop),
            Some(path) => {
                whole_file::write(path, pretty(result)?.as_bytes())?;
                print(human).map(drop)
            }
            None => print(human).map(drop),
        }
    }
}

/// Columns of the terminal: what `COLUMNS` says, else what it says itself; 80 if it is none.
pub(crate) fn columns() -> usize {
    let told = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok());
    let asked = || terminal_size::terminal_size().map(|(width, _)| width.0.into());
    told.filter(|n| *n > 0).or_else(asked).unwrap_or(80)
}

fn pretty(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value).context("the result cannot be written as JSON")? + "\n")
}

/// Writes text for people to stdout, and says whether there still is a reader.
pub(super) fn print(text: &str) -> Result<bool> {
    write(&harmless(text))
}

/// Writes to stdout. A reader that has gone away (`| head`) is not an error.
fn write(text: &str) -> Result<bool> {
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true).context("cannot write to stdout"),
    }
}

/// Text without the characters by which a file's content could steer the terminal or turn a line around; line breaks and tabs stay.
fn harmless(text: &str) -> String {
    let steers = |c: char| match c {
        '\n' | '\t' => false,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        c => c.is_control(),
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn text_cannot_steer_the_terminal() {
        assert_eq!(
            harmless("a\tb\n\u{1b}[2J\u{202e}"),
            "a\tb\n\\u{1b}[2J\\u{202e}"
        );
    }
}
