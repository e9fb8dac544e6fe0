//! One commit of a repository, file by file.

use super::hub::Download;
use super::{HubOptions, SourceError, snapshot};
use hf_hub::api::Progress;
use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};
use std::path::PathBuf;

/// Tries after the first, each continuing where the one before broke off.
const RETRIES: usize = 3;

/// A repository at the commit that a revision named when it was looked up.
///
/// All files come from that commit, so a push in between cannot mix two states of a model.
pub(super) struct Repository<'a> {
    request: Request<'a>,
    commit: String,
    files: Vec<String>,
    remote: ApiRepo,
}

/// What was asked of whom, for messages.
#[derive(Clone, Copy)]
struct Request<'a> {
    repo: &'a str,
    revision: &'a str,
    options: &'a HubOptions,
}

impl<'a> Repository<'a> {
    /// Asks which commit the revision names and which files it has.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] if there was no answer, so that a cache may do.
    pub(super) fn look_up(
        repo: &'a str,
        revision: &'a str,
        options: &'a HubOptions,
    ) -> Result<Self, SourceError> {
        let what = "the list of files";
        let request = Request {
            repo,
            revision,
            options,
        };
        let api = ApiBuilder::from_cache(Cache::new(options.cache.clone()))
            .with_endpoint(options.endpoint.clone())
            .with_token(options.token.clone())
            .with_retries(RETRIES)
            .with_progress(false)
            .build()
            .map_err(|error| request.failed(what, &error))?;
        let info = api
            .repo(model(repo, revision))
            .info()
            .map_err(|error| request.failed(what, &error))?;
        if !snapshot::is_commit(&info.sha) {
            return Err(request.refused(what, format!("the commit {:?} is not a hash", info.sha)));
        }
        let files = info
            .siblings
            .into_iter()
            .map(|sibling| sibling.rfilename)
            .collect();
        let remote = api.repo(model(repo, &info.sha));
        Ok(Self {
            request,
            commit: info.sha,
            files,
            remote,
        })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.files.iter().any(|file| file == name)
    }

    /// Where the files of this commit are in the cache.
    pub(super) fn snapshot(&self) -> PathBuf {
        let repo = model(self.request.repo, &self.commit);
        self.request.cache().repo(repo).pointer_path(&self.commit)
    }

    /// The file in the cache, downloaded if it is not there yet.
    pub(super) fn fetch(
        &self,
        name: &str,
        observer: &mut dyn FnMut(Download<'_>),
    ) -> Result<PathBuf, SourceError> {
        let path = self.snapshot().join(name);
        if path.is_file() {
            return Ok(path);
        }
        if !self.has(name) {
            let files = self.files.join(", ");
            return Err(self.request.refused(
                name,
                format!("the repository has no such file; it has {files}"),
            ));
        }
        let report = Report {
            file: name,
            done: 0,
            total: 0,
            observer,
        };
        let fetched = self.remote.download_with_progress(name, report);
        fetched.map_err(|error| self.request.failed(name, &error))
    }

    /// Notes in the cache which commit the revision named, so that it is found without asking.
    pub(super) fn remember(&self) -> Result<(), SourceError> {
        if snapshot::is_commit(self.request.revision) {
            return Ok(());
        }
        let repo = model(self.request.repo, self.request.revision);
        let noted = self.request.cache().repo(repo).create_ref(&self.commit);
        noted.map_err(|error| {
            self.request
                .refused("a note of the revision", error.to_string())
        })
    }
}

impl Request<'_> {
    fn cache(&self) -> Cache {
        Cache::new(self.options.cache.clone())
    }

    fn refused(&self, what: &str, reason: String) -> SourceError {
        SourceError::Hub {
            repo: format!("{}@{}", self.repo, self.revision),
            what: what.to_owned(),
            endpoint: self.options.endpoint.clone(),
            reason,
        }
    }

    fn failed(&self, what: &str, error: &ApiError) -> SourceError {
        let status = status(error);
        let advice = match status {
            Some(401 | 403) if self.options.token.is_some() => {
                "it does not exist, or HF_TOKEN has no access; gated models ask for a licence to be accepted on their page"
            }
            Some(401 | 403) => {
                "it does not exist or is not public; set HF_TOKEN to a token that may read it"
            }
            Some(404) => "there is no such repository or revision",
            Some(_) => "the server refused; try again later",
            None => match error {
                ApiError::IoError(_) => "is there room in the cache, and may it be written?",
                ApiError::LockAcquisition(_) => {
                    "another process is downloading it; try again later"
                }
                _ => "check the connection and HF_ENDPOINT, or give a local directory",
            },
        };
        let reason = format!("{error}; {advice}");
        if status.is_some_and(|status| status < 500) {
            return self.refused(what, reason);
        }
        SourceError::Unavailable {
            repo: format!("{}@{}", self.repo, self.revision),
            what: what.to_owned(),
            endpoint: self.options.endpoint.clone(),
            reason,
        }
    }
}

fn model(repo: &str, revision: &str) -> Repo {
    Repo::with_revision(repo.to_owned(), RepoType::Model, revision.to_owned())
}

/// The server's answer, if there was one.
fn status(error: &ApiError) -> Option<u16> {
    match error {
        ApiError::RequestError(error) => match **error {
            ureq::Error::StatusCode(status) => Some(status),
            _ => None,
        },
        ApiError::TooManyRetries(error) => status(error),
        _ => None,
    }
}

/// Hands hf-hub's progress on to an observer.
struct Report<'a> {
    file: &'a str,
    done: u64,
    total: u64,
    observer: &'a mut dyn FnMut(Download<'_>),
}

impl Report<'_> {
    fn report(&mut self) {
        (self.observer)(Download {
            file: self.file,
            done: self.done,
            total: self.total,
        });
    }
}

impl Progress for Report<'_> {
    /// Called at the start, and again at each try.
    fn init(&mut self, size: usize, _: &str) {
        (self.done, self.total) = (0, size as u64);
    }

    fn update(&mut self, size: usize) {
        self.done += size as u64;
        self.report();
    }

    fn finish(&mut self) {
        self.done = self.total;
        self.report();
    }
}
