//! Which columns a JSON record has, to find the one to read and to say what there is.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::cell::{Cell, Found, Wrong};
use super::error::ReadError;
use super::record::{Column, Scratch, bad_json};
use crate::Location;

/// The columns that are looked for when none is named, in this order.
pub(crate) const CANDIDATES: [&str; 6] = [
    "tokens",
    "input_ids",
    "text",
    "content",
    "raw_content",
    "problem",
];

/// Finds the column of a data set from its first record.
pub(super) fn detect(bytes: &[u8], location: Location) -> Result<Column, ReadError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let columns = Columns
        .deserialize(&mut json)
        .and_then(|columns| json.end().map(|()| columns));
    let Some(columns) = columns.map_err(|e| bad_json(&e, bytes, location.clone()))? else {
        return Ok(Column::Whole);
    };
    let fits = |name: &&str| {
        columns
            .iter()
            .any(|(key, found)| key == name && matches!(found, Found::Text | Found::Ids))
    };
    match CANDIDATES.iter().find(|name| fits(name)) {
        Some(&name) => Ok(Column::Named(name.into())),
        None => Err(ReadError::NoTextColumn {
            location,
            columns: list(&columns),
        }),
    }
}

/// The columns of a record with their types, for messages.
pub(super) fn describe(bytes: &[u8]) -> String {
    match Columns.deserialize(&mut serde_json::Deserializer::from_slice(bytes)) {
        Ok(Some(columns)) => list(&columns),
        _ => "no columns".into(),
    }
}

fn list(columns: &[(String, Found)]) -> String {
    let named = columns.iter().map(|(name, found)| {
        let kind = match found {
            Found::Text => "text",
            Found::Ids => "list of ids",
            Found::Wrong(Wrong::Null) | Found::Missing => "null",
            Found::Wrong(Wrong::Boolean(_)) => "boolean",
            Found::Wrong(Wrong::Whole(_) | Wrong::Real(_)) => "number",
            Found::Wrong(Wrong::Object | Wrong::Text) => "object",
            // Numbers were meant for ids: which of them is none is what helps.
            Found::Wrong(Wrong::ListWith(at, what))
                if matches!(**what, Wrong::Whole(_) | Wrong::Real(_)) =>
            {
                let kind = format!("list, whose element {at} is {what}, which is no token id");
                return (name.as_str(), kind);
            }
            Found::Wrong(Wrong::List | Wrong::ListWith(..)) => "list",
        };
        (name.as_str(), kind.into())
    });
    list_columns(named)
}

/// `text (string), id (number)`, cut where it would fill the screen.
pub(super) fn list_columns<'a>(
    columns: impl ExactSizeIterator<Item = (&'a str, String)>,
) -> String {
    const SHOWN: usize = 20;
    let total = columns.len();
    if total == 0 {
        return "no columns".into();
    }
    let mut shown: Vec<_> = columns
        .take(SHOWN)
        .map(|(name, kind)| format!("{} ({kind})", shorten(name)))
        .collect();
    if total > SHOWN {
        shown.push(format!("and {} more", total - SHOWN));
    }
    shown.join(", ")
}

fn shorten(name: &str) -> String {
    if name.chars().count() <= 40 {
        name.into()
    } else {
        name.chars().take(39).chain(['…']).collect()
    }
}

/// The columns and what they hold; `None` for a record that is a string.
struct Columns;

impl<'de> DeserializeSeed<'de> for Columns {
    type Value = Option<Vec<(String, Found)>>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Columns {
    type Value = Option<Vec<(String, Found)>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut columns = Vec::new();
        let mut scratch = Scratch::default();
        while let Some(name) = map.next_key()? {
            columns.push((name, map.next_value_seed(Cell(&mut scratch))?));
        }
        Ok(Some(columns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Place;
    use std::sync::Arc;

    fn detected(record: &str) -> Result<Column, String> {
        let location = Location {
            file: Arc::from("a.jsonl"),
            place: Place::Line(1),
        };
        detect(record.as_bytes(), location).map_err(|e| e.to_string())
    }

    #[test]
    fn the_first_candidate_that_fits_is_taken() {
        let named = |name: &str| Ok(Column::Named(name.into()));
        assert_eq!(detected(r#"{"content": "a", "text": "b"}"#), named("text"));
        assert_eq!(
            detected(r#"{"text": "b", "input_ids": [1]}"#),
            named("input_ids")
        );
        // Words are not ids: a tagging data set's tokens are passed over.
        assert_eq!(
            detected(r#"{"tokens": ["a", "b"], "content": "a b"}"#),
            named("content")
        );
        assert_eq!(detected(r#""just text""#), Ok(Column::Whole));
    }

    #[test]
    fn without_a_candidate_the_columns_are_listed() {
        let message = detected(
            r#"{"id": 1, "text": null, "lang": "en", "words": ["a"], "ok": true, "meta": {}}"#,
        )
        .unwrap_err();
        assert_eq!(
            message,
            "a.jsonl, line 1: none of the columns tokens, input_ids, text, content, raw_content, problem holds text or token \
             ids; the row has id (number), text (null), lang (text), words (list), ok (boolean), meta (object); choose one by \
             its name"
        );
        for (list, said) in [
            ("[0, 5, -6]", "element 2 is the number -6"),
            ("[6.5]", "element 0 is the number 6.5"),
            ("[1, 4294967296]", "element 1 is the number 4294967296"),
        ] {
            let message = detected(&format!(r#"{{"tokens": {list}}}"#)).unwrap_err();
            let said = format!("tokens (list, whose {said}, which is no token id)");
            assert!(message.contains(&said), "{message}");
        }
        let many: Vec<_> = (0..30)
            .map(|i| format!(r#""c{i}{}": 1"#, "x".repeat(i * 3)))
            .collect();
        let message = detected(&format!("{{{}}}", many.join(","))).unwrap_err();
        assert!(
            message.contains("and 10 more") && message.contains("x… (number)"),
            "{message}"
        );
        assert!(
            detected("{}")
                .unwrap_err()
                .contains("the row has no columns")
        );
    }
}
