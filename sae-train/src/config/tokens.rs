//! Settings that name tokens.

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Unexpected, Visitor};
use std::fmt;

/// What stands between two documents that are packed into one context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SequenceSeparator {
    /// Nothing.
    None,
    /// The token that begins a sequence.
    Bos,
    /// The token that ends one.
    Eos,
    /// The tokenizer's separator.
    Sep,
    /// The token with this id.
    Id(u32),
}

/// Tokens whose activations are not trained on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExcludeSpecialTokens {
    /// None are left out.
    None,
    /// The tokenizer's special tokens.
    All,
    /// Those with these ids.
    Ids(Vec<u32>),
}

impl<'de> Deserialize<'de> for SequenceSeparator {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Separators;
        impl Visitor<'_> for Separators {
            type Value = SequenceSeparator;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bos, eos, sep, none or the id of a token")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                match text.to_ascii_lowercase().as_str() {
                    "none" => Ok(SequenceSeparator::None),
                    "bos" => Ok(SequenceSeparator::Bos),
                    "eos" => Ok(SequenceSeparator::Eos),
                    "sep" => Ok(SequenceSeparator::Sep),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }

            fn visit_u64<E: Error>(self, id: u64) -> Result<Self::Value, E> {
                let small = u32::try_from(id).map(SequenceSeparator::Id);
                small.map_err(|_| E::invalid_value(Unexpected::Unsigned(id), &self))
            }
        }
        from.deserialize_any(Separators)
    }
}

impl<'de> Deserialize<'de> for ExcludeSpecialTokens {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Tokens;
        impl<'de> Visitor<'de> for Tokens {
            type Value = ExcludeSpecialTokens;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or a list of the ids of tokens")
            }

            fn visit_bool<E: Error>(self, all: bool) -> Result<Self::Value, E> {
                Ok(if all {
                    ExcludeSpecialTokens::All
                } else {
                    ExcludeSpecialTokens::None
                })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut ids = Vec::new();
                while let Some(id) = list.next_element()? {
                    ids.push(id);
                }
                Ok(ExcludeSpecialTokens::Ids(ids))
            }
        }
        from.deserialize_any(Tokens)
    }
}
