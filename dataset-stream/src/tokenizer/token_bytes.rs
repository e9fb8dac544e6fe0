//! The bytes behind a token, undone from however the vocabulary spells them.

use serde_json::Value;
use std::collections::HashMap;

use tokenizers::pipeline::PipelineTokenizer;
use tokenizers::utils::byte_level::char_to_byte;

/// How a vocabulary spells bytes, read off the model and the decoder.
#[derive(Debug, Default)]
pub(super) struct TokenSpelling {
    /// GPT-2's alphabet: each byte is a printable character, space is `Ġ`.
    byte_level: bool,
    /// `<0x0A>` is the byte 10.
    byte_fallback: bool,
    /// Spellings of other text: `▁` for a space, `</w>` for a word's end.
    replaced: Vec<(String, String)>,
    /// The mark of a token that continues a word (`##`).
    continuation: Option<String>,
    ids: HashMap<String, u32>,
}

impl TokenSpelling {
    /// Reads it off a canonical `tokenizer.json`.
    pub(super) fn of(json: &Value) -> Self {
        let model = &json["model"];
        let mut spelling = Self {
            byte_level: model["byte_level"].as_bool().unwrap_or(false),
            byte_fallback: model["byte_fallback"].as_bool().unwrap_or(false),
            ids: ids(json),
            ..Self::default()
        };
        spelling.read_decoder(&json["decoder"]);
        spelling
    }

    fn read_decoder(&mut self, decoder: &Value) {
        match decoder["type"].as_str() {
            Some("Sequence") => {
                for part in decoder["decoders"].as_array().into_iter().flatten() {
                    self.read_decoder(part);
                }
            }
            Some("ByteLevel") => self.byte_level = true,
            Some("ByteFallback") => self.byte_fallback = true,
            Some("Metaspace") => {
                let mark = decoder["replacement"].as_str().unwrap_or("▁");
                self.replaced.push((mark.into(), " ".into()));
            }
            Some("Replace") => {
                if let (Some(from), Some(to)) = (
                    decoder["pattern"]["String"].as_str(),
                    decoder["content"].as_str(),
                ) && !from.is_empty()
                {
                    self.replaced.push((from.into(), to.into()));
                }
            }
            Some("BPEDecoder") => {
                if let Some(suffix) = decoder["suffix"]
                    .as_str()
                    .filter(|suffix| !suffix.is_empty())
                {
                    self.replaced.push((suffix.into(), " ".into()));
                }
            }
            Some("WordPiece") => self.continuation = decoder["prefix"].as_str().map(Into::into),
            _ => {}
        }
    }

    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    /// The bytes of a token.
    pub(super) fn bytes(&self, pipeline: &PipelineTokenizer, id: u32) -> Option<Vec<u8>> {
        if let Some(added) = pipeline.get_added_vocabulary().simple_id_to_token(id) {
            return Some(added.into_bytes());
        }
        Some(self.undo(&pipeline.get_model().id_to_token(id)?))
    }

    fn undo(&self, token: &str) -> Vec<u8> {
        if self.byte_level {
            let mut bytes = Vec::with_capacity(token.len());
            for c in token.chars() {
                match char_to_byte(c) {
                    Some(byte) => bytes.push(byte),
                    // Not of the alphabet: the vocabulary means the character itself.
                    None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            return bytes;
        }
        if self.byte_fallback
            && let Some(byte) = fallback_byte(token)
        {
            return vec![byte];
        }
        let mut text = match &self.continuation {
            Some(prefix) => token
                .strip_prefix(prefix.as_str())
                .unwrap_or(token)
                .to_owned(),
            None => token.to_owned(),
        };
        for (from, to) in &self.replaced {
            text = text.replace(from, to);
        }
        text.into_bytes()
    }
}

/// `<0x0A>` → 10.
fn fallback_byte(token: &str) -> Option<u8> {
    let hex = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if hex.len() == 2 {
        u8::from_str_radix(hex, 16).ok()
    } else {
        None
    }
}

fn ids(json: &Value) -> HashMap<String, u32> {
    let mut ids = HashMap::new();
    match &json["model"]["vocab"] {
        Value::Object(vocab) => {
            ids.extend(vocab.iter().filter_map(|(token, id)| {
                Some((token.clone(), u32::try_from(id.as_u64()?).ok()?))
            }));
        }
        Value::Array(vocab) => {
            ids.extend(
                vocab
                    .iter()
                    .zip(0..)
                    .filter_map(|(entry, id)| Some((entry[0].as_str()?.to_owned(), id))),
            );
        }
        _ => {}
    }
    for added in json["added_tokens"].as_array().into_iter().flatten() {
        if let (Some(token), Some(id)) = (added["content"].as_str(), added["id"].as_u64()) {
            ids.insert(token.into(), id as u32);
        }
    }
    ids
}
