//! The tokens that a piece of the page refers to: a table of their own, so that text is written once.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;

/// Bytes of a token that are kept; longer ones are cut, and their length is given.
const KEPT_BYTES: usize = 1024;

/// The meaning of token ids.
pub trait Vocabulary {
    /// The bytes of a token, which need not be UTF-8; none for an id that it does not have.
    fn bytes(&self, token: u32) -> Option<Cow<'_, [u8]>>;
}

impl Vocabulary for Vec<Vec<u8>> {
    fn bytes(&self, token: u32) -> Option<Cow<'_, [u8]>> {
        self.get(token as usize)
            .map(|bytes| Cow::Borrowed(bytes.as_slice()))
    }
}

/// Gives tokens numbers, the most frequent the least ones: those have the fewest digits.
#[derive(Debug, Default)]
pub(super) struct TokenTable {
    number: HashMap<u32, u32>,
    ids: Vec<u32>,
}

impl TokenTable {
    pub(super) fn of(tokens: impl Iterator<Item = u32>) -> Self {
        let mut counts = HashMap::<u32, u64>::new();
        for token in tokens {
            *counts.entry(token).or_default() += 1;
        }
        let mut ids: Vec<u32> = counts.keys().copied().collect();
        ids.sort_unstable_by_key(|id| (u64::MAX - counts[id], *id));
        let number = ids.iter().zip(0..).map(|(id, n)| (*id, n)).collect();
        Self { number, ids }
    }

    /// The number of a token that the table was made of.
    pub(super) fn number(&self, token: u32) -> u32 {
        self.number[&token]
    }

    pub(super) fn written<'v>(&self, vocabulary: &'v (impl Vocabulary + ?Sized)) -> Written<'v> {
        let text = |id: &u32| vocabulary.bytes(*id).map(text);
        Written {
            texts: self.ids.iter().map(text).collect(),
            ids: differences(&self.ids),
        }
    }
}

/// A table as it is written: ids, each as the difference from the one before, and the text of each; none where the vocabulary lacks the id.
#[derive(Debug, Serialize)]
pub(super) struct Written<'v> {
    ids: Vec<i64>,
    texts: Vec<Option<Text<'v>>>,
}

/// Equally frequent tokens are in the order of their ids, so that most differences are small.
fn differences(ids: &[u32]) -> Vec<i64> {
    let before = std::iter::once(0).chain(ids.iter().copied());
    ids.iter()
        .zip(before)
        .map(|(id, before)| i64::from(*id) - i64::from(before))
        .collect()
}

/// The bytes of a token: text where they are UTF-8, else in hexadecimal; with their number where they were cut.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Text<'v> {
    Whole(Cow<'v, str>),
    Cut { text: String, bytes: usize },
    Hex { hex: String, bytes: usize },
}

fn text(bytes: Cow<'_, [u8]>) -> Text<'_> {
    let n = bytes.len();
    if n <= KEPT_BYTES {
        return match bytes {
            Cow::Borrowed(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Text::Whole(Cow::Borrowed(text)),
                Err(_) => hex(bytes, n),
            },
            Cow::Owned(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Text::Whole(Cow::Owned(text)),
                Err(error) => hex(error.as_bytes(), n),
            },
        };
    }
    // The last character kept may be cut in two: up to three bytes fewer make it whole.
    let whole = (KEPT_BYTES - 3..=KEPT_BYTES)
        .rev()
        .find_map(|end| std::str::from_utf8(&bytes[..end]).ok());
    match whole {
        Some(text) => Text::Cut {
            text: text.to_owned(),
            bytes: n,
        },
        None => hex(&bytes[..KEPT_BYTES], n),
    }
}

fn hex<'v>(kept: &[u8], bytes: usize) -> Text<'v> {
    let digit = |four: u8| char::from_digit(four.into(), 16).unwrap_or('0');
    let hex = kept
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect();
    Text::Hex { hex, bytes }
}

#[cfg(test)]
mod tests {
    use super::{Cow, KEPT_BYTES, Text, TokenTable, text};
    use serde_json::json;

    #[test]
    fn frequent_tokens_come_first_and_ties_by_id() {
        let table = TokenTable::of([7, 3, 9, 3, 7, 3, 5].into_iter());
        assert_eq!(table.ids, [3, 7, 5, 9]);
        assert_eq!(table.number(9), 3);
    }

    #[test]
    fn bytes_are_text_or_hexadecimal_and_ids_without_any_are_null() {
        let vocabulary = vec![b"</script>".to_vec(), vec![0xe2, 0x82], vec![0]];
        let table = TokenTable::of([0, 1, 2, 77].into_iter());
        assert_eq!(
            serde_json::to_value(table.written(&vocabulary)).unwrap(),
            json!({"ids": [0, 1, 1, 75], "texts": ["</script>", {"hex": "e282", "bytes": 2}, "\0", null]})
        );
    }

    #[test]
    fn long_tokens_are_cut_between_characters() {
        let mut long = vec![b'a'; KEPT_BYTES - 2];
        long.extend("€".repeat(100_000).bytes());
        let Text::Cut { text: cut, bytes } = text(Cow::Borrowed(&long)) else {
            panic!("a cut text");
        };
        assert_eq!(
            (cut.len(), bytes),
            (KEPT_BYTES - 2, 300_000 + KEPT_BYTES - 2)
        );
        let invalid = vec![0xff; 1 << 20];
        assert_eq!(
            text(Cow::Borrowed(&invalid)),
            Text::Hex {
                hex: "ff".repeat(KEPT_BYTES),
                bytes: 1 << 20
            }
        );
    }
}
