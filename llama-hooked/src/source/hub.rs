//! A model on the Hugging Face Hub: in the cache, or downloaded into it.

use super::dir::{self, CONFIG, INDEX, TOKENIZER, WEIGHTS};
use super::{ModelFiles, ModelSourceError, index, names};
use hub_io::{
    Cache, CacheError, DownloadProgress, Hub, HubError, HubOptions, Observer, RepoKind, Snapshot,
    WarnOfRetries,
};
use std::path::PathBuf;
use std::sync::Arc;

/// Beside `tokenizer.json`, which of its tokens begin and end a text.
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const SPECIAL_TOKENS: &str = "special_tokens_map.json";
/// Beside it, too, how a conversation becomes a text.
const CHAT_TEMPLATE: &str = "chat_template.jinja";
/// Beside the weights, how the model's makers let it generate.
const GENERATION: &str = "generation_config.json";

/// Hears of downloads, and may stop them.
pub(super) type Watcher<'a> = &'a mut dyn Observer<DownloadProgress>;

/// All files of a model.
pub(super) fn resolve(
    repo: &str,
    revision: &str,
    hub: (&HubOptions, &Cache),
    observer: Watcher<'_>,
) -> Result<ModelFiles, ModelSourceError> {
    let mut files = Files::open(repo, revision, hub, observer)?;
    files.fetch(&[CONFIG])?;
    files.fetch_if_there(GENERATION)?;
    files.tokenizer()?;
    match files.first_of(&[WEIGHTS, INDEX])? {
        Some(INDEX) => {
            files.fetch(&[INDEX])?;
            let shards = index::shards(&files.snapshot.dir().join(INDEX))?;
            files.fetch(&shards.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        // Where there is neither, this says so.
        _ => files.fetch(&[WEIGHTS])?,
    }
    let noted = files.snapshot.remember();
    noted.map_err(|error| files.unnoted(error))?;
    dir::resolve(&files.snapshot.dir())
}

/// A model's tokenizer alone.
pub(super) fn resolve_tokenizer(
    repo: &str,
    revision: &str,
    hub: (&HubOptions, &Cache),
    observer: Watcher<'_>,
) -> Result<Option<PathBuf>, ModelSourceError> {
    let mut files = Files::open(repo, revision, hub, observer)?;
    if !files.tokenizer()? {
        return Ok(None);
    }
    // It decides which tokens are special.
    files.fetch_if_there(CONFIG)?;
    let noted = files.snapshot.remember_if_new();
    noted.map_err(|error| files.unnoted(error))?;
    Ok(Some(files.snapshot.dir().join(TOKENIZER)))
}

/// A repository's files at one commit, and what was asked for, for messages.
struct Files<'a> {
    snapshot: Snapshot,
    hub: (&'a HubOptions, &'a Cache),
    /// `organisation/name@revision`.
    repo: String,
    observer: Watcher<'a>,
}

impl<'a> Files<'a> {
    fn open(
        repo: &str,
        revision: &str,
        hub: (&'a HubOptions, &'a Cache),
        observer: Watcher<'a>,
    ) -> Result<Self, ModelSourceError> {
        let name = format!("{repo}@{revision}");
        names::check(repo, revision).map_err(|reason| ModelSourceError::NeitherDirNorRepo {
            text: name.clone(),
            reason,
        })?;
        let (options, cache) = hub;
        let snapshot = client(options)
            .map_err(CacheError::from)
            .and_then(|client| cache.snapshot(&client, RepoKind::Model, repo, revision))
            .map_err(|error| in_words(&name, "the list of files", hub, error))?;
        Ok(Self {
            snapshot,
            hub,
            repo: name,
            observer,
        })
    }

    fn fetch(&mut self, names: &[&str]) -> Result<(), ModelSourceError> {
        let Self {
            snapshot, observer, ..
        } = self;
        let fetched = snapshot.fetch(names, *observer);
        fetched.map_err(|error| {
            let what = match &error {
                CacheError::NoFile { path, .. } | CacheError::Missing { path, .. } => path.clone(),
                _ => names.join(", "),
            };
            in_words(&self.repo, &what, self.hub, error)
        })
    }

    fn first_of<'n>(&mut self, names: &[&'n str]) -> Result<Option<&'n str>, ModelSourceError> {
        let first = self.snapshot.first_of(names);
        first.map_err(|error| in_words(&self.repo, "the list of files", self.hub, error))
    }

    fn fetch_if_there(&mut self, name: &str) -> Result<bool, ModelSourceError> {
        match self.first_of(&[name])? {
            Some(name) => self.fetch(&[name]).map(|()| true),
            None => Ok(false),
        }
    }

    /// Whether there is one. The files beside it come first, so that where it is, they are.
    fn tokenizer(&mut self) -> Result<bool, ModelSourceError> {
        let pinned = self.repo.ends_with(self.snapshot.commit());
        if pinned && self.snapshot.dir().join(TOKENIZER).is_file() {
            return Ok(true);
        }
        if self.first_of(&[TOKENIZER])?.is_none() {
            return Ok(false);
        }
        for name in [TOKENIZER_CONFIG, SPECIAL_TOKENS, CHAT_TEMPLATE] {
            self.fetch_if_there(name)?;
        }
        self.fetch_if_there(TOKENIZER)
    }

    fn unnoted(&self, error: CacheError) -> ModelSourceError {
        in_words(&self.repo, "a note of the revision", self.hub, error)
    }
}

fn client(options: &HubOptions) -> Result<Hub, HubError> {
    let hub = Hub::new(options.clone())?;
    Ok(hub.with_listener(Arc::new(WarnOfRetries)))
}

fn in_words(
    repo: &str,
    what: &str,
    (options, cache): (&HubOptions, &Cache),
    error: CacheError,
) -> ModelSourceError {
    let (repo, what) = (repo.to_owned(), what.to_owned());
    let endpoint = options.endpoint.trim_end_matches('/').to_owned();
    let cache = cache.root().to_owned();
    match error {
        CacheError::Offline { .. } => ModelSourceError::Offline {
            repo,
            cache,
            detail: String::new(),
        },
        CacheError::Missing { path, .. } if options.offline => ModelSourceError::Offline {
            repo,
            cache,
            detail: format!("; it is there in part: there is no {path}"),
        },
        CacheError::Stopped { path } => ModelSourceError::Stopped { repo, path },
        CacheError::NoFile { files, .. } => ModelSourceError::Hub {
            repo,
            what,
            endpoint,
            reason: format!("the repository has no such file; it has {files}"),
        },
        error if error.is_unavailable() || matches!(error, CacheError::Missing { .. }) => {
            ModelSourceError::Unavailable {
                repo,
                what,
                endpoint,
                reason: format!("{error}; check HF_ENDPOINT, or give a local directory"),
            }
        }
        error => ModelSourceError::Hub {
            repo,
            what,
            endpoint,
            reason: error.to_string(),
        },
    }
}
