//! One JSON record: the column that matters is read, the rest is skipped without being kept.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::cell::{Cell, Found};
use super::literals;
use crate::Location;
use crate::source::error::ReadError;

/// Where in a record the text or the ids are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Column {
    /// Under this key.
    Named(String),
    /// The record is a JSON string and nothing else.
    Whole,
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Whole => f.write_str("(the record itself)"),
        }
    }
}

/// Space that is used again for each record.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) text: String,
    pub(crate) ids: Vec<u32>,
}

impl Scratch {
    /// Frees the memory that a very long record needed.
    pub(crate) fn trim(&mut self) {
        const KEPT: usize = 4 << 20;
        self.text.clear();
        self.text.shrink_to(KEPT);
        self.ids.clear();
        self.ids.shrink_to(KEPT / 4);
    }
}

/// Reads the column of one record into `scratch`. `NaN`, `Infinity` and `-Infinity` are numbers here, as Python writes them.
pub(crate) fn parse(
    bytes: &[u8],
    column: &Column,
    scratch: &mut Scratch,
) -> serde_json::Result<Found> {
    let error = match parse_strictly(bytes, column, scratch) {
        Ok(found) => return Ok(found),
        Err(error) => error,
    };
    match literals::replaced(bytes) {
        Some(copy) => parse_strictly(&copy, column, scratch).map(literals::restored),
        None => Err(error),
    }
}

fn parse_strictly(
    bytes: &[u8],
    column: &Column,
    scratch: &mut Scratch,
) -> serde_json::Result<Found> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let found = Record { column, scratch }.deserialize(&mut json)?;
    json.end()?;
    Ok(found)
}

/// Turns the parser's error into ours, without its "at line 1".
pub(crate) fn bad_json(error: &serde_json::Error, bytes: &[u8], location: Location) -> ReadError {
    let text = error.to_string();
    let reason = match text.split(" at line ").next().unwrap_or(&text) {
        // The parser means the first half of a pair that never comes, or the second without the first.
        "unexpected end of hex escape" | "lone leading surrogate in hex escape" => {
            "a lone surrogate escape: \\ud800 to \\udfff come in pairs".to_owned()
        }
        reason => reason.to_owned(),
    };
    // A value may span lines; the distance from its start is what helps.
    let lines_before = error.line().saturating_sub(1);
    let before: usize = bytes
        .split_inclusive(|&b| b == b'\n')
        .take(lines_before)
        .map(<[u8]>::len)
        .sum();
    ReadError::BadJson {
        location,
        byte: before + error.column(),
        reason,
    }
}

/// The record as a whole: an object, or just a string.
struct Record<'s> {
    column: &'s Column,
    scratch: &'s mut Scratch,
}

impl<'de> DeserializeSeed<'de> for Record<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Found, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Record<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Found, E> {
        if *self.column != Column::Whole {
            return Err(E::custom("the record is a string, expected a JSON object"));
        }
        self.scratch.text.clear();
        self.scratch.text.push_str(text);
        Ok(Found::Text)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let Column::Named(column) = self.column else {
            return Err(A::Error::custom(
                "the record is an object, where the first one was a string",
            ));
        };
        let mut found = Found::Missing;
        while let Some(wanted) = map.next_key_seed(KeyIs(column))? {
            if wanted {
                found = map.next_value_seed(Cell(self.scratch))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Whether a key is this one, without keeping it.
struct KeyIs<'s>(&'s str);

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIs<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::json::cell::Wrong;

    fn text_of(record: &str, column: &str) -> (Found, Scratch) {
        let mut scratch = Scratch::default();
        let found = parse(
            record.as_bytes(),
            &Column::Named(column.into()),
            &mut scratch,
        )
        .unwrap();
        (found, scratch)
    }

    #[test]
    fn only_the_column_matters() {
        let (found, scratch) = text_of(
            r#"{"id": 1, "meta": {"text": "no"}, "text": "a\u00e9\n\"b\"", "x": [[]]}"#,
            "text",
        );
        assert_eq!((found, scratch.text.as_str()), (Found::Text, "aé\n\"b\""));
        let (found, scratch) = text_of(r#"{"ids": [1, 2, 4294967295]}"#, "ids");
        assert_eq!((found, scratch.ids), (Found::Ids, vec![1, 2, u32::MAX]));
        assert_eq!(text_of(r#"{"id": 1}"#, "text").0, Found::Missing);
    }

    #[test]
    fn pythons_literals_are_numbers() {
        let record = r#"{"score": NaN, "more": [Infinity, -Infinity], "text": "NaN", "bad": NaN}"#;
        let (found, scratch) = text_of(record, "text");
        assert_eq!((found, scratch.text.as_str()), (Found::Text, "NaN"));
        for (column, shown) in [
            ("bad", "the number NaN"),
            ("more", "a list whose element 0 is the number inf"),
        ] {
            let Found::Wrong(wrong) = text_of(record, column).0 else {
                panic!("{column}")
            };
            assert_eq!(wrong.to_string(), shown);
        }
        let mut scratch = Scratch::default();
        let column = Column::Named("text".into());
        assert!(parse(br#"{"a": NaN, "text": nan}"#, &column, &mut scratch).is_err());
    }

    #[test]
    fn scratch_is_not_left_over() {
        let mut scratch = Scratch {
            text: "old".into(),
            ids: vec![9],
        };
        let column = Column::Named("x".into());
        parse(br#"{"x": "new"}"#, &column, &mut scratch).unwrap();
        parse(br#"{"x": [1]}"#, &column, &mut scratch).unwrap();
        assert_eq!(
            (scratch.text.as_str(), scratch.ids.as_slice()),
            ("new", &[1][..])
        );
    }

    #[test]
    fn other_types_are_told_apart() {
        for (value, shown) in [
            ("null", "null"),
            ("true", "the boolean true"),
            ("-1", "the number -1"),
            ("1.5", "the number 1.5"),
            (r#"{"a": 1}"#, "an object"),
            ("[1, -2, 3]", "a list whose element 1 is the number -2"),
            (
                "[4294967296]",
                "a list whose element 0 is the number 4294967296",
            ),
            (r#"["a", 1]"#, "a list whose element 0 is text"),
            ("[[1]]", "a list whose element 0 is a list"),
            ("[null]", "a list whose element 0 is null"),
        ] {
            let Found::Wrong(wrong) = text_of(&format!(r#"{{"x": {value}}}"#), "x").0 else {
                panic!("{value}")
            };
            assert_eq!(wrong.to_string(), shown);
        }
        assert_eq!(text_of(r#"{"x": null}"#, "x").0, Found::Wrong(Wrong::Null));
    }
}
