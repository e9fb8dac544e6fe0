//! The value under a record's column: text, a list of ids, or something that is neither.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::record::Scratch;

/// The content of a record's column.
#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    /// Text, now in [`Scratch::text`].
    Text,
    /// Ids, now in [`Scratch::ids`].
    Ids,
    /// Something else.
    Wrong(Wrong),
    /// There is no such column.
    Missing,
}

/// A value that is neither text nor a list of ids.
#[derive(Debug, PartialEq)]
pub(crate) enum Wrong {
    Null,
    Boolean(bool),
    Whole(i128),
    Real(f64),
    Text,
    List,
    Object,
    /// A list with this in it, at this position, where an id should be.
    ListWith(usize, Box<Wrong>),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "the boolean {value}"),
            Self::Whole(value) => write!(f, "the number {value}"),
            Self::Real(value) => write!(f, "the number {value}"),
            Self::Text => f.write_str("text"),
            Self::List => f.write_str("a list"),
            Self::Object => f.write_str("an object"),
            Self::ListWith(at, what) => write!(f, "a list whose element {at} is {what}"),
        }
    }
}

/// Reads the value into the scratch space.
pub(in crate::source) struct Cell<'s>(pub(in crate::source) &'s mut Scratch);

impl<'de> DeserializeSeed<'de> for Cell<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Found, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Cell<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a list of token ids")
    }

    fn visit_str<E>(self, text: &str) -> Result<Found, E> {
        self.0.text.clear();
        self.0.text.push_str(text);
        Ok(Found::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Found, A::Error> {
        let ids = &mut self.0.ids;
        ids.clear();
        let mut wrong = None;
        // The list is read to its end either way: what follows it in the record still has to parse.
        while let Some(element) = seq.next_element_seed(Element)? {
            match element {
                Ok(id) => ids.push(id),
                Err(what) => {
                    wrong.get_or_insert(Wrong::ListWith(ids.len(), Box::new(what)));
                }
            }
        }
        Ok(wrong.map_or(Found::Ids, Found::Wrong))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Found, E> {
        not_an_id(Element.visit_unit())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Found, E> {
        not_an_id(Element.visit_bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Found, E> {
        Ok(Found::Wrong(Wrong::Whole(value.into())))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Found, E> {
        Ok(Found::Wrong(Wrong::Whole(value.into())))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Found, E> {
        not_an_id(Element.visit_f64(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Found, A::Error> {
        not_an_id(Element.visit_map(map))
    }
}

fn not_an_id<E>(element: Result<Result<u32, Wrong>, E>) -> Result<Found, E> {
    Ok(match element? {
        Ok(id) => Found::Wrong(Wrong::Whole(id.into())),
        Err(wrong) => Found::Wrong(wrong),
    })
}

/// An element of a list: an id, or what it is instead.
struct Element;

impl<'de> DeserializeSeed<'de> for Element {
    type Value = Result<u32, Wrong>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Element {
    type Value = Result<u32, Wrong>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token id")
    }

    fn visit_u64<E>(self, id: u64) -> Result<Self::Value, E> {
        Ok(u32::try_from(id).map_err(|_| Wrong::Whole(id.into())))
    }

    fn visit_i64<E>(self, id: i64) -> Result<Self::Value, E> {
        Ok(Err(Wrong::Whole(id.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Err(Wrong::Real(value)))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Err(Wrong::Text))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Err(Wrong::Boolean(value)))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Err(Wrong::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Err(Wrong::List))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Err(Wrong::Object))
    }
}
