//! A model on the Hugging Face Hub: in the cache, or downloaded into it.

use super::dir::{self, CONFIG, INDEX, TOKENIZER, WEIGHTS};
use super::download::Repository;
use super::{HubOptions, ModelFiles, SourceError, index, snapshot};

/// Beside `tokenizer.json`, which of its tokens begin and end a text.
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// How far a download has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Download<'a> {
    /// The file's name.
    pub file: &'a str,
    /// Bytes so far.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

pub(super) fn resolve(
    repo: &str,
    revision: &str,
    options: &HubOptions,
    observer: &mut dyn FnMut(Download<'_>),
) -> Result<ModelFiles, SourceError> {
    snapshot::check_names(repo, revision).map_err(|reason| SourceError::NeitherDirNorRepo {
        text: format!("{repo}@{revision}"),
        reason,
    })?;
    let cached =
        || snapshot::find(&options.cache, repo, revision).map(|snapshot| dir::resolve(&snapshot));
    if options.offline {
        let detail = match cached() {
            Some(Ok(files)) => return Ok(files),
            Some(Err(error)) => format!("; it is there in part: {error}"),
            None => String::new(),
        };
        return Err(SourceError::Offline {
            repo: format!("{repo}@{revision}"),
            cache: options.cache.clone(),
            detail,
        });
    }
    // A commit never changes, so there is nothing to ask.
    if snapshot::is_commit(revision)
        && let Some(Ok(files)) = cached()
    {
        return Ok(files);
    }
    let repository = match Repository::look_up(repo, revision, options) {
        Ok(repository) => repository,
        Err(error @ SourceError::Unavailable { .. }) => {
            let Some(Ok(files)) = cached() else {
                return Err(error);
            };
            tracing::warn!(%error, "using what the cache has");
            return Ok(files);
        }
        Err(error) => return Err(error),
    };
    download(&repository, observer)
}

/// Downloads what a model consists of, all from one commit.
fn download(
    repository: &Repository,
    observer: &mut dyn FnMut(Download<'_>),
) -> Result<ModelFiles, SourceError> {
    repository.fetch(CONFIG, observer)?;
    for name in [TOKENIZER, TOKENIZER_CONFIG] {
        if repository.has(name) {
            repository.fetch(name, observer)?;
        }
    }
    if !repository.has(WEIGHTS) && repository.has(INDEX) {
        for shard in index::shards(&repository.fetch(INDEX, observer)?)? {
            repository.fetch(&shard, observer)?;
        }
    } else {
        repository.fetch(WEIGHTS, observer)?;
    }
    repository.remember()?;
    dir::resolve(&repository.snapshot())
}
