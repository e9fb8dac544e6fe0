//! `tojson` as Python's `json.dumps(x, ensure_ascii=False)` writes it: ", " and ": " between, nothing escaped for HTML.

use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use crate::python;

/// How deep lists and objects may lie in each other.
const MAX_DEPTH: usize = 200;

/// The arguments of one call, and what it pays with for the text that it makes: the same list may lie in others many times over.
struct Style<'a> {
    state: &'a State<'a, 'a>,
    ensure_ascii: bool,
    /// What one level is indented by; all on one line without it.
    indent: Option<String>,
    item: String,
    key: String,
    sort_keys: bool,
}

/// The filter: `x | tojson`, with Python's arguments `ensure_ascii`, `indent`, `separators` and `sort_keys`, by name or by place.
#[allow(clippy::needless_pass_by_value)] // the form of a filter
pub(crate) fn filter(
    state: &State,
    value: &Value,
    places: Rest<Value>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let mut arguments = [None, None, None, None];
    for (slot, (name, place)) in arguments.iter_mut().zip([
        ("ensure_ascii", 0),
        ("indent", 1),
        ("separators", 2),
        ("sort_keys", 3),
    ]) {
        let named: Option<Value> = kwargs.get(name)?;
        *slot = named
            .or_else(|| places.get(place).cloned())
            .filter(|value| !value.is_none());
    }
    kwargs.assert_all_used()?;
    let [ensure_ascii, indent, separators, sort_keys] = arguments;
    let indent = match indent {
        None => None,
        Some(text) if text.as_str().is_some() => text.as_str().map(str::to_owned),
        Some(width) => {
            Some(" ".repeat(usize::try_from(i64::try_from(width)?.clamp(0, 64)).unwrap_or(0)))
        }
    };
    let (mut item, mut key) = (
        if indent.is_some() { "," } else { ", " }.to_owned(),
        ": ".to_owned(),
    );
    if let Some(both) = separators {
        item = both.get_item_by_index(0)?.to_string();
        key = both.get_item_by_index(1)?.to_string();
    }
    let truth = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let style = Style {
        state,
        ensure_ascii: truth(ensure_ascii),
        indent,
        item,
        key,
        sort_keys: truth(sort_keys),
    };
    let mut text = String::new();
    write(&mut text, value, &style, 0)?;
    Ok(text)
}

fn write(text: &mut String, value: &Value, style: &Style<'_>, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("tojson: more than {MAX_DEPTH} lists or objects in each other"),
        ));
    }
    style.state.consume_fuel(1)?;
    match value.kind() {
        ValueKind::None => text.push_str("null"),
        ValueKind::Bool => text.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => text.push_str(&python::number(value)),
        ValueKind::String => string(text, value.as_str().unwrap_or_default(), style)?,
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter()?;
            list(text, ['[', ']'], items, style, depth, |text, item| {
                write(text, &item, style, depth + 1)
            })?;
        }
        ValueKind::Map => {
            let mut keys: Vec<Value> = value.try_iter()?.collect();
            if style.sort_keys {
                keys.sort();
            }
            list(
                text,
                ['{', '}'],
                keys.into_iter(),
                style,
                depth,
                |text, key| {
                    if let Some(key) = key.as_str() {
                        string(text, key, style)?;
                    } else {
                        text.push('"');
                        write(text, &key, style, depth + 1)?;
                        text.push('"');
                    }
                    text.push_str(&style.key);
                    write(text, &value.get_item(&key)?, style, depth + 1)
                },
            )?;
        }
        kind => {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                format!("tojson: a value of the kind {kind} is not JSON serializable"),
            ));
        }
    }
    Ok(())
}

/// Items between brackets, with what stands between them.
fn list(
    text: &mut String,
    [open, close]: [char; 2],
    items: impl Iterator<Item = Value>,
    style: &Style<'_>,
    depth: usize,
    mut each: impl FnMut(&mut String, Value) -> Result<(), Error>,
) -> Result<(), Error> {
    let newline = |text: &mut String, depth: usize| {
        if let Some(indent) = &style.indent {
            text.push('\n');
            (0..depth).for_each(|_| text.push_str(indent));
        }
    };
    text.push(open);
    let mut any = false;
    for item in items {
        if any {
            text.push_str(&style.item);
        }
        any = true;
        newline(text, depth + 1);
        each(text, item)?;
    }
    if any {
        newline(text, depth);
    }
    text.push(close);
    Ok(())
}

fn string(text: &mut String, content: &str, style: &Style<'_>) -> Result<(), Error> {
    style.state.consume_fuel(content.len() as u64 / 16)?;
    text.push('"');
    for c in content.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            c if c < ' ' || (style.ensure_ascii && !c.is_ascii()) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => text.push(c),
        }
    }
    text.push('"');
    Ok(())
}
