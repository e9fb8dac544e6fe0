//! Which tokens start a sequence, end a document, pad.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use tokenizers::pipeline::PipelineTokenizer;

use super::error::TokenizerError;
use super::load::read_json;
use super::token_bytes::TokenSpelling;

const MOST_BYTES: u64 = 64 << 20;

/// The tokens with a role, by id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpecialTokens {
    /// Starts a sequence.
    pub bos: Option<u32>,
    /// Ends a document.
    pub eos: Option<u32>,
    /// Fills rows that are too short.
    pub pad: Option<u32>,
    /// Separates parts of a sequence.
    pub sep: Option<u32>,
    /// For text that the vocabulary cannot spell.
    pub unk: Option<u32>,
}

impl SpecialTokens {
    /// The structural ones, BOS, EOS, PAD and SEP, sorted and without repeats: those that SAELens leaves out of its
    /// metrics (`get_special_token_ids`). Chat markers are not among them.
    pub fn structural(&self) -> Vec<u32> {
        let set: BTreeSet<u32> = [self.bos, self.eos, self.pad, self.sep]
            .into_iter()
            .flatten()
            .collect();
        set.into_iter().collect()
    }
}

/// Looks the roles up in the files beside `tokenizer.json`.
pub(super) fn find(
    tokenizer: &Path,
    pipeline: &PipelineTokenizer,
    spelling: &TokenSpelling,
    vocab_size: usize,
) -> Result<SpecialTokens, TokenizerError> {
    let sources = ["tokenizer_config.json", "special_tokens_map.json"];
    let mut named = Vec::new();
    for source in sources {
        if let Some((path, json)) = beside(tokenizer, source)? {
            named.push((path, json));
        }
    }
    let config = beside(tokenizer, "config.json")?;
    let of = |role: &'static str| -> Result<Option<u32>, TokenizerError> {
        for (path, json) in &named {
            if let Some(token) = token_string(&json[role]) {
                return match (spelling.id(token), role) {
                    (Some(id), _) => Ok(Some(id)),
                    (None, "bos_token" | "eos_token") => Err(TokenizerError::UnknownSpecial {
                        path: path.clone(),
                        role,
                        token: token.into(),
                    }),
                    (None, _) => {
                        tracing::warn!(
                            ?path,
                            role,
                            token,
                            "special token is not in the vocabulary"
                        );
                        Ok(None)
                    }
                };
            }
        }
        if let Some(id) = pipeline
            .get_token_for_role(role)
            .and_then(|token| spelling.id(token))
        {
            return Ok(Some(id));
        }
        let id = config
            .as_ref()
            .and_then(|(_, json)| first_id(&json[format!("{role}_id")]));
        Ok(id.filter(|&id| (id as usize) < vocab_size))
    };
    Ok(SpecialTokens {
        bos: of("bos_token")?,
        eos: of("eos_token")?,
        pad: of("pad_token")?,
        sep: of("sep_token")?,
        unk: of("unk_token")?,
    })
}

fn beside(
    tokenizer: &Path,
    name: &str,
) -> Result<Option<(std::path::PathBuf, Value)>, TokenizerError> {
    let path = tokenizer.with_file_name(name);
    if !path.is_file() {
        return Ok(None);
    }
    let json = read_json(&path, MOST_BYTES)?;
    Ok(Some((path, json)))
}

/// `"<s>"` or `{"content": "<s>", …}`.
fn token_string(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value["content"].as_str())
}

/// `2` or `[2, 7]`.
fn first_id(value: &Value) -> Option<u32> {
    let id = value.as_u64().or_else(|| value[0].as_u64())?;
    u32::try_from(id).ok()
}
