//! A repository at one commit.

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use serde::Deserialize;

use super::{Hub, HubError, listing};
use crate::file::{RemoteFile, RemoteRanges};
use crate::net::address;
use crate::net::error::FetchError;
use crate::net::redirect::Target;

/// The description of a revision, which lists all files of a repository; in bytes.
const MAX_INFO: u64 = 256 << 20;
/// A README that is read, in bytes.
const MAX_README: u64 = 16 << 20;

/// The kind of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RepoKind {
    /// Text, tables and the like.
    Dataset,
    /// Weights, those of sparse autoencoders included.
    Model,
}

impl From<RepoKind> for hf_hub::RepoType {
    fn from(kind: RepoKind) -> Self {
        match kind {
            RepoKind::Dataset => Self::Dataset,
            RepoKind::Model => Self::Model,
        }
    }
}

impl RepoKind {
    fn api(self) -> &'static str {
        match self {
            Self::Dataset => "api/datasets/",
            Self::Model => "api/models/",
        }
    }

    /// In front of the name, in addresses of pages and files.
    fn prefix(self) -> &'static str {
        match self {
            Self::Dataset => "datasets/",
            Self::Model => "",
        }
    }
}

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubFile {
    /// From the root of the repository, with `/`; never leads out of it.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// For large files.
    pub lfs: Option<Lfs>,
}

/// How a large file is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lfs {
    /// The SHA-256 of the content, in hexadecimal.
    pub oid: String,
    /// In bytes.
    pub size: u64,
}

/// A repository at one commit: all that is read of it belongs together, whatever is pushed meanwhile.
#[derive(Clone)]
pub struct Repo {
    pub(crate) hub: Hub,
    pub(crate) kind: RepoKind,
    id: String,
    sha: String,
    names: Option<Arc<[String]>>,
}

