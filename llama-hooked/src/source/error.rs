//! Why a model's files were not found.

use std::path::PathBuf;

/// A model whose files cannot be found or fetched: where it was looked for, and what to try.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelSourceError {
    /// The text names nothing.
    #[error("{text:?} is neither a directory nor a repository on the Hub: {reason}")]
    NeitherDirNorRepo {
        /// The text, as given.
        text: String,
        /// Why it cannot be a repository.
        reason: String,
    },
    /// The text names a file.
    #[error("{}: is a file; give the directory that holds config.json and the weights", .0.display())]
    NotADirectory(PathBuf),
    /// A file that every model has.
    #[error("{}: there is no {name}; a model's directory has config.json and model.safetensors, or model.safetensors.index.json and its shards{hint}", dir.display())]
    Missing {
        /// Where it was looked for.
        dir: PathBuf,
        /// The file.
        name: String,
        /// A hint about what is there instead, or empty.
        hint: String,
    },
    /// The list of shards is not usable.
    #[error("{}: {reason}", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// In words.
        reason: String,
    },
    /// There is no place for downloads.
    #[error("there is no home directory to keep downloads in; set HF_HOME or HF_HUB_CACHE")]
    NoCache,
    /// Downloads are switched off and the cache does not have it.
    #[error("{repo} is not in the cache {} and HF_HUB_OFFLINE is set{detail}", cache.display())]
    Offline {
        /// `organisation/name@revision`.
        repo: String,
        /// Where it was looked for.
        cache: PathBuf,
        /// The files that the cache lacks, or empty.
        detail: String,
    },
    /// The observer stopped a download.
    #[error(
        "{repo}: {path}: stopped; what has arrived is kept, and the next call goes on from there"
    )]
    Stopped {
        /// `organisation/name@revision`.
        repo: String,
        /// The file.
        path: String,
    },
    /// The Hub did not give what was asked for.
    #[error("{repo}: {what} could not be fetched from {endpoint}: {reason}")]
    Hub {
        /// `organisation/name@revision`.
        repo: String,
        /// The file, or the listing.
        what: String,
        /// The server.
        endpoint: String,
        /// Why, and what to try.
        reason: String,
    },
    /// The Hub did not answer, or could not.
    #[error("{repo}: {what} could not be fetched from {endpoint}: {reason}")]
    Unavailable {
        /// `organisation/name@revision`.
        repo: String,
        /// The file, or the listing.
        what: String,
        /// The server.
        endpoint: String,
        /// Why, and what to try.
        reason: String,
    },
}
