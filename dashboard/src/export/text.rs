//! Tokens as text.

use std::borrow::Cow;

use crate::page::Vocabulary;

/// The text that SAEDashboard writes for an id that the tokenizer does not have.
const OUT_OF_RANGE: &str = "<|outofrange|>";
/// Bytes of a token that are kept: a hostile vocabulary must not multiply a file.
const KEPT_BYTES: usize = 1024;

/// A token's text. Bytes that are not UTF-8 by themselves (a piece of a character) become U+FFFD, as tokenizers decode them, and so does
/// U+0000, which databases refuse in text.
pub(super) fn text(vocabulary: &(impl Vocabulary + ?Sized), token: u32) -> Cow<'_, str> {
    let Some(bytes) = vocabulary.bytes(token) else {
        return Cow::Borrowed(OUT_OF_RANGE);
    };
    let text = match bytes {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(kept(bytes)),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(kept(&bytes)).into_owned()),
    };
    if text.contains('\0') {
        return Cow::Owned(text.replace('\0', "\u{fffd}"));
    }
    text
}

/// Before and after marked tokens, as in delphi's prompts.
const MARK: [&[u8]; 2] = [b"<<", b">>"];

/// Tokens as one text, with marks around those at `marked`, which ascend; neighbours share a pair of marks. A character that is cut into several tokens is
/// whole again, unless a mark comes between them.
pub(super) fn joined(
    vocabulary: &(impl Vocabulary + ?Sized),
    tokens: &[u32],
    marked: &[u32],
) -> String {
    let is_marked = |at: usize| marked.binary_search(&(at as u32)).is_ok();
    let mut bytes = Vec::new();
    for (at, &token) in tokens.iter().enumerate() {
        if is_marked(at) && !at.checked_sub(1).is_some_and(is_marked) {
            bytes.extend_from_slice(MARK[0]);
        }
        match vocabulary.bytes(token) {
            Some(token) => bytes.extend_from_slice(kept(&token)),
            None => bytes.extend_from_slice(OUT_OF_RANGE.as_bytes()),
        }
        if is_marked(at) && !is_marked(at + 1) {
            bytes.extend_from_slice(MARK[1]);
        }
    }
    String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}")
}

/// As many bytes as are kept; a character is not cut in two.
fn kept(bytes: &[u8]) -> &[u8] {
    if bytes.len() <= KEPT_BYTES {
        return bytes;
    }
    let is_boundary = |&end: &usize| bytes[end] & 0xc0 != 0x80;
    let end = (KEPT_BYTES - 3..=KEPT_BYTES).rev().find(is_boundary);
    &bytes[..end.unwrap_or(KEPT_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn pieces_of_characters_and_nul_become_the_replacement_character() {
        let vocabulary = vec![
            b" the".to_vec(),
            "€".into(),
            vec![0xe2, 0x82],
            vec![0x82],
            vec![b'a', 0, b'b'],
        ];
        let texts: Vec<_> = (0..6).map(|token| text(&vocabulary, token)).collect();
        assert_eq!(
            texts,
            [
                " the",
                "€",
                "\u{fffd}",
                "\u{fffd}",
                "a\u{fffd}b",
                "<|outofrange|>"
            ]
        );
    }

    #[test]
    fn long_tokens_are_cut_between_characters() {
        let euros = "€".repeat(10_000).into_bytes();
        let mut shifted = vec![b'a'];
        shifted.extend(&euros);
        let vocabulary = vec![euros, shifted, vec![0x80; 5_000]];
        assert_eq!(text(&vocabulary, 0), "€".repeat(341));
        assert_eq!(text(&vocabulary, 1), format!("a{}", "€".repeat(341)));
        assert_eq!(text(&vocabulary, 2), "\u{fffd}".repeat(1024));
    }
}
