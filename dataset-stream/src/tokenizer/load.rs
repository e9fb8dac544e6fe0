//! From files to a [`Tokenizer`](super::Tokenizer).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokenizers::pipeline::PipelineTokenizer;

use super::error::TokenizerError;
use super::gaps::Gaps;
use super::token_bytes::TokenSpelling;
use super::{Inner, special};

/// The largest known (Gemma 3) has 33 MB.
const MOST_BYTES: u64 = 512 << 20;
/// Tables are as long as the largest id: a hostile file must not choose it freely.
const LARGEST_ID: u64 = 1 << 24;

pub(super) fn load(path: &Path) -> Result<Inner, TokenizerError> {
    let path = file_in(path)?;
    let mut json = read_json(&path, MOST_BYTES)?;
    let unsupported = |reason: String| TokenizerError::Unsupported {
        path: path.clone(),
        reason,
    };
    tokenizers::canonicalize_value(&mut json).map_err(|e| unsupported(e.to_string()))?;
    let vocab_size = vocab_size(&json).map_err(unsupported)?;
    let spelling = TokenSpelling::of(&json);
    let gaps = Gaps::fill(&mut json, vocab_size);
    let text = json.to_string();
    drop(json);
    let pipeline = build(&text).map_err(unsupported)?;
    check_added(&pipeline, &spelling).map_err(unsupported)?;
    let special = special::find(&path, &pipeline, &spelling, vocab_size)?;
    tracing::debug!(?path, vocab_size, ?special, "loaded tokenizer");
    Ok(Inner {
        path,
        pipeline,
        spelling,
        gaps,
        special,
        vocab_size,
    })
}

fn file_in(path: &Path) -> Result<PathBuf, TokenizerError> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let file = path.join("tokenizer.json");
    if file.exists() {
        return Ok(file);
    }
    let hint = if path.join("tokenizer.model").exists() {
        "; its tokenizer.model is the older SentencePiece form: convert it, for instance by loading it with AutoTokenizer and saving it again"
    } else {
        ""
    };
    Err(TokenizerError::NotInDirectory {
        path: path.to_owned(),
        hint,
    })
}

/// Reads a JSON file of bounded size.
pub(super) fn read_json(path: &Path, limit: u64) -> Result<Value, TokenizerError> {
    let io = |source| TokenizerError::Io {
        path: path.to_owned(),
        source,
    };
    let found = std::fs::metadata(path).map_err(io)?;
    // Opening a pipe would wait for somebody who writes into it.
    if !found.is_file() {
        return Err(io(std::io::Error::other(
            "it is a folder, a pipe or a device",
        )));
    }
    let bytes = found.len();
    if bytes > limit {
        return Err(TokenizerError::TooLarge {
            path: path.to_owned(),
            bytes,
            limit,
        });
    }
    let text = std::fs::read(path).map_err(io)?;
    serde_json::from_slice(&text).map_err(|source| TokenizerError::Json {
        path: path.to_owned(),
        source,
    })
}

/// The library, fenced off: it trusts its input more than we do.
fn build(json: &str) -> Result<PipelineTokenizer, String> {
    match catch_unwind(AssertUnwindSafe(|| tokenizers::from_json(json))) {
        Ok(Ok(pipeline)) => Ok(pipeline),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the tokenizers library gave up on it".into()),
    }
}

/// One more than the largest id of model and added tokens.
fn vocab_size(json: &Value) -> Result<usize, String> {
    let vocab = &json["model"]["vocab"];
    let id_of = |token: &str, id: &Value| match id.as_u64() {
        Some(id) if id <= LARGEST_ID => Ok(id),
        _ => Err(format!(
            "token {token:?} has the id {id}, expected a number up to {LARGEST_ID}"
        )),
    };
    let mut size = 0;
    if let Some(vocab) = vocab.as_object() {
        for (token, id) in vocab {
            size = size.max(id_of(token, id)? + 1);
        }
    } else if let Some(vocab) = vocab.as_array() {
        size = vocab.len() as u64;
    } else {
        return Err("model.vocab is neither an object nor a list".into());
    }
    if size == 0 {
        return Err("its vocabulary is empty".into());
    }
    for added in json["added_tokens"].as_array().into_iter().flatten() {
        let token = added["content"].as_str().unwrap_or_default();
        size = size.max(id_of(token, &added["id"])? + 1);
    }
    Ok(size as usize)
}

/// The library numbers added tokens itself; the file's numbers must be the same.
fn check_added(pipeline: &PipelineTokenizer, spelling: &TokenSpelling) -> Result<(), String> {
    for (&id, token) in &pipeline.get_added_vocabulary().get_added_tokens_decoder() {
        match spelling.id(&token.content) {
            Some(listed) if listed != id => {
                return Err(format!(
                    "added token {:?} is listed with id {listed}, but the tokens before it leave it {id}",
                    token.content
                ));
            }
            _ => {}
        }
    }
    Ok(())
}
