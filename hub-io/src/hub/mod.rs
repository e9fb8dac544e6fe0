//! The Hub: names of repositories to commits, their files, and the files' bytes.

mod error;
mod listing;
pub(crate) mod options;
pub(crate) mod repo;

use std::fmt;
use std::sync::Arc;

use url::Url;

use crate::file::{RemoteFile, RemoteRanges};
use crate::net::address;
use crate::net::client::Client;
use crate::net::clock::Clock;
use crate::net::error::FetchError;
use crate::net::listener::Listener;
use crate::net::redirect::Target;

pub use error::HubError;
pub use options::HubOptions;
pub use repo::{HubFile, Lfs, Repo, RepoKind, is_repo_name};

/// A client of the Hub, or of a mirror of it, and of plain servers. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Hub {
    pub(crate) client: Client,
    pub(crate) options: Arc<HubOptions>,
    endpoint: Url,
}

impl Hub {
    /// A client with these options. Makes no request yet.
    ///
    /// # Errors
    /// [`HubError::Endpoint`] if the endpoint is not an address, [`HubError::Token`] if the token cannot be sent.
    pub fn new(options: HubOptions) -> Result<Self, HubError> {
        let endpoint = address::parse(&options.endpoint).map_err(|reason| HubError::Endpoint {
            endpoint: options.endpoint.clone(),
            reason,
        })?;
        let sendable =
            |token: &String| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
        if !options.token.as_ref().is_none_or(sendable) {
            return Err(HubError::Token);
        }
        Ok(Self {
            client: Client::new(options.net.clone()),
            options: Arc::new(options),
            endpoint,
        })
    }

    /// A client with [`HubOptions::from_env`].
    ///
    /// # Errors
    /// As [`Hub::new`].
    pub fn from_env() -> Result<Self, HubError> {
        Self::new(HubOptions::from_env())
    }

    /// Tells `listener` of connections and retries from now on.
    #[must_use]
    pub fn with_listener(mut self, listener: Arc<dyn Listener>) -> Self {
        self.client.listener = Some(listener);
        self
    }

    /// Waits between tries by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.client.clock = clock;
        self
    }

    /// A data set at the commit that `revision` (a branch, tag or commit) names now.
    ///
    /// # Errors
    /// [`HubError::Name`] for a text that cannot be a name, [`HubError::Fetch`] if there is no such data set or it may not be read.
    pub fn dataset(&self, id: &str, revision: &str) -> Result<Repo, HubError> {
        Repo::look_up(self, RepoKind::Dataset, id, revision)
    }

    /// A model at the commit that `revision` (a branch, tag or commit) names now.
    ///
    /// # Errors
    /// As [`Hub::dataset`].
    pub fn model(&self, id: &str, revision: &str) -> Result<Repo, HubError> {
        Repo::look_up(self, RepoKind::Model, id, revision)
    }

    /// A file on any server. The token is sent only if that is the Hub itself.
    ///
    /// # Errors
    /// [`FetchError`]: not an address, not found, no access, or no connection.
    pub fn open_url(&self, url: &str) -> Result<RemoteFile, FetchError> {
        self.open(self.url_target(url)?)
    }

    fn url_target(&self, url: &str) -> Result<Target, FetchError> {
        let parsed = address::parse(url).map_err(|reason| FetchError::Address {
            url: without_secrets(url),
            reason,
        })?;
        let token = self.options.token.clone();
        let token = token.filter(|_| address::same_origin(&parsed, &self.endpoint));
        Ok(Target::new(parsed, token, None))
    }

    /// As [`Hub::open_url`], for reading parts of the file.
    ///
    /// # Errors
    /// As [`Hub::open_url`], and [`FetchError::NoRanges`] if the server gives no parts.
    pub fn open_url_ranges(&self, url: &str) -> Result<RemoteRanges, FetchError> {
        self.ranges(self.url_target(url)?)
    }

    fn ranges(&self, target: Target) -> Result<RemoteRanges, FetchError> {
        self.online(&target.shown)?;
        RemoteRanges::open(self.client.clone(), target)
    }

    fn open(&self, target: Target) -> Result<RemoteFile, FetchError> {
        self.online(&target.shown)?;
        RemoteFile::open(self.client.clone(), target)
    }

    pub(crate) fn online(&self, what: &str) -> Result<(), FetchError> {
        if self.options.offline {
            let what = what.to_owned();
            return Err(FetchError::Offline { what });
        }
        Ok(())
    }

    /// `path` below the endpoint; its segments have to be encoded.
    fn address(&self, path: &str) -> Result<Url, HubError> {
        let text = format!("{}/{path}", self.endpoint.as_str().trim_end_matches('/'));
        address::parse(&text).map_err(|reason| HubError::Endpoint {
            endpoint: self.options.endpoint.clone(),
            reason,
        })
    }
}

/// A text that is no address may hold a password, before an `@`, or a signature.
fn without_secrets(url: &str) -> String {
    let plain = url.split('?').next().unwrap_or_default();
    match plain.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => plain.to_owned(),
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
