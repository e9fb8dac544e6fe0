//! Where a stream is, so that another one can resume from there.

use serde::{Deserialize, Serialize};

use super::shuffle::Place;
use super::{StreamOptions, StreamProgress};
use crate::packing::{DocumentProgress, PackerState};
use crate::{TextSource, Tokenizer};

/// The place in a [`TokenStream`](super::TokenStream) after the row it has handed out last.
///
/// A stream [resumed](super::TokenStream::resume) from it gives the rows that would have come next, bit for bit, whatever the number of
/// threads; and its states may be resumed from in turn. It holds the unfinished row, so that nothing else is needed, and is a
/// kilobyte or a few.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamState {
    /// Of this layout.
    pub(super) version: u32,
    pub(super) made_from: MadeFrom,
    /// The document that is being packed, or comes next: its file, and its number there.
    pub(super) file: usize,
    pub(super) document: u64,
    /// If documents are shuffled: the place of the window's first document is the one above, and this is how far the window is done.
    pub(super) shuffle: Place,
    pub(super) within: DocumentProgress,
    pub(super) packer: PackerState,
    pub(super) progress: StreamProgress,
    /// What was wrong with the first row that was left out.
    pub(super) first_bad: Option<String>,
}

/// Everything that the rows depend on, as hashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MadeFrom {
    files: u64,
    tokenizer: u64,
    options: u64,
}

/// Why a stream cannot resume from a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Written by another version.
    #[error("the state is of version {found}, and this program reads version {VERSION}")]
    Version {
        /// The state's.
        found: u32,
    },
    /// The rows would not be those that were begun.
    #[error(
        "the state belongs to {what}: the rows would not go on as they began; start again, or restore it"
    )]
    Different {
        /// The part that has changed.
        what: &'static str,
    },
    /// It has impossible values.
    #[error("the state is damaged: its unfinished row is longer than a row")]
    Damaged,
    /// Documents in memory have no place that could be found again.
    #[error("documents from memory cannot be resumed: there is no file to find the place in")]
    NoFiles,
}

/// 3: the notebook's packing counts empty documents.
const VERSION: u32 = 3;

impl StreamState {
    pub(super) fn start(
        made_from: MadeFrom,
        packer: PackerState,
        progress: StreamProgress,
    ) -> Self {
        Self {
            version: VERSION,
            made_from,
            file: 0,
            document: 0,
            shuffle: Place::default(),
            within: DocumentProgress::default(),
            packer,
            progress,
            first_bad: None,
        }
    }

    /// Rows handed out up to here.
    pub fn rows(&self) -> u64 {
        self.progress.rows
    }

    pub(super) fn check(&self, now: &MadeFrom, context_size: usize) -> Result<(), StateError> {
        if self.version != VERSION {
            return Err(StateError::Version {
                found: self.version,
            });
        }
        let different = |what| Err(StateError::Different { what });
        if self.made_from.files != now.files {
            return different("other files (their names or sizes have changed)");
        }
        if self.made_from.tokenizer != now.tokenizer {
            return different("another tokenizer");
        }
        if self.made_from.options != now.options {
            return different(
                "other settings (context size, packing, BOS, column, shuffling, shard, treatment of bad rows)",
            );
        }
        if self.packer.n_ids() >= context_size {
            return Err(StateError::Damaged);
        }
        Ok(())
    }
}

impl MadeFrom {
    pub(super) fn new(source: &TextSource, tokenizer: &Tokenizer, options: &StreamOptions) -> Self {
        let mut files = Fnv::default();
        for (name, bytes) in source.identities() {
            files.write(name.as_bytes());
            files.write(&bytes.to_le_bytes());
        }
        let mut own = Fnv::default();
        // A tokenizer that has gone since it was loaded has no bytes, and is told apart by that.
        own.write(&std::fs::read(tokenizer.path()).unwrap_or_default());
        own.write(format!("{:?}", tokenizer.special()).as_bytes());
        let StreamOptions {
            context_size,
            packing,
            prepend_bos,
            pretokenized,
            shuffle,
            shard,
            // How much is read, and how fast, does not change the rows.
            budget: _,
            threads: _,
            bytes_in_flight: _,
        } = options;
        let mut settings = Fnv::default();
        let text = format!(
            "{context_size} {packing:?} {prepend_bos} {pretokenized:?} {shuffle:?} {shard:?} {:?}",
            source.options()
        );
        settings.write(text.as_bytes());
        Self {
            files: files.0,
            tokenizer: own.0,
            options: settings.0,
        }
    }
}

/// FNV-1a (Fowler, Noll and Vo): the same on every machine and in every version, unlike the standard library's.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes.iter().chain(&[0xFF]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}
