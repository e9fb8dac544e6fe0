//! `manifest.json`: what makes a folder a cache.

use crate::{CacheError, CacheSettings, Precision};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Its name.
pub(crate) const MANIFEST: &str = "manifest.json";
/// Distinguishes it from other programs' manifests.
pub(crate) const FORMAT: &str = "sae-activation-cache";
/// Of the format.
pub(crate) const VERSION: u32 = 1;
/// A hundred thousand shards take a third of this.
const MOST_BYTES: u64 = 64 << 20;

/// What a folder of cached activations holds. Written last: a folder that has one is complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// `sae-activation-cache`.
    pub format: String,
    /// Of the format: 1.
    pub version: u32,
    /// What the activations are of.
    pub settings: CacheSettings,
    /// Tokens of all shards.
    pub tokens: u64,
    /// Tokens of every shard but the last.
    pub tokens_per_shard: u64,
    /// What storing them has cost, hook by hook.
    pub precision: Vec<Precision>,
    /// The shards, in order.
    pub shards: Vec<ShardEntry>,
}

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ShardEntry {
    /// Its name.
    pub file: String,
    /// Its tokens.
    pub tokens: u64,
    /// Its size.
    pub bytes: u64,
    /// Of its content, in hexadecimal.
    pub sha256: String,
}

/// Enough of any manifest to tell whose it is.
#[derive(Deserialize)]
struct Whose {
    format: Option<String>,
    version: Option<u32>,
}

impl Manifest {
    pub(crate) fn new(settings: &CacheSettings) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            settings: settings.clone(),
            tokens: settings.tokens(),
            tokens_per_shard: (settings.rows_per_shard * settings.context_size) as u64,
            precision: Vec::new(),
            shards: Vec::new(),
        }
    }

    /// That of a folder; none if it has none.
    pub(crate) fn find(folder: &Path) -> Result<Option<Self>, CacheError> {
        let path = folder.join(MANIFEST);
        let wrong = |reason: String| CacheError::Manifest {
            path: path.clone(),
            reason,
        };
        let file = match fs::metadata(&path) {
            Ok(found) if found.is_file() => File::open(&path),
            Ok(_) => return Err(wrong("is not a file".to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => Err(error),
        };
        let mut text = Vec::new();
        let read = file.and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut text));
        read.map_err(CacheError::io("read", &path))?;
        if text.len() as u64 > MOST_BYTES {
            return Err(wrong(format!("is longer than {MOST_BYTES} bytes")));
        }
        let whose: Whose = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
        if whose.format.as_deref() != Some(FORMAT) {
            return Err(wrong(format!(
                "is not of cached activations (format {FORMAT:?})"
            )));
        }
        match whose.version {
            Some(VERSION) => {}
            Some(other) => {
                return Err(wrong(format!(
                    "is of version {other}, and this program reads version {VERSION}"
                )));
            }
            None => return Err(wrong("has no version".to_owned())),
        }
        let manifest: Self = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
        manifest.check().map_err(wrong)?;
        Ok(Some(manifest))
    }

    /// Whether what it says can be: names lead nowhere else, and the numbers add up.
    fn check(&self) -> Result<(), String> {
        let settings = &self.settings;
        settings.check()?;
        if self.tokens != settings.tokens() {
            return Err(format!(
                "says {} tokens, and {} rows of {} are {}",
                self.tokens,
                settings.rows,
                settings.context_size,
                settings.tokens()
            ));
        }
        if self.shards.len() != settings.n_shards() {
            return Err(format!(
                "lists {} shards, and {} rows make {}",
                self.shards.len(),
                settings.rows,
                settings.n_shards()
            ));
        }
        for (number, shard) in self.shards.iter().enumerate() {
            let (name, tokens) = (
                shard_name(number),
                settings.rows_of(number) * settings.context_size,
            );
            if shard.file != name || shard.tokens != tokens as u64 {
                return Err(format!(
                    "lists {:.80?} with {} tokens as shard {number}, expected {name:?} with {tokens}",
                    shard.file, shard.tokens
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn write(&self, folder: &Path) -> Result<(), CacheError> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        whole_file::write(&folder.join(MANIFEST), text.as_bytes())?;
        Ok(())
    }
}

/// The name of a shard by its number.
pub(crate) fn shard_name(number: usize) -> String {
    format!("activations-{number:05}.safetensors")
}

/// Whether a writer of caches makes files of that name.
pub(crate) fn is_own_file(name: &str) -> bool {
    let number = name
        .strip_prefix("activations-")
        .and_then(|rest| rest.strip_suffix(".safetensors"));
    name == MANIFEST
        || is_temporary(name)
        || number.is_some_and(|n| n.len() >= 5 && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether a file has not got its name yet, and will not get it if its writer was killed.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.starts_with(".sae-")
}

/// The SHA-256 of a file, in hexadecimal.
pub(crate) fn sha256_of(path: &Path) -> Result<String, CacheError> {
    let mut hash = Sha256::new();
    let hashed = File::open(path).and_then(|mut file| io::copy(&mut file, &mut hash));
    hashed.map_err(CacheError::io("read", path))?;
    Ok(hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}
