//! A cache under way.

use crate::dtype::Sums;
use crate::manifest::{MANIFEST, is_own_file, is_temporary, sha256_of, shard_name};
use crate::settings::{IDS, SCALE};
use crate::shard::{About, ENTRY, Shard};
use crate::space::free_bytes;
use crate::{CacheError, CacheSettings, Manifest, ShardEntry};
use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::ops::Range;
use std::path::{Path, PathBuf};
use whole_file::{Dtype, TensorBatch, TensorFile};

/// Writes a cache shard by shard, each whole or not at all, and the manifest last. Shards that an earlier call with the same settings has
/// written are kept.
#[derive(Debug)]
pub struct CacheWriter {
    path: PathBuf,
    settings: CacheSettings,
    /// What is known of each shard; none of those that are still to be written.
    done: Vec<Option<Done>>,
    open: Option<Open>,
    /// Whether this call has made the folder.
    made: bool,
    _lock: Option<File>,
}

#[derive(Debug)]
struct Done {
    sums: Vec<Sums>,
    /// Of a shard that this call has written.
    sha256: Option<String>,
}

/// A shard under way.
#[derive(Debug)]
struct Open {
    number: usize,
    rows: usize,
    file: TensorFile,
    sums: Vec<Sums>,
}

impl CacheWriter {
    /// Begins a folder, or goes on with one: looks which shards are there. The folder is held by this writer alone.
    ///
    /// # Errors
    /// If the settings cannot be, the folder holds something else or shards of other settings, or another process writes there.
    pub fn open(path: &Path, settings: &CacheSettings) -> Result<Self, CacheError> {
        settings.checked()?;
        let made = !path.exists();
        fs::create_dir_all(path).map_err(CacheError::io("made", path))?;
        let lock = lock(path)?;
        let mut writer = Self {
            path: path.to_owned(),
            settings: settings.clone(),
            done: Vec::new(),
            open: None,
            made,
            _lock: lock,
        };
        let temporary = own_files(path)?;
        if let Some(manifest) = Manifest::find(path)? {
            writer.compare(&manifest.settings)?;
        }
        for number in 0..settings.n_shards() {
            let shard = writer.kept(number)?;
            writer.done.push(shard);
        }
        // Of a call that was killed: nobody else writes there.
        for file in temporary {
            fs::remove_file(&file).map_err(CacheError::io("removed", &file))?;
        }
        Ok(writer)
    }

