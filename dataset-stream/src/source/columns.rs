//! Which columns a JSON record has, to find the one to read and to say what there is.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::error::ReadError;
use super::json::cell::{Cell, Found, Wrong};
use super::json::literals;
use super::json::record::{Column, Scratch, bad_json};
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

/// Of these, the columns that hold ids. Text under such a name (`"1 2 3"`) is not text to tokenise.
const ID_COLUMNS: [&str; 2] = ["tokens", "input_ids"];

/// The use of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Text,
    Ids,
    /// A list of ids that is empty in the row that was looked at.
    NoIds,
    Nothing,
}

/// Chooses among [`CANDIDATES`] by what each holds (`None`: there is no such column), and warns where another choice is likely to be meant.
pub(super) fn choose_candidate(use_of: impl Fn(&str) -> Option<Use>) -> Option<&'static str> {
    let holds_ids = |name: &str| ID_COLUMNS.contains(&name);
    let is_usable = |name: &str| match use_of(name) {
        Some(Use::Ids) => true,
        Some(Use::Text) => !holds_ids(name),
        _ => false,
    };
    let usable = CANDIDATES.into_iter().find(|name| is_usable(name));
    // The first row may be an empty one.
    let chosen = usable.or_else(|| {
        CANDIDATES
            .into_iter()
            .find(|name| use_of(name) == Some(Use::NoIds))
    })?;
    for passed in ID_COLUMNS {
        if passed != chosen && use_of(passed).is_some() && !holds_ids(chosen) {
            tracing::warn!(
                "column {passed} holds no token ids in the first row and is passed over; reading column {chosen}"
            );
        }
    }
    let text = CANDIDATES
        .into_iter()
        .find(|name| !holds_ids(name) && is_usable(name));
    if let Some(text) = text.filter(|_| holds_ids(chosen)) {
        tracing::warn!(
            "reading token ids from column {chosen}; column {text} holds text: name it to read that instead"
        );
    }
    Some(chosen)
}

/// Finds the column of a data set from its first record.
pub(super) fn detect(bytes: &[u8], location: Location) -> Result<Column, ReadError> {
    let columns = read(bytes).map_err(|e| bad_json(&e, bytes, location.clone()))?;
    let Some(columns) = columns else {
        return Ok(Column::Whole);
    };
    let use_of = |name: &str| {
        let column = columns.iter().rfind(|column| column.name == name)?;
        Some(match column.found {
            Found::Text => Use::Text,
            Found::Ids if column.is_empty => Use::NoIds,
            Found::Ids => Use::Ids,
            _ => Use::Nothing,
        })
    };
    match choose_candidate(use_of) {
        Some(name) => Ok(Column::Named(name.into())),
        None => Err(ReadError::NoTextColumn {
            location,
            columns: list(&columns),
        }),
    }
}

/// The columns of a record with their types, for messages.
pub(super) fn describe(bytes: &[u8]) -> String {
    match read(bytes) {
        Ok(Some(columns)) => list(&columns),
        _ => "no columns".into(),
    }
}

/// A column and what it holds.
struct Entry {
    name: String,
    found: Found,
    /// A list without elements.
    is_empty: bool,
}

/// The columns of a record; `None` if it is a string.
fn read(bytes: &[u8]) -> serde_json::Result<Option<Vec<Entry>>> {
    let strictly = |bytes: &[u8]| {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let columns = Columns.deserialize(&mut json)?;
        json.end()?;
        Ok(columns)
    };
    let error = match strictly(bytes) {
        Ok(columns) => return Ok(columns),
        Err(error) => error,
    };
    let Some(copy) = literals::replaced(bytes) else {
        return Err(error);
    };
    let restored = |entry: Entry| Entry {
        found: literals::restored(entry.found),
        ..entry
    };
    let columns = strictly(&copy)?;
    Ok(columns.map(|columns| columns.into_iter().map(restored).collect()))
}

fn list(columns: &[Entry]) -> String {
    let named = columns.iter().map(|Entry { name, found, .. }| {
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
    type Value = Option<Vec<Entry>>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Columns {
    type Value = Option<Vec<Entry>>;

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
            scratch.ids.clear();
            let found = map.next_value_seed(Cell(&mut scratch))?;
            let is_empty = found == Found::Ids && scratch.ids.is_empty();
            columns.push(Entry {
                name,
                found,
                is_empty,
            });
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
        // Words are not ids: a tagging data set's tokens are ignored.
        assert_eq!(
            detected(r#"{"tokens": ["a", "b"], "content": "a b"}"#),
            named("content")
        );
        // Neither a list of nothing nor ids as text can be used, beside text.
        for tokens in ["[]", r#""1 2 3""#] {
            let record = format!(r#"{{"tokens": {tokens}, "text": "b", "score": NaN}}"#);
            assert_eq!(detected(&record), named("text"));
        }
        assert_eq!(detected(r#"{"tokens": []}"#), named("tokens"));
        let message = detected(r#"{"tokens": "1 2 3"}"#).unwrap_err();
        assert!(
            message.contains("the row has tokens (text); choose one by its name"),
            "{message}"
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
