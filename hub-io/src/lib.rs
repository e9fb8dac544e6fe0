//! Files on the Hugging Face Hub and on plain HTTPS servers, as byte streams that survive a bad network.
//!
//! ```text
//! Hub ──▶ dataset(id, revision) ──▶ Repo at a commit ──▶ files() ──▶ data_files(…) ──▶ open(path) ──▶ RemoteFile: Read
//!  └────▶ open_url(url) ────────────────────────────────────────────────────────────────────────────────▶ │
//! Cache ─▶ snapshot(hub, kind, id, revision) ──▶ Snapshot ──▶ fetch(paths) ──▶ files on disk ◀────────────┘
//! ```
//!
//! * [`Hub`] is a client, made from the environment or from [`HubOptions`]. There is no global state.
//! * [`Repo`] is a data set or a model at one commit, so that what is read belongs together.
//! * [`data_files`] says which files make up a split, as Python's `datasets` would.
//! * [`RemoteFile`] reads a file from any position on. A connection that breaks, stalls or is refused for the moment is made
//!   anew at the exact byte; a file that changes meanwhile is an error.
//! * [`RemoteRanges`] reads parts of a file, and asks for no other bytes.
//! * [`Cache`] keeps whole files as Python's `huggingface_hub` does, and [`Snapshot`] is a repository in it at one commit:
//!   downloads resume where they broke off, are checked against the Hub's hash, and can be used without a network.
//! * [`Listener`] hears of retries, [`Clock`] makes the pauses.
//!
//! Everything is synchronous: there is no async runtime, and a stream may be read on any thread.
//!
//! # Hostile servers
//!
//! A token goes to the endpoint's origin (scheme, host and port) and to no other, whatever a redirect says; addresses in
//! messages have no query, because that of a signed address is a secret. Lists, pages and headers have largest sizes, paths
//! that lead out of a repository or out of the cache are errors, and a short or wrong range is noticed: the bytes that were read are the file's,
//! or there is an error. What cannot be noticed is a lie that is consistent, such as a file that is served too short with a
//! length that agrees: [`Verified`] compares what was read with the size and hash in the Hub's list of files.
//!
//! # Errors
//!
//! [`FetchError`] for bytes, [`HubError`] for repositories, [`CacheError`] for whole files, [`DataFilesError`] for splits: each says what, where, what was
//! expected and what to try.
//!
//! # Tasks
#![doc = include_str!("../README.md")]

mod cache;
mod data_files;
mod file;
mod hub;
mod net;
mod verify;

pub use cache::{Cache, CacheError, DownloadProgress, KeptFile, Snapshot};
pub use data_files::{DataFiles, DataFilesError, data_files};
pub use file::{RemoteFile, RemoteRanges};
pub use hub::{Hub, HubError, HubFile, HubOptions, Lfs, Repo, RepoKind, is_repo_name};
pub use net::clock::{Clock, SystemClock};
pub use net::error::FetchError;
pub use net::listener::{Event, Listener, WarnOfRetries};
pub use net::options::{Backoff, NetOptions};
pub use sae_progress::{Observer, Unobserved};
pub use verify::{Verified, VerifyError};