#[derive(Deserialize)]
struct Info {
    sha: String,
    siblings: Option<Vec<Sibling>>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl Repo {
    pub(crate) fn look_up(
        hub: &Hub,
        kind: RepoKind,
        id: &str,
        revision: &str,
    ) -> Result<Self, HubError> {
        check_id(id)?;
        check_revision(revision)?;
        hub.online(&format!("{id}@{revision}"))?;
        let mut repo = Self {
            hub: hub.clone(),
            kind,
            id: id.to_owned(),
            sha: String::new(),
            names: None,
        };
        let revision = address::segment(revision);
        let target = repo.target(&format!("{}{id}/revision/{revision}", kind.api()))?;
        let answer = hub.client.get(&target, MAX_INFO)?;
        let info: Info = serde_json::from_slice(&answer.body).map_err(|error| {
            bad_answer(&target, format!("not the description of a commit: {error}"))
        })?;
        if !is_commit(&info.sha) {
            return Err(bad_answer(
                &target,
                format!("the commit {:.80?} is not a hash", info.sha),
            ));
        }
        repo.sha = info.sha;
        // A name that leads elsewhere is left out, as nobody can ask for it.
        repo.names = info.siblings.map(|siblings| {
            let names = siblings.into_iter().map(|sibling| sibling.rfilename);
            names
                .filter(|name| address::check_path(name).is_ok())
                .collect()
        });
        Ok(repo)
    }

    /// `organisation/name`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The commit, in hexadecimal.
    pub fn sha(&self) -> &str {
        &self.sha
    }

    /// All files, in the server's order.
    ///
    /// # Errors
    /// [`HubError::TooMany`] beyond the limits of the options, [`HubError::Answer`] for a list that makes no sense or holds
    /// paths that lead out of the repository, [`HubError::Fetch`] if there is no answer.
    pub fn files(&self) -> Result<Vec<HubFile>, HubError> {
        let path = format!(
            "{}{}/tree/{}?recursive=true",
            self.kind.api(),
            self.id,
            self.sha
        );
        listing::files(&self.hub, &self.id, self.target(&path)?)
    }

    /// The names of all files, which the Hub gives along with the commit.
    ///
    /// # Errors
    /// As [`Repo::files`], which is asked if it did not.
    pub fn names(&self) -> Result<Arc<[String]>, HubError> {
        match &self.names {
            Some(names) => Ok(Arc::clone(names)),
            None => Ok(self.files()?.into_iter().map(|file| file.path).collect()),
        }
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// [`HubError::Name`] for a path that leads out of the repository, [`HubError::Fetch`] if there is no such file or it
    /// may not be read.
    pub fn open(&self, path: &str) -> Result<RemoteFile, HubError> {
        Ok(self.hub.open(self.file_target(path)?)?)
    }

    /// As [`Repo::open`], for reading parts of the file.
    ///
    /// # Errors
    /// As [`Repo::open`], and [`FetchError::NoRanges`] if the server gives no parts.
    pub fn open_ranges(&self, path: &str) -> Result<RemoteRanges, HubError> {
        Ok(self.hub.ranges(self.file_target(path)?)?)
    }

    /// Where the bytes of a file are asked for.
    pub(crate) fn file_target(&self, path: &str) -> Result<Target, HubError> {
        let encoded = address::path(path).map_err(|reason| HubError::Name {
            name: path.to_owned(),
            what: "file in a repository",
            reason,
        })?;
        let (prefix, id, sha) = (self.kind.prefix(), &self.id, &self.sha);
        self.target(&format!("{prefix}{id}/resolve/{sha}/{encoded}"))
    }

    /// The README, if there is one: its head says which files make up which split.
    ///
    /// # Errors
    /// As [`Repo::open`]; also for one that is larger than 16 MiB. What is not UTF-8 is replaced.
    pub fn readme(&self) -> Result<Option<String>, HubError> {
        let file = match self.open("README.md") {
            Ok(file) => file,
            Err(HubError::Fetch(FetchError::NotFound { .. })) => return Ok(None),
            Err(error) => return Err(error),
        };
        let url = file.url().to_owned();
        let mut bytes = Vec::new();
        let read = file.take(MAX_README + 1).read_to_end(&mut bytes);
        read.map_err(|error| {
            let fetch = error.get_ref().and_then(|e| e.downcast_ref::<FetchError>());
            let reason = || error.to_string();
            fetch.cloned().map_or_else(
                || HubError::Answer {
                    url: url.clone(),
                    reason: reason(),
                },
                HubError::Fetch,
            )
        })?;
        if bytes.len() as u64 > MAX_README {
            let limit = MAX_README;
            return Err(FetchError::TooLarge { url, limit }.into());
        }
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn target(&self, path: &str) -> Result<Target, HubError> {
        let url = self.hub.address(path)?;
        let page = self
            .hub
            .address(&format!("{}{}", self.kind.prefix(), self.id))?;
        Ok(Target::new(
            url,
            self.hub.options.token.clone(),
            Some(address::shown(&page)),
        ))
    }
}

impl fmt::Debug for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repo")
            .field("kind", &self.kind)
            .field("id", &self.id)
            .field("sha", &self.sha)
            .finish_non_exhaustive()
    }
}

pub(crate) fn bad_answer(target: &Target, reason: String) -> HubError {
    HubError::Answer {
        url: target.shown.clone(),
        reason,
    }
}

/// Whether this is the hash of a commit, and so a name of one state for ever.
pub(crate) fn is_commit(revision: &str) -> bool {
    (40..=64).contains(&revision.len()) && revision.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether this can be the name of a repository: `organisation/name`, or a name alone as very old ones have.
pub fn is_repo_name(id: &str) -> bool {
    let part = |part: &str| {
        part.bytes().any(|b| b.is_ascii_alphanumeric())
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    id.len() <= 96 && id.split('/').count() <= 2 && id.split('/').all(part)
}

pub(crate) fn check_id(id: &str) -> Result<(), HubError> {
    if is_repo_name(id) {
        return Ok(());
    }
    Err(HubError::Name {
        name: id.to_owned(),
        what: "repository",
        reason: "expected organisation/name of letters, digits, `-`, `_` and `.`".to_owned(),
    })
}

pub(crate) fn check_revision(revision: &str) -> Result<(), HubError> {
    let reason = match address::check_path(revision) {
        Ok(()) if revision.len() <= 255 => return Ok(()),
        Ok(()) => "it is longer than 255 bytes".to_owned(),
        Err(reason) => reason,
    };
    Err(HubError::Name {
        name: revision.to_owned(),
        what: "revision",
        reason: format!("{reason}; expected a branch such as main, a tag or a commit"),
    })
}
