//! Files on the Hub as streams.
mod file;
mod hub;
mod net;

pub use file::RemoteFile;
pub use hub::{Hub, HubError, HubFile, HubOptions, Lfs, Repo};
pub use net::clock::{Clock, SystemClock};
pub use net::error::FetchError;
pub use net::observer::{Event, Observer};
pub use net::options::{Backoff, NetOptions};
