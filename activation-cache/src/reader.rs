//! A cache that is there.

use crate::manifest::sha256_of;
use crate::shard::Shard;
use crate::{CacheError, CacheSettings, Manifest};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A folder of cached activations, all shards mapped. The files must not be changed while it is open.
#[derive(Debug)]
pub struct ActivationCache {
    path: PathBuf,
    manifest: Manifest,
    shards: Vec<Shard>,
}

impl ActivationCache {
    /// Opens a folder, and makes sure that its shards are there, of the sizes and with the tensors that the manifest says.
    ///
    /// # Errors
    /// If it is not complete, or a file is not as it should be.
    pub fn open(path: &Path) -> Result<Self, CacheError> {
        if !path.is_dir() {
            return Err(CacheError::NoFolder(path.to_owned()));
        }
        let manifest =
            Manifest::find(path)?.ok_or_else(|| CacheError::NoManifest(path.to_owned()))?;
        let mut shards = Vec::with_capacity(manifest.shards.len());
        for (number, entry) in manifest.shards.iter().enumerate() {
            let path = path.join(&entry.file);
            let shard = Shard::open(&path, &manifest.settings, number)?;
            if shard.bytes() != entry.bytes {
                return Err(CacheError::shard(
                    &path,
                    format!(
                        "has {} bytes, and the manifest says {}",
                        shard.bytes(),
                        entry.bytes
                    ),
                ));
            }
            shards.push(shard);
        }
        Ok(Self {
            path: path.to_owned(),
            manifest,
            shards,
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What its activations are of.
    pub fn settings(&self) -> &CacheSettings {
        &self.manifest.settings
    }

    /// The token ids of a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn ids(&self, row: usize) -> Vec<u32> {
        let (p, per_shard) = (self.settings().context_size, self.settings().rows_per_shard);
        let first = row % per_shard * p;
        self.shards[row / per_shard].ids(first..first + p).collect()
    }

    /// Appends a range of one token's activations at a hook, as f32. Tokens are counted through all rows.
    ///
    /// # Panics
    /// If there is no such hook, token or range.
    pub fn read(&self, hook: usize, token: usize, range: Range<usize>, out: &mut Vec<f32>) {
        let settings = self.settings();
        let per_shard = settings.rows_per_shard * settings.context_size;
        assert!(range.end <= settings.hooks[hook].width, "beyond the hook");
        self.shards[token / per_shard].read(settings, hook, token % per_shard, range, out);
    }

    /// Compares each shard's bytes with its hash in the manifest, which takes reading all of them.
    ///
    /// # Errors
    /// If one differs or cannot be read.
    pub fn verify(&self) -> Result<(), CacheError> {
        for entry in &self.manifest.shards {
            let path = self.path.join(&entry.file);
            let found = sha256_of(&path)?;
            if !found.eq_ignore_ascii_case(&entry.sha256) {
                let expected = &entry.sha256;
                return Err(CacheError::shard(
                    &path,
                    format!("has the SHA-256 {found}, and the manifest says {expected:.80}"),
                ));
            }
        }
        Ok(())
    }
}
