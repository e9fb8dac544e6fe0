//! A Hugging Face tokenizer: ids from text, text from ids.

mod error;
mod gaps;
mod load;
mod merge;
mod special;
mod token_bytes;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokenizers::pipeline::{EncodeOptions, Override, PipelineToken, PipelineTokenizer};

pub use error::{DecodeError, EncodeError, SingleTokenError, TokenizerError};
pub use special::SpecialTokens;

use gaps::Gaps;
use token_bytes::TokenSpelling;

/// What happens to special-token strings (`<|endoftext|>`) within the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SpecialText {
    /// They become the special token, as in Hugging Face's tokenizers.
    #[default]
    Parse,
    /// They are text like any other, so that text cannot fake the end of a document. Added tokens that are not marked
    /// special are found in text either way.
    Literal,
}

/// A tokenizer as `tokenizer.json` describes it, with the special tokens that the files beside it name.
///
/// Cheap to clone and to share between threads. Encoding adds no special tokens: no BOS, no EOS, whatever the file's
/// post-processor says; that is the business of [`Packing`](crate::Packing).
#[derive(Clone)]
pub struct Tokenizer {
    inner: Arc<Inner>,
    special_text: SpecialText,
}

struct Inner {
    path: PathBuf,
    pipeline: PipelineTokenizer,
    spelling: TokenSpelling,
    gaps: Option<Gaps>,
    special: SpecialTokens,
    vocab_size: usize,
}

impl Tokenizer {
    /// Loads `tokenizer.json`, given as the file or as the directory that holds it.
    ///
    /// BOS, EOS and the rest come from the first of these that names them: `tokenizer_config.json`,
    /// `special_tokens_map.json`, `tokenizer.json` itself, the ids in `config.json`; all are looked up in the same directory.
    ///
    /// # Errors
    /// When a file cannot be read or parsed, when the tokenizer has parts that are not supported (such as a byte-level
    /// pre-tokenizer with `add_prefix_space`), and when BOS or EOS is named but not in the vocabulary.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, TokenizerError> {
        let inner = load::load(path.as_ref())?;
        Ok(Self {
            inner: Arc::new(inner),
            special_text: SpecialText::Parse,
        })
    }

    /// The same tokenizer, treating special-token strings in text as `special_text` says.
    #[must_use]
    pub fn with_special_text(mut self, special_text: SpecialText) -> Self {
        self.special_text = special_text;
        self
    }

    /// How special-token strings in text are treated.
    pub fn special_text(&self) -> SpecialText {
        self.special_text
    }

    /// Appends the ids of `text` to `out`.
    ///
    /// # Errors
    /// When the tokenizer has no id for a part of the text and no unknown token, or the text is over 4 GiB.
    pub fn encode_into(&self, text: &str, out: &mut Vec<u32>) -> Result<(), EncodeError> {
        let literal = self.special_text == SpecialText::Literal;
        let options = EncodeOptions {
            add_special_tokens: false,
            encode_special_tokens: literal,
            padding: Override::Off,
            truncation: Override::Off,
        };
        let Inner {
            pipeline,
            gaps,
            spelling,
            ..
        } = &*self.inner;
        let refused = |reason: String| EncodeError {
            excerpt: text.chars().take(40).collect(),
            reason,
        };
        let mut tokens: Vec<PipelineToken> = Vec::with_capacity(text.len() / 3);
        pipeline
            .encode_into(text, &options, &mut tokens)
            .map_err(|e| refused(e.to_string()))?;
        let ids = PipelineToken::cast_slice(&tokens);
        match gaps {
            Some(gaps) if gaps.touched_by(ids) => gaps
                .encode(pipeline, spelling, text, literal, out)
                .map_err(|e| refused(e.to_string())),
            _ => {
                out.extend_from_slice(ids);
                Ok(())
            }
        }
    }

    /// The ids of `text`.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_into`].
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, EncodeError> {
        let mut ids = Vec::new();
        self.encode_into(text, &mut ids)?;
        Ok(ids)
    }

    /// The one id that `text` is.
    ///
    /// # Errors
    /// When it is not exactly one token; the error lists them.
    pub fn single_token(&self, text: &str) -> Result<u32, SingleTokenError> {
        match self.encode(text)?.as_slice() {
            [] => Err(SingleTokenError::Nothing { text: text.into() }),
            &[id] => Ok(id),
            ids => {
                let pieces = ids
                    .iter()
                    .map(|&id| format!("{:?}", self.token_text(id)))
                    .collect();
                Err(SingleTokenError::NotOne {
                    text: text.into(),
                    pieces,
                })
            }
        }
    }

    /// The text of `ids`, special tokens included, as the tokenizer's own decoder gives it (which may, for `SentencePiece`
    /// vocabularies, drop the leading space). Bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// When the decoder refuses.
    pub fn decode(&self, ids: &[u32]) -> Result<String, DecodeError> {
        self.inner
            .pipeline
            .decode(ids, false)
            .map_err(|e| DecodeError {
                reason: e.to_string(),
            })
    }

    /// The bytes that token `id` stands for; `None` if there is no such token.
    ///
    /// They need not be UTF-8: a character may be spread over several tokens. Bytes of consecutive tokens may be joined.
    pub fn token_bytes(&self, id: u32) -> Option<Vec<u8>> {
        if id as usize >= self.inner.vocab_size {
            return None;
        }
        self.inner.spelling.bytes(&self.inner.pipeline, id)
    }

    /// Token `id` for display: its bytes as text, with U+FFFD for bytes that are not UTF-8 and `<id 123>` for no token at all.
    pub fn token_text(&self, id: u32) -> String {
        match self.token_bytes(id) {
            Some(bytes) => String::from_utf8(bytes)
                .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()),
            None => format!("<id {id}>"),
        }
    }

    /// The id of the token that is spelled exactly `token` in the vocabulary (`<|im_end|>`, `Ġthe`).
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.inner.spelling.id(token)
    }

    /// The special tokens and their ids.
    pub fn special(&self) -> &SpecialTokens {
        &self.inner.special
    }

    /// The ids of all special tokens, as transformers' `all_special_ids`: those with a role, and every added token that is marked special, chat
    /// markers among them. Ascending.
    pub fn all_special(&self) -> Vec<u32> {
        let added = self.inner.pipeline.get_added_vocabulary();
        let added = added.get_added_tokens_decoder();
        let marked = added.iter().filter(|(_, token)| token.special);
        let mut ids: Vec<u32> = marked.map(|(&id, _)| id).collect();
        ids.extend(self.inner.special.structural());
        ids.extend(self.inner.special.unk);
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The token that starts a sequence.
    pub fn bos(&self) -> Option<u32> {
        self.inner.special.bos
    }

    /// The token that ends a document.
    pub fn eos(&self) -> Option<u32> {
        self.inner.special.eos
    }

    /// One more than the largest id: the number of rows that an embedding needs at least.
    pub fn vocab_size(&self) -> usize {
        self.inner.vocab_size
    }

    /// Where `tokenizer.json` was read from.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("path", &self.inner.path)
            .field("vocab_size", &self.inner.vocab_size)
            .field("special", &self.inner.special)
            .field("special_text", &self.special_text)
            .finish_non_exhaustive()
    }
}