    /// A shard of an earlier call; none if it is not there or not whole.
    fn kept(&self, number: usize) -> Result<Option<Done>, CacheError> {
        let path = self.path.join(shard_name(number));
        if !path.exists() {
            return Ok(None);
        }
        match Shard::open(&path, &self.settings, number) {
            Ok(shard) => Ok(Some(Done {
                sums: shard.sums,
                sha256: None,
            })),
            Err(CacheError::OtherSettings { difference, .. }) => Err(CacheError::OtherSettings {
                path: self.path.clone(),
                difference,
            }),
            Err(CacheError::Shard { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    fn compare(&self, there: &CacheSettings) -> Result<(), CacheError> {
        match self.settings.difference(there) {
            None => Ok(()),
            Some(difference) => Err(CacheError::OtherSettings {
                path: self.path.clone(),
                difference,
            }),
        }
    }

    /// What the cache is of.
    pub fn settings(&self) -> &CacheSettings {
        &self.settings
    }

    /// Rows that are there already.
    pub fn rows_done(&self) -> usize {
        let done = self
            .done
            .iter()
            .enumerate()
            .filter(|(_, done)| done.is_some());
        let rows = done
            .map(|(number, _)| self.settings.rows_of(number))
            .sum::<usize>();
        rows + self.open.as_ref().map_or(0, |open| open.rows)
    }

    /// Bytes that are still to be written.
    pub fn bytes_to_write(&self) -> u64 {
        let rows = (self.settings.rows - self.rows_done()) as u64;
        rows * self.settings.context_size as u64 * self.settings.bytes_per_token()
    }

    /// Makes sure that the disk has room for the rest, where that can be known.
    ///
    /// # Errors
    /// If it has not.
    pub fn check_space(&self) -> Result<(), CacheError> {
        let needed = self.bytes_to_write();
        match free_bytes(&self.path) {
            Some(free) if free < needed => Err(CacheError::NoSpace {
                path: self.path.clone(),
                needed,
                free,
            }),
            _ => Ok(()),
        }
    }

    /// The rows that come next, as far as they go into one shard; none if all are there.
    pub fn next_rows(&self) -> Option<Range<usize>> {
        let (number, written) = match &self.open {
            Some(open) => (open.number, open.rows),
            None => (self.done.iter().position(Option::is_none)?, 0),
        };
        let start = number * self.settings.rows_per_shard;
        Some(start + written..start + self.settings.rows_of(number))
    }

    /// Adds the [next rows](Self::next_rows), or some of them: their ids, and the activations of each token at all hooks, one after the
    /// other.
    ///
    /// # Errors
    /// If they are not whole rows, are more than go into the shard, hold a number that cannot be stored, or cannot be written.
    pub fn push(&mut self, ids: &[u32], activations: &[f32]) -> Result<(), CacheError> {
        let wanted = self.next_rows().unwrap_or(0..0);
        let (p, width) = (self.settings.context_size, self.settings.width());
        let rows = ids.len() / p;
        if !ids.len().is_multiple_of(p)
            || activations.len() != ids.len() * width
            || rows > wanted.len()
        {
            return Err(CacheError::Rows(format!(
                "{} ids and {} numbers are not up to {} rows of {p} tokens of {width}",
                ids.len(),
                activations.len(),
                wanted.len()
            )));
        }
        if rows == 0 {
            return Ok(());
        }
        if self.open.is_none() {
            self.begin(wanted.start / self.settings.rows_per_shard)?;
        }
        self.encode(wanted.start, ids, activations)?;
        if rows == wanted.len() {
            self.end()?;
        }
        Ok(())
    }

    fn begin(&mut self, number: usize) -> Result<(), CacheError> {
        // What it says is no longer so.
        let manifest = self.path.join(MANIFEST);
        if manifest.exists() {
            fs::remove_file(&manifest).map_err(CacheError::io("removed", &manifest))?;
        }
        let tokens = self.settings.rows_of(number) * self.settings.context_size;
        let file = TensorFile::new(&self.path.join(shard_name(number)), tokens);
        let hooks = self.settings.hooks.len();
        self.open = Some(Open {
            number,
            rows: 0,
            file: file.with_metadata(self.about(number, vec![Sums::NOT_YET; hooks])),
            sums: vec![Sums::default(); hooks],
        });
        Ok(())
    }

    fn about(&self, number: usize, sums: Vec<Sums>) -> HashMap<String, String> {
        let about = About::new(&self.settings, number, sums);
        let text = serde_json::to_string(&about).unwrap_or_default();
        HashMap::from([(ENTRY.to_owned(), text)])
    }

    fn encode(&mut self, row: usize, ids: &[u32], activations: &[f32]) -> Result<(), CacheError> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let (settings, tokens) = (&self.settings, ids.len());
        let (dtype, all) = (settings.dtype, settings.width());
        let ids: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        let (mut parts, mut start) = (Vec::new(), 0);
        for (hook, sums) in settings.hooks.iter().zip(&mut open.sums) {
            let mut values = Vec::with_capacity(tokens * hook.width * dtype.size());
            let mut scales = Vec::new();
            for (token, x) in activations.chunks_exact(all).enumerate() {
                let x = &x[start..start + hook.width];
                let added = dtype.encode(x, &mut values, &mut scales);
                sums.add(added.map_err(|value| CacheError::NotFinite {
                    row: row + token / settings.context_size,
                    position: token % settings.context_size,
                    hook: hook.name.clone(),
                    dtype,
                    value,
                })?);
            }
            start += hook.width;
            let shape = vec![tokens, hook.width];
            parts.push((hook.name.clone(), dtype.stored(), shape, values));
            if dtype.has_scale() {
                let name = format!("{}{SCALE}", hook.name);
                parts.push((name, Dtype::F32, vec![tokens], scales));
            }
        }
        parts.push((IDS.to_owned(), Dtype::U32, vec![tokens], ids));
        let batch: Vec<_> = parts
            .iter()
            .map(|(name, dtype, shape, bytes)| TensorBatch::new(name, *dtype, shape, bytes))
            .collect();
        open.file.push(&batch)?;
        open.rows += tokens / settings.context_size;
        Ok(())
    }

    /// Gives the shard its name.
    fn end(&mut self) -> Result<(), CacheError> {
        let Some(Open {
            number,
            mut file,
            sums,
            ..
        }) = self.open.take()
        else {
            return Ok(());
        };
        file.replace_metadata(self.about(number, sums.clone()))?;
        file.sync()?;
        file.finish()?;
        let sha256 = Some(sha256_of(&self.path.join(shard_name(number)))?);
        self.done[number] = Some(Done { sums, sha256 });
        Ok(())
    }

    /// Writes the manifest.
    ///
    /// # Errors
    /// If rows are missing, or it cannot be written.
    pub fn finish(mut self) -> Result<Manifest, CacheError> {
        let settings = &self.settings;
        if let Some(rows) = self.next_rows() {
            return Err(CacheError::Rows(format!("row {} is missing", rows.start)));
        }
        let mut manifest = Manifest::new(settings);
        let mut all = vec![Sums::default(); settings.hooks.len()];
        for (number, done) in std::mem::take(&mut self.done).into_iter().enumerate() {
            let Done { sums, sha256 } = done.unwrap_or(Done {
                sums: Vec::new(),
                sha256: None,
            });
            for (all, sums) in all.iter_mut().zip(sums) {
                all.add(sums);
            }
            let file = shard_name(number);
            let path = self.path.join(&file);
            let found = fs::metadata(&path).map_err(CacheError::io("read", &path))?;
            manifest.shards.push(ShardEntry {
                file,
                tokens: (settings.rows_of(number) * settings.context_size) as u64,
                bytes: found.len(),
                sha256: sha256.map_or_else(|| sha256_of(&path), Ok)?,
            });
        }
        for (hook, sums) in settings.hooks.iter().zip(all) {
            let values = settings.tokens() * hook.width as u64;
            manifest.precision.push(sums.precision(&hook.name, values));
        }
        manifest.write(&self.path)?;
        Ok(manifest)
    }
}

impl Drop for CacheWriter {
    /// Leaves no empty folder behind.
    fn drop(&mut self) {
        self.open = None;
        if self.made {
            // Refused unless it is empty.
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// Locks a folder as long as the file that is returned is open. Where folders cannot be opened, or have no locks, there is none.
fn lock(path: &Path) -> Result<Option<File>, CacheError> {
    let Ok(folder) = File::open(path) else {
        return Ok(None);
    };
    match folder.try_lock() {
        Err(TryLockError::WouldBlock) => Err(CacheError::AtWork(path.to_owned())),
        _ => Ok(Some(folder)),
    }
}

/// Makes sure that a folder holds nothing but a cache, and lists files that have not got their names.
fn own_files(path: &Path) -> Result<Vec<PathBuf>, CacheError> {
    let mut temporary = Vec::new();
    for entry in fs::read_dir(path).map_err(CacheError::io("read", path))? {
        let entry = entry.map_err(CacheError::io("read", path))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !is_own_file(&name) || entry.path().is_dir() {
            let path = path.to_owned();
            return Err(CacheError::Occupied { path, name });
        }
        if is_temporary(&name) {
            temporary.push(entry.path());
        }
    }
    Ok(temporary)
}

#[cfg(test)]
mod tests;
