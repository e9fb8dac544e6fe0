//! A model on the Hugging Face Hub: in the cache, or downloaded into it.

use super::dir::{self, CONFIG, INDEX, TOKENIZER, WEIGHTS};
use super::{HubOptions, ModelFiles, SourceError, index, names};
use hub_io::{Cache, CacheError, Hub, HubError, Progress, RepoKind, Snapshot, WarnOfRetries};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

/// Beside `tokenizer.json`, which of its tokens begin and end a text.
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const SPECIAL_TOKENS: &str = "special_tokens_map.json";

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

/// Hears of downloads.
pub(super) type Observer<'a> = &'a mut dyn FnMut(Download<'_>);

/// All files of a model.
pub(super) fn resolve(
    repo: &str,
    revision: &str,
    options: &HubOptions,
    observer: Observer<'_>,
) -> Result<ModelFiles, SourceError> {
    let mut files = Files::open(repo, revision, options, observer)?;
    files.fetch(&[CONFIG])?;
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
    options: &HubOptions,
    observer: Observer<'_>,
) -> Result<Option<PathBuf>, SourceError> {
    let mut files = Files::open(repo, revision, options, observer)?;
    if !files.tokenizer()? {
        return Ok(None);
    }
    // It has the last word on special tokens.
    files.fetch_if_there(CONFIG)?;
    let noted = files.snapshot.remember_if_new();
    noted.map_err(|error| files.unnoted(error))?;
    Ok(Some(files.snapshot.dir().join(TOKENIZER)))
}

/// A repository's files at one commit, and what was asked for, for messages.
struct Files<'a> {
    snapshot: Snapshot,
    options: &'a HubOptions,
    /// `organisation/name@revision`.
    repo: String,
    observer: Observer<'a>,
}

impl<'a> Files<'a> {
    fn open(
        repo: &str,
        revision: &str,
        options: &'a HubOptions,
        observer: Observer<'a>,
    ) -> Result<Self, SourceError> {
        let name = format!("{repo}@{revision}");
        names::check(repo, revision).map_err(|reason| SourceError::NeitherDirNorRepo {
            text: name.clone(),
            reason,
        })?;
        let snapshot = client(options)
            .map_err(CacheError::from)
            .and_then(|hub| {
                let cache = Cache::new(&options.cache);
                cache.snapshot(&hub, RepoKind::Model, repo, revision)
            })
            .map_err(|error| in_words(&name, "the list of files", options, error))?;
        Ok(Self {
            snapshot,
            options,
            repo: name,
            observer,
        })
    }

    fn fetch(&mut self, names: &[&str]) -> Result<(), SourceError> {
        let Self {
            snapshot, observer, ..
        } = self;
        let mut tell = |progress: Progress<'_>| {
            observer(Download {
                file: progress.path,
                done: progress.done,
                total: progress.total.unwrap_or(progress.done),
            });
            ControlFlow::Continue(())
        };
        let fetched = snapshot.fetch(names, &mut tell);
        fetched.map_err(|error| {
            let what = match &error {
                CacheError::NoFile { path, .. } | CacheError::Missing { path, .. } => path.clone(),
                _ => names.join(", "),
            };
            in_words(&self.repo, &what, self.options, error)
        })
    }

    fn first_of<'n>(&mut self, names: &[&'n str]) -> Result<Option<&'n str>, SourceError> {
        let first = self.snapshot.first_of(names);
        first.map_err(|error| in_words(&self.repo, "the list of files", self.options, error))
    }

    fn fetch_if_there(&mut self, name: &str) -> Result<bool, SourceError> {
        match self.first_of(&[name])? {
            Some(name) => self.fetch(&[name]).map(|()| true),
            None => Ok(false),
        }
    }

    /// Whether there is one. The files beside it come first, so that where it is, they are.
    fn tokenizer(&mut self) -> Result<bool, SourceError> {
        let pinned = self.repo.ends_with(self.snapshot.commit());
        if pinned && self.snapshot.dir().join(TOKENIZER).is_file() {
            return Ok(true);
        }
        if self.first_of(&[TOKENIZER])?.is_none() {
            return Ok(false);
        }
        for name in [TOKENIZER_CONFIG, SPECIAL_TOKENS] {
            self.fetch_if_there(name)?;
        }
        self.fetch_if_there(TOKENIZER)
    }

    fn unnoted(&self, error: CacheError) -> SourceError {
        in_words(&self.repo, "a note of the revision", self.options, error)
    }
}

fn client(options: &HubOptions) -> Result<Hub, HubError> {
    let hub = Hub::new(hub_io::HubOptions {
        endpoint: options.endpoint.clone(),
        token: options.token.clone(),
        offline: options.offline,
        ..hub_io::HubOptions::default()
    })?;
    Ok(hub.with_observer(Arc::new(WarnOfRetries)))
}

fn in_words(repo: &str, what: &str, options: &HubOptions, error: CacheError) -> SourceError {
    let (repo, what, endpoint) = (repo.to_owned(), what.to_owned(), options.endpoint.clone());
    let cache = options.cache.clone();
    match error {
        CacheError::Offline { .. } => SourceError::Offline {
            repo,
            cache,
            detail: String::new(),
        },
        CacheError::Missing { path, .. } if options.offline => SourceError::Offline {
            repo,
            cache,
            detail: format!("; it is there in part: there is no {path}"),
        },
        CacheError::NoFile { files, .. } => SourceError::Hub {
            repo,
            what,
            endpoint,
            reason: format!("the repository has no such file; it has {files}"),
        },
        error if error.is_unavailable() || matches!(error, CacheError::Missing { .. }) => {
            SourceError::Unavailable {
                repo,
                what,
                endpoint,
                reason: format!("{error}; check HF_ENDPOINT, or give a local directory"),
            }
        }
        error => SourceError::Hub {
            repo,
            what,
            endpoint,
            reason: error.to_string(),
        },
    }
}
