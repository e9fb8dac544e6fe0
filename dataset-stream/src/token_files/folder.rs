//! A table in a folder of shards, each mapped.

use std::path::{Path, PathBuf};

use super::manifest::{Manifest, Shard, sha256_of};
use super::mapped::Mapped;
use super::{TableError, TableMetadata};

/// The shards of a token folder.
#[derive(Debug)]
pub(crate) struct Folder {
    shards: Vec<Mapped>,
    paths: Vec<PathBuf>,
    listed: Vec<Shard>,
    rows_per_shard: usize,
    pub(crate) rows: usize,
    pub(crate) context_size: usize,
    pub(crate) metadata: Option<TableMetadata>,
}

impl Folder {
    /// Maps every shard, and makes sure that they are what the manifest says.
    pub(crate) fn open(folder: &Path) -> Result<Self, TableError> {
        let (manifest, paths) = listed(folder)?.ok_or_else(|| TableError::NoManifest {
            path: folder.to_owned(),
        })?;
        let mut shards = Vec::with_capacity(paths.len());
        for (shard, path) in manifest.shards.iter().zip(&paths) {
            let mapped = Mapped::open(path, None)?;
            let found = (mapped.rows, mapped.context_size);
            let expected = (shard.rows, manifest.context_size);
            if found != expected {
                return Err(TableError::Shard {
                    path: path.clone(),
                    what: format!(
                        "has {} rows of {} ids, and the manifest says {} rows of {}",
                        found.0, found.1, expected.0, expected.1
                    ),
                });
            }
            shards.push(mapped);
        }
        Ok(Self {
            shards,
            paths,
            rows_per_shard: manifest.rows_per_shard,
            rows: manifest.rows,
            context_size: manifest.context_size,
            metadata: Some(manifest.sae_lens),
            listed: manifest.shards,
        })
    }

    /// Appends row `row`, which must be one of the table's.
    pub(crate) fn read_row(&self, row: usize, out: &mut Vec<u32>) -> Result<(), TableError> {
        // All shards but the last are full.
        let (shard, row) = (row / self.rows_per_shard, row % self.rows_per_shard);
        self.shards[shard].read_row(row, out)
    }

    /// Compares each shard's bytes with its hash in the manifest.
    pub(crate) fn verify(&self) -> Result<(), TableError> {
        for (shard, path) in self.listed.iter().zip(&self.paths) {
            let found = sha256_of(path).map_err(|source| TableError::Io {
                doing: "read",
                path: path.clone(),
                source,
            })?;
            if !found.eq_ignore_ascii_case(&shard.sha256) {
                let expected = &shard.sha256;
                return Err(TableError::Shard {
                    path: path.clone(),
                    what: format!("has the SHA-256 {found}, and the manifest says {expected:.80}"),
                });
            }
        }
        Ok(())
    }
}

/// The shards of a token folder, in order; each exists and has the right size. `None` if it is no token folder.
pub(crate) fn shard_files(folder: &Path) -> Result<Option<Vec<PathBuf>>, TableError> {
    Ok(listed(folder)?.map(|(_, paths)| paths))
}

fn listed(folder: &Path) -> Result<Option<(Manifest, Vec<PathBuf>)>, TableError> {
    let Some(manifest) = Manifest::find(folder)? else {
        return Ok(None);
    };
    if !manifest.complete {
        return Err(TableError::Incomplete {
            path: folder.to_owned(),
        });
    }
    let mut paths = Vec::with_capacity(manifest.shards.len());
    for shard in &manifest.shards {
        let path = folder.join(&shard.file);
        let wrong = |what: String| TableError::Shard {
            path: path.clone(),
            what,
        };
        let found = std::fs::metadata(&path)
            .map_err(|e| wrong(format!("is in the manifest and cannot be read ({e})")))?;
        if found.len() != shard.bytes {
            return Err(wrong(format!(
                "has {} bytes, and the manifest says {}",
                found.len(),
                shard.bytes
            )));
        }
        paths.push(path);
    }
    Ok(Some((manifest, paths)))
}
