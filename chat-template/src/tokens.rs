//! The special tokens that templates name: `bos_token`, `eos_token` and so on.

use std::collections::BTreeMap;

use serde_json::Value;

/// The keys of `tokenizer_config.json` that transformers hands to a template.
const NAMES: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];

/// The special tokens of a tokenizer by the names that templates know, as texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpecialTokens {
    /// Name to text: `"bos_token"` to `"<s>"`. A name that is absent is undefined in the template, and prints as nothing.
    pub texts: BTreeMap<String, String>,
}

impl SpecialTokens {
    /// A tokenizer with these two.
    pub fn new(bos_token: &str, eos_token: &str) -> Self {
        let text = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
        Self {
            texts: [("bos_token", bos_token), ("eos_token", eos_token)]
                .map(text)
                .into(),
        }
    }

    /// The text of the token that begins a text, where the tokenizer has one.
    pub fn bos_token(&self) -> Option<&str> {
        self.texts.get("bos_token").map(String::as_str)
    }

    /// The text of the token that ends a text, where the tokenizer has one.
    pub fn eos_token(&self) -> Option<&str> {
        self.texts.get("eos_token").map(String::as_str)
    }

    /// From a parsed `tokenizer_config.json`, where a token is a string or `{"content": …}`.
    pub(crate) fn from_config(config: &Value) -> Self {
        let text = |name: &str| match config.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Object(token) => token.get("content")?.as_str().map(str::to_owned),
            _ => None,
        };
        Self {
            texts: NAMES
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), text(name)?)))
                .collect(),
        }
    }
}
