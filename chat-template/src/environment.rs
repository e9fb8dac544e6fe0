//! The Jinja environment of transformers: its whitespace, its functions, Python's methods, and limits.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};

use crate::{Moment, python, tojson};

/// What a template may do before it is stopped, in minijinja's fuel: one for an instruction, or for 64 bytes of text. Real templates take
/// some thousands for a conversation of a few messages.
const FUEL: u64 = 2_000_000;

/// How deep macros, loops and includes may lie in each other.
const MAX_DEPTH: usize = 100;

/// The source of an error that the template itself raised.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Raised(pub(crate) String);

/// An environment for one rendering of `input_bytes` of messages.
pub(crate) fn environment(now: Option<Moment>, input_bytes: usize) -> Environment<'static> {
    let mut environment = Environment::new();
    if let Ok(syntax) = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
    {
        environment.set_syntax(syntax);
    }
    // Text is not escaped, whatever the template is called.
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_recursion_limit(MAX_DEPTH);
    // A template that reads every message once for every message is still no hostile one.
    environment.set_fuel(Some(FUEL.saturating_add(input_bytes as u64)));
    environment.set_formatter(|out, state, value| match python::text(value)? {
        Some(text) => minijinja::escape_formatter(out, state, &Value::from(text)),
        None => minijinja::escape_formatter(out, state, value),
    });
    environment.add_filter("tojson", tojson::filter);
    environment.add_filter("string", |value: Value| python::str(&value));
    environment.add_filter("trim", |value: Value, chars: Option<String>| {
        let text = python::str(&value)?;
        Ok::<_, Error>(match chars {
            Some(chars) => text.trim_matches(|c| chars.contains(c)).to_owned(),
            None => text.trim_matches(python::is_space).to_owned(),
        })
    });
    // In Jinja whatever has a length and items is one: texts, dictionaries, and even what is undefined.
    environment.add_test("sequence", |value: Value| {
        matches!(
            value.kind(),
            ValueKind::Seq | ValueKind::Map | ValueKind::String | ValueKind::Undefined
        )
    });
    environment.add_function(
        "raise_exception",
        |message: String| -> Result<String, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message.clone())
                .with_source(Raised(message)))
        },
    );
    environment.add_function(
        "strftime_now",
        move |format: String| -> Result<String, Error> {
            now.unwrap_or_else(Moment::now)
                .format(&format)
                .ok_or_else(|| {
                    Error::new(
                        ErrorKind::InvalidOperation,
                        format!(
                            "strftime_now: {format:?} is not a format of dates, as \"%d %b %Y\" is"
                        ),
                    )
                })
        },
    );
    environment
}
