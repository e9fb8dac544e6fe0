//! The list of a token folder's shards.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{TableError, TableMetadata};

/// The file that makes a folder a token folder.
pub(crate) const MANIFEST: &str = "manifest.json";
/// Distinguishes it from other programs' manifests.
const FORMAT: &str = "sae-token-table";
const VERSION: u32 = 1;
/// A hundred thousand shards take a tenth of this.
const MOST_BYTES: u64 = 128 << 20;

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    format: String,
    version: u32,
    /// Whether all shards are written; false until the last one is.
    pub(crate) complete: bool,
    pub(crate) context_size: usize,
    /// Of all shards.
    pub(crate) rows: usize,
    /// Of every shard but the last.
    pub(crate) rows_per_shard: usize,
    pub(crate) shards: Vec<Shard>,
    pub(crate) sae_lens: TableMetadata,
}

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shard {
    pub(crate) file: String,
    pub(crate) rows: usize,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// Enough of any manifest to tell whose it is.
#[derive(Deserialize)]
struct Whose {
    format: Option<String>,
    version: Option<u32>,
}

impl Manifest {
    pub(crate) fn new(metadata: &TableMetadata, rows_per_shard: usize) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            complete: false,
            context_size: metadata.context_size,
            rows: 0,
            rows_per_shard,
            shards: Vec::new(),
            sae_lens: metadata.clone(),
        }
    }

    /// That of a folder; `None` if it has none, or another program's.
    pub(crate) fn find(folder: &Path) -> Result<Option<Self>, TableError> {
        let path = folder.join(MANIFEST);
        let io = |source| TableError::Io {
            doing: "read",
            path: path.clone(),
            source,
        };
        let file = match fs::metadata(&path) {
            Ok(found) if found.is_file() => File::open(&path).map_err(io)?,
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        let mut text = Vec::new();
        file.take(MOST_BYTES + 1)
            .read_to_end(&mut text)
            .map_err(io)?;
        let whose = serde_json::from_slice(&text);
        let Ok(Whose {
            format: Some(format),
            version,
        }) = whose
        else {
            return Ok(None);
        };
        if format != FORMAT {
            return Ok(None);
        }
        let wrong = |reason: String| TableError::Manifest {
            path: path.clone(),
            reason,
        };
        if text.len() as u64 > MOST_BYTES {
            return Err(wrong(format!("it is longer than {MOST_BYTES} bytes")));
        }
        match version {
            Some(VERSION) => {}
            Some(other) => {
                return Err(wrong(format!(
                    "it is of version {other}, and this program reads version {VERSION}"
                )));
            }
            None => return Err(wrong("it has no version".into())),
        }
        let manifest: Self = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
        manifest.check().map_err(wrong)?;
        Ok(Some(manifest))
    }

    /// Whether what it says can be: names lead nowhere else, and the numbers add up.
    fn check(&self) -> Result<(), String> {
        if self.context_size == 0 || self.rows_per_shard == 0 {
            return Err("context_size and rows_per_shard are at least 1".into());
        }
        let mut rows = 0_usize;
        for (i, shard) in self.shards.iter().enumerate() {
            let expected = shard_name(i);
            if shard.file != expected {
                return Err(format!(
                    "shard {i} is called {:.80?}, expected {expected:?}",
                    shard.file
                ));
            }
            let last = i + 1 == self.shards.len();
            if shard.rows == 0
                || shard.rows > self.rows_per_shard
                || (!last && shard.rows < self.rows_per_shard)
            {
                return Err(format!(
                    "{expected} is said to have {} rows, where shards have {}",
                    shard.rows, self.rows_per_shard
                ));
            }
            rows = rows
                .checked_add(shard.rows)
                .ok_or("more rows than can be counted")?;
        }
        if rows != self.rows {
            return Err(format!(
                "it says {} rows, and its shards have {rows} together",
                self.rows
            ));
        }
        Ok(())
    }

    /// Writes it into the folder, under another name first.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), TableError> {
        let path = folder.join(MANIFEST);
        let write = || {
            let partial = folder.join(format!("{MANIFEST}.part"));
            let mut file = File::create(&partial)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&partial, &path)?;
            sync_folder(folder)
        };
        write().map_err(|source| TableError::Io {
            doing: "write",
            path: path.clone(),
            source,
        })
    }
}

/// The name of a shard by its number.
pub(crate) fn shard_name(number: usize) -> String {
    format!("tokens-{number:05}.safetensors")
}

/// Whether a folder's file is one that a writer of shards makes, finished or not.
pub(crate) fn is_own_file(name: &str) -> bool {
    let name = name.strip_suffix(".part").unwrap_or(name);
    let number = name
        .strip_prefix("tokens-")
        .and_then(|rest| rest.strip_suffix(".safetensors"));
    name == MANIFEST
        || number.is_some_and(|n| n.len() >= 5 && n.bytes().all(|b| b.is_ascii_digit()))
}

/// The SHA-256 of a file, in hexadecimal.
pub(crate) fn sha256_of(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hash)?;
    Ok(hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

/// Makes sure that the folder's names outlast a power cut; where folders cannot be opened, that is left to the system.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
