//! A tokenizer by file, by folder, or by the name of a model on the Hub.

use dataset_stream::{Tokenizer, TokenizerError};
use llama_hooked::{Cache, DownloadProgress, HubOptions, ModelSource, ModelSourceError, Observer};
use std::path::{Path, PathBuf};

/// A tokenizer that cannot be found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerSpecError {
    /// It is at fault.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The name is nothing's.
    #[error("is neither a file, a folder, nor a model on the Hub")]
    NotFound(#[source] ModelSourceError),
    /// The model has none.
    #[error("the model has no tokenizer.json")]
    None,
}

/// Finds a tokenizer: the file or folder of that name, else the one of a model on the Hub, of which no weights are downloaded.
///
/// # Errors
/// If there is none.
pub fn find_tokenizer(
    spec: &str,
    observer: &mut dyn Observer<DownloadProgress>,
) -> Result<(PathBuf, Tokenizer), TokenizerSpecError> {
    let path = PathBuf::from(spec);
    if path.exists() {
        let tokenizer = Tokenizer::from_file(&path)?;
        return Ok((path, tokenizer));
    }
    let found = ModelSource::parse(spec)
        .and_then(|source| {
            let cache = Cache::from_env().ok_or(ModelSourceError::NoCache)?;
            source.resolve_tokenizer(&HubOptions::from_env(), &cache, observer)
        })
        .map_err(TokenizerSpecError::NotFound)?;
    let path = found.ok_or(TokenizerSpecError::None)?;
    let tokenizer = Tokenizer::from_file(&path)?;
    Ok((path, tokenizer))
}

/// A tokenizer's file, and those beside it that say what its special tokens are.
pub fn tokenizer_files(path: &Path) -> [PathBuf; 4] {
    let beside = |name: &str| path.with_file_name(name);
    [
        path.to_owned(),
        beside("tokenizer_config.json"),
        beside("special_tokens_map.json"),
        beside("config.json"),
    ]
}
