//! `NaN`, `Infinity` and `-Infinity`, which Python's `json` writes and JSON does not have.

use super::cell::{Found, Wrong};

/// The literals, and a number of the same length that replaces each while a record is parsed: positions in messages stay right.
const LITERALS: [(&[u8], &[u8]); 2] = [(b"NaN", b"-0 "), (b"Infinity", b"1.79e308")];
const INFINITE: f64 = 1.79e308;

/// The record with its literals replaced by numbers; `None` if it has none outside its strings.
pub(in crate::source) fn replaced(record: &[u8]) -> Option<Vec<u8>> {
    let mut copy = None;
    let mut at = 0;
    while at < record.len() {
        let rest = &record[at..];
        let literal = LITERALS
            .iter()
            .find(|(literal, _)| rest.starts_with(literal));
        if let Some((literal, number)) = literal {
            let copy = copy.get_or_insert_with(|| record.to_vec());
            copy[at..at + literal.len()].copy_from_slice(number);
        }
        at += match literal {
            Some((literal, _)) => literal.len(),
            None if rest[0] == b'"' => string_len(rest),
            None => 1,
        };
    }
    copy
}

/// The length of the string that `text` begins with, quotes included.
fn string_len(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(skip) = text
        .get(at..)
        .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
    {
        at += skip;
        if text[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    text.len()
}

/// The content of a record whose literals were replaced, with the literals back in place.
pub(in crate::source) fn restored(found: Found) -> Found {
    match found {
        Found::Wrong(wrong) => Found::Wrong(restored_value(wrong)),
        other => other,
    }
}

fn restored_value(wrong: Wrong) -> Wrong {
    match wrong {
        Wrong::Real(value) if value == 0.0 && value.is_sign_negative() => Wrong::Real(f64::NAN),
        Wrong::Real(value) if value.abs() >= INFINITE => Wrong::Real(f64::INFINITY.copysign(value)),
        Wrong::ListWith(at, inner) => Wrong::ListWith(at, Box::new(restored_value(*inner))),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn literals_are_replaced_outside_strings_and_keep_their_length() {
        let record = r#"{"a": NaN, "NaN": [-Infinity, Infinity], "t": "NaN \" Infinity \\"}"#;
        let expected = r#"{"a": -0 , "NaN": [-1.79e308, 1.79e308], "t": "NaN \" Infinity \\"}"#;
        let copy = replaced(record.as_bytes()).unwrap();
        assert_eq!(str::from_utf8(&copy).unwrap(), expected);
        assert_eq!(replaced(br#"{"t": "NaN"}"#), None);
        assert_eq!(replaced(br#"{"t": "NaN \"#), None);
    }
}
