//! Why bytes could not be fetched.

use std::io;
use std::time::Duration;

/// Why a file, or an answer, could not be fetched from a server. Every message names the address, without the query, which in a
/// signed address is a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Not an address that can be asked.
    #[error("{url:?} is not an address of a file: {reason}; give one like https://host/path")]
    Address {
        /// The URL, as given.
        url: String,
        /// The problem.
        reason: String,
    },
    /// The network is switched off.
    #[error(
        "{what} would need the network, and HF_HUB_OFFLINE is set; unset it, or give a local file"
    )]
    Offline {
        /// The request, in words.
        what: String,
    },
    /// 401 or 403 from the server that was asked.
    #[error("{url}: no access (status {status}); {advice}")]
    NoAccess {
        /// The address.
        url: String,
        /// 401 or 403.
        status: u16,
        /// What to try.
        advice: String,
    },
    /// 404 from the server that was asked.
    #[error("{url}: not found (status 404); {advice}")]
    NotFound {
        /// The address.
        url: String,
        /// What to try.
        advice: String,
    },
    /// A status that nothing can be done about.
    #[error(
        "{url}: the server answered with status {status}, expected were the file's bytes (200 or 206)"
    )]
    Status {
        /// The address that answered.
        url: String,
        /// The status.
        status: u16,
    },
    /// A redirect that is not followed.
    #[error("{url}: the redirect is not followed: {reason}; check the address, or HF_ENDPOINT")]
    Redirect {
        /// The address that redirects.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The file has changed since reading began.
    #[error(
        "{url}: the file changed on the server while it was read, at byte {at}: {what}; start again, and pin a commit to be safe"
    )]
    Changed {
        /// The address.
        url: String,
        /// The next byte.
        at: u64,
        /// The difference.
        what: String,
    },
    /// The server sent other bytes than it was asked for.
    #[error(
        "{url}: expected the bytes from {at} on, but the server sent {got}; it, or a proxy, is at fault"
    )]
    WrongRange {
        /// The address.
        url: String,
        /// The byte that was asked for.
        at: u64,
        /// The answer received.
        got: String,
    },
    /// A part of the file is needed and cannot be fetched.
    #[error("{url}: a part of the file is needed, and {reason}; download it and give its path")]
    NoRanges {
        /// The address.
        url: String,
        /// The server's behaviour instead.
        reason: &'static str,
    },
    /// There is no such byte.
    #[error("{url}: byte {at} was asked for, but the file ends at {}", len.map_or("an earlier one".to_owned(), |len| len.to_string()))]
    PastEnd {
        /// The address.
        url: String,
        /// The byte that was asked for.
        at: u64,
        /// Bytes of the file, if the server says.
        len: Option<u64>,
    },
    /// The other end cannot prove that it is the server.
    #[error(
        "{url}: the server's certificate is not accepted: {reason}; check the address, this machine's clock, and whether a proxy stands in between"
    )]
    Certificate {
        /// The address.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The bytes are not the file's.
    #[error(
        "{url}: the server sends the file compressed ({encoding:?}) though asked not to, so that positions are not the file's"
    )]
    Encoded {
        /// The address.
        url: String,
        /// How.
        encoding: String,
    },
    /// An answer is larger than it has a reason to be.
    #[error("{url}: longer than {limit} bytes, which is the most that is read of it")]
    TooLarge {
        /// The address.
        url: String,
        /// In bytes.
        limit: u64,
    },
    /// A failure that is usually temporary did not pass.
    #[error(
        "{url}: gave up at byte {at} after {tries} tries without a new byte; the last: {reason}; check the connection, or try later"
    )]
    GaveUp {
        /// The address.
        url: String,
        /// The next byte; 0 if there was none yet.
        at: u64,
        /// Tries that failed in a row.
        tries: u32,
        /// The last failure.
        reason: String,
    },
}

impl From<FetchError> for io::Error {
    /// Keeps the error inside, to be had again by `get_ref` and `downcast_ref`.
    fn from(error: FetchError) -> Self {
        let kind = match &error {
            FetchError::Address { .. } => io::ErrorKind::InvalidInput,
            FetchError::NoAccess { .. } => io::ErrorKind::PermissionDenied,
            FetchError::NotFound { .. } => io::ErrorKind::NotFound,
            FetchError::GaveUp { .. } => io::ErrorKind::TimedOut,
            FetchError::PastEnd { .. } => io::ErrorKind::UnexpectedEof,
            FetchError::Changed { .. }
            | FetchError::WrongRange { .. }
            | FetchError::TooLarge { .. }
            | FetchError::Encoded { .. } => io::ErrorKind::InvalidData,
            FetchError::Certificate { .. }
            | FetchError::NoRanges { .. }
            | FetchError::Offline { .. }
            | FetchError::Status { .. }
            | FetchError::Redirect { .. } => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// How one try ended that did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Another try would end the same.
    Fatal(FetchError),
    /// Another try may succeed.
    Transient {
        /// The problem.
        reason: String,
        /// The pause that the server asked for.
        after: Option<Duration>,
    },
}

impl Failure {
    pub(crate) fn transient(reason: impl Into<String>) -> Self {
        Self::Transient {
            reason: reason.into(),
            after: None,
        }
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::Fatal(error)
    }
}
