//! Why a repository could not be used.

use crate::net::error::FetchError;

/// Why a repository or its list of files could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The Hub's own address is wrong.
    #[error("{endpoint:?} is not the address of a Hub: {reason}; check HF_ENDPOINT")]
    Endpoint {
        /// The endpoint, as given.
        endpoint: String,
        /// The problem.
        reason: String,
    },
    /// The token has characters that cannot be sent. It is not shown.
    #[error("the token is empty, or has spaces or characters that no token has; check HF_TOKEN")]
    Token,
    /// Not the name of a repository, a revision or a file.
    #[error("{name:?} is not the name of a {what}: {reason}")]
    Name {
        /// The name, as given.
        name: String,
        /// Repository, revision or file.
        what: &'static str,
        /// The problem.
        reason: String,
    },
    /// The server's answer makes no sense.
    #[error("{url}: {reason}; is that a Hub? check HF_ENDPOINT")]
    Answer {
        /// The address.
        url: String,
        /// The problem.
        reason: String,
    },
    /// There are more files than are listed.
    #[error("{repo}: more than {limit} {of}; raise the limit in the options if that is right")]
    TooMany {
        /// `organisation/name`.
        repo: String,
        /// Pages, or entries.
        of: &'static str,
        /// How many are taken.
        limit: usize,
    },
    /// No answer, or a refusal.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}
