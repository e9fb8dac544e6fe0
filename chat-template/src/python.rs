//! Values as Python writes them, where minijinja writes them otherwise: numbers with an exponent.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

/// How many values a list or a dictionary may have, those in it included, to be printed: one list may lie in others many times over.
const MAX_VALUES: usize = 100_000;
/// How deep they may lie in each other.
const MAX_DEPTH: usize = 100;

/// The text of a value that minijinja would print otherwise, as `str` makes it.
///
/// # Errors
/// If it is too large to print.
pub(crate) fn text(value: &Value) -> Result<Option<String>, Error> {
    let mut values = 0;
    Ok(has_exponent(value, MAX_DEPTH, &mut values)?.then(|| repr(value)))
}

/// Python's `str`.
///
/// # Errors
/// If it is too large to print.
pub(crate) fn str(value: &Value) -> Result<String, Error> {
    match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Ok(text(value)?.unwrap_or_else(|| value.to_string())),
    }
}

/// What Python's `strip` takes for white space.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn is_float(value: &Value) -> bool {
    value.kind() == ValueKind::Number && !value.is_integer()
}

/// Whether there is a number in it that Python writes with an exponent.
fn has_exponent(value: &Value, depth: usize, values: &mut usize) -> Result<bool, Error> {
    *values += 1;
    if *values > MAX_VALUES || depth == 0 {
        return Err(Error::new(
            ErrorKind::OutOfFuel,
            "a value is too large to print",
        ));
    }
    let mut any = match value.kind() {
        ValueKind::Number => is_float(value) && number(value).contains('e'),
        _ => false,
    };
    if matches!(value.kind(), ValueKind::Seq | ValueKind::Map) {
        let map = value.kind() == ValueKind::Map;
        for item in value.try_iter()? {
            let item = if map { value.get_item(&item)? } else { item };
            any |= has_exponent(&item, depth - 1, values)?;
        }
    }
    Ok(any)
}

fn repr(value: &Value) -> String {
    let joined = |items: Vec<String>| items.join(", ");
    match value.kind() {
        ValueKind::Number => number(value),
        ValueKind::Seq => {
            let items: Vec<String> = value
                .try_iter()
                .map(|items| items.map(|item| repr(&item)).collect())
                .unwrap_or_default();
            let one = items.len() == 1;
            if value.to_string().starts_with('(') {
                format!("({}{})", joined(items), if one { "," } else { "" })
            } else {
                format!("[{}]", joined(items))
            }
        }
        ValueKind::Map => {
            let entry = |key: Value| {
                format!(
                    "{}: {}",
                    repr(&key),
                    repr(&value.get_item(&key).unwrap_or_default())
                )
            };
            format!(
                "{{{}}}",
                joined(
                    value
                        .try_iter()
                        .map(|keys| keys.map(entry).collect())
                        .unwrap_or_default()
                )
            )
        }
        // What is in a list is written as Python's `repr` writes it.
        _ => {
            let list = Value::from(vec![value.clone()]).to_string();
            list.strip_prefix('[')
                .and_then(|list| list.strip_suffix(']'))
                .map(str::to_owned)
                .unwrap_or(list)
        }
    }
}

/// A number as Python's `repr` writes it: 1.0, 1e+16 and 1e-05, not 1, 10000000000000000.0 and 0.00001.
pub(crate) fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    f64::try_from(value.clone()).map_or_else(|_| value.to_string(), float)
}

/// Python takes the shortest digits that give the number back, as Rust does, and an exponent below 1e-4 and from 1e16.
fn float(x: f64) -> String {
    if !x.is_finite() {
        return if x.is_nan() {
            "NaN"
        } else if x > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    if x != 0.0 && !(1e-4..1e16).contains(&x.abs()) {
        let text = format!("{x:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent
            .strip_prefix('-')
            .map_or(('+', exponent), |exponent| ('-', exponent));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    format!("{x:?}")
}

#[cfg(test)]
mod tests {
    use super::float;

    /// Written by Python 3.11's `json.dumps`.
    #[test]
    fn floats_are_written_as_python_writes_them() {
        let written = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e-5, "1.5e-05"),
            (0.0001, "0.0001"),
            (-2.5e300, "-2.5e+300"),
            (123_456.789, "123456.789"),
        ];
        for (number, text) in written {
            assert_eq!(float(number), text);
        }
    }
}
