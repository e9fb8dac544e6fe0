//! JSON as Python writes it, with `NaN`, `Infinity` and `-Infinity`, for a strict parser.

/// The literals that Python writes for numbers that JSON does not have, the longest first.
const LITERALS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];

/// The text with every `NaN`, `Infinity` and `-Infinity` outside strings replaced by `null`; `None` if there is none. Whatever else is
/// wrong with the text stays wrong.
pub(super) fn strict(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut copied, mut at, mut in_string) = (0, 0, false);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'-' | b'I' | b'N' if !in_string => {
                let rest = &text[at..];
                if let Some(literal) = LITERALS.iter().find(|l| rest.starts_with(l)) {
                    out.extend_from_slice(&text[copied..at]);
                    out.extend_from_slice(b"null");
                    at += literal.len();
                    copied = at;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(&text[copied..]);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::strict;
    use proptest::prelude::*;

    #[test]
    fn literals_become_null_outside_strings() {
        let replaced = |text: &str| strict(text.as_bytes()).map(|b| String::from_utf8(b).unwrap());
        assert_eq!(
            replaced(r#"{"a":NaN,"b":[Infinity,-Infinity,-1]}"#).unwrap(),
            r#"{"a":null,"b":[null,null,-1]}"#
        );
        assert_eq!(replaced(r#"{"NaN": "Infinity \" NaN"}"#), None);
        assert_eq!(replaced("[-1, null]"), None);
        assert_eq!(replaced("NaN").unwrap(), "null");
        assert_eq!(replaced("\"open NaN"), None, "a string that does not end");
    }

    proptest! {
        #[test]
        fn what_is_json_already_stays(text in "[ -~]{0,40}") {
            let json = serde_json::json!({ "k": text, "n": -1.5 }).to_string();
            prop_assert_eq!(strict(json.as_bytes()), None);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = strict(&bytes);
        }
    }
}
