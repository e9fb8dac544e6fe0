//! Byte-level vocabularies that cannot spell every byte.
//!
//! A trainer that was not given the whole alphabet leaves out bytes that its corpus did not have: SmolLM2's vocabulary
//! lacks six control characters and two bytes of unassigned Unicode planes. Hugging Face's tokenizers then drop such a
//! byte inside its pre-token, so that its neighbours may merge; the library used here refuses the vocabulary instead. So
//! the gaps are filled with placeholders, and text that gives a placeholder, which hardly any does, is encoded again,
//! piece by piece, as the original would.

use std::collections::HashMap;

use serde_json::{Map, Value};
use tokenizers::pipeline::{
    Model, PipelineToken, PipelineTokenizer, PreTokenizer, PreTokenizerScratch, Segment,
    SpecialSegmentIterator, normalize_all,
};
use tokenizers::utils::byte_level::BYTES_CHAR_LOOKUP;

use super::merge::{Merges, merge};
use super::token_bytes::TokenSpelling;

/// The bytes that can occur in UTF-8.
fn utf8_bytes() -> impl Iterator<Item = u8> {
    (0x00..=0xbf).chain(0xc2..=0xf4)
}

/// The tables for encoding around the gaps of a vocabulary.
#[derive(Debug)]
pub(super) struct Gaps {
    /// Placeholders have ids from here on.
    first: u32,
    /// The token of each byte that has one.
    atoms: [Option<u32>; 256],
    merges: Merges,
    unknown: Option<u32>,
    fuse_unknown: bool,
    /// A pre-token that is in the vocabulary is that token, whether merges lead there or not.
    ignore_merges: bool,
}

impl Gaps {
    /// Fills the gaps of a canonical `tokenizer.json` with placeholders from id `vocab_size` on; `None` if it has none.
    pub(super) fn fill(json: &mut Value, vocab_size: usize) -> Option<Self> {
        let added: Vec<(String, Value)> = json["added_tokens"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|token| Some((token["content"].as_str()?.to_owned(), token["id"].clone())))
            .collect();
        let model = json["model"].as_object_mut()?;
        if !flag(model, "byte_level") || affixed(model) {
            return None;
        }
        let vocab = model.get("vocab")?.as_object()?;
        let atoms = std::array::from_fn(|byte| id_in(vocab, &BYTES_CHAR_LOOKUP[byte].to_string()));
        let missing: Vec<u8> = utf8_bytes()
            .filter(|&byte| atoms[byte as usize].is_none())
            .collect();
        if missing.is_empty() {
            return None;
        }
        tracing::debug!(?missing, "the vocabulary has no token for some bytes");
        let gaps = Self {
            first: vocab_size as u32,
            atoms,
            merges: merges(model, vocab),
            unknown: model
                .get("unk_token")
                .and_then(Value::as_str)
                .and_then(|token| id_in(vocab, token)),
            fuse_unknown: flag(model, "fuse_unk"),
            ignore_merges: flag(model, "ignore_merges"),
        };
        let vocab = model.get_mut("vocab")?.as_object_mut()?;
        // Added tokens that the model does not have are numbered after its last: say which numbers they have.
        for (token, id) in added {
            vocab.entry(token).or_insert(id);
        }
        for (&byte, id) in missing.iter().zip(gaps.first..) {
            vocab.insert(BYTES_CHAR_LOOKUP[byte as usize].to_string(), id.into());
        }
        Some(gaps)
    }

    /// Whether placeholders are among `ids`.
    pub(super) fn touched_by(&self, ids: &[u32]) -> bool {
        ids.iter().any(|&id| id >= self.first)
    }

    /// Appends the ids of `text`, without placeholders.
    pub(super) fn encode(
        &self,
        pipeline: &PipelineTokenizer,
        spelling: &TokenSpelling,
        text: &str,
        literal: bool,
        out: &mut Vec<u32>,
    ) -> tokenizers::Result<()> {
        let added = pipeline.get_added_vocabulary();
        let mut model = pipeline.get_model().init_scratch();
        let mut splitter = PreTokenizerScratch::default();
        let mut tokens: Vec<PipelineToken> = Vec::new();
        for segment in SpecialSegmentIterator::new(text, added, false, literal) {
            let (text, offset) = match segment {
                Segment::SpecialToken(id) => {
                    out.push(id);
                    continue;
                }
                Segment::Text { text, input_offset } => (text, input_offset),
            };
            let normalized = normalize_all(pipeline.get_normalizers(), text, offset)?;
            for segment in SpecialSegmentIterator::new(&normalized, added, true, literal) {
                let text = match segment {
                    Segment::SpecialToken(id) => {
                        out.push(id);
                        continue;
                    }
                    Segment::Text { text, .. } => text,
                };
                let mut spans = Vec::new();
                pipeline
                    .get_pre_tokenizer()
                    .pre_tokenize(text, &mut splitter, &mut spans)?;
                for span in spans {
                    let piece = &text[span.range()];
                    if piece
                        .bytes()
                        .all(|byte| self.atoms[byte as usize].is_some())
                    {
                        tokens.clear();
                        pipeline
                            .get_model()
                            .tokenize_pipeline(piece, &mut model, &mut tokens)?;
                        out.extend_from_slice(PipelineToken::cast_slice(&tokens));
                    } else {
                        self.piece(piece, spelling, out);
                    }
                }
            }
        }
        Ok(())
    }

    /// Appends the ids of a pre-token that has bytes without a token.
    fn piece(&self, piece: &str, spelling: &TokenSpelling, out: &mut Vec<u32>) {
        if self.ignore_merges {
            let spelled: String = piece
                .bytes()
                .map(|byte| BYTES_CHAR_LOOKUP[byte as usize])
                .collect();
            if let Some(id) = spelling.id(&spelled) {
                out.push(id);
                return;
            }
        }
        let mut symbols = Vec::with_capacity(piece.len());
        let mut after_unknown = false;
        for byte in piece.bytes() {
            let atom = self.atoms[byte as usize];
            match (atom, self.unknown) {
                (Some(id), _) => symbols.push(id),
                (None, Some(unknown)) if !(after_unknown && self.fuse_unknown) => {
                    symbols.push(unknown);
                }
                (None, _) => {}
            }
            after_unknown = atom.is_none();
        }
        merge(&mut symbols, &self.merges);
        out.extend_from_slice(&symbols);
    }
}

fn flag(model: &Map<String, Value>, key: &str) -> bool {
    model.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// Subword prefixes and word suffixes change what a byte's token is; no byte-level vocabulary is known to use them.
fn affixed(model: &Map<String, Value>) -> bool {
    ["continuing_subword_prefix", "end_of_word_suffix"]
        .iter()
        .any(|key| {
            model
                .get(*key)
                .and_then(Value::as_str)
                .is_some_and(|affix| !affix.is_empty())
        })
}

fn id_in(vocab: &Map<String, Value>, token: &str) -> Option<u32> {
    u32::try_from(vocab.get(token)?.as_u64()?).ok()
}

/// The merges by their two ids. Entries that make no sense are left to the library to refuse.
fn merges(model: &Map<String, Value>, vocab: &Map<String, Value>) -> Merges {
    let mut merges = HashMap::new();
    let listed = model
        .get("merges")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    for (rank, pair) in (0u32..).zip(listed) {
        if let (Some(left), Some(right)) = (pair[0].as_str(), pair[1].as_str())
            && let (Some(l), Some(r)) = (id_in(vocab, left), id_in(vocab, right))
            && let Some(both) = id_in(vocab, &format!("{left}{right}"))
        {
            merges.insert((l, r), (rank, both));
        }
    }
    merges
}
