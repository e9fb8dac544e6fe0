//! Writes a table into a folder of shards.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use whole_file::{WholeFolder, folder_of};

use super::TokenTableWriter;
use super::lock::lock_folder;
use super::writer::with_suffix;
use crate::token_files::{
    MANIFEST, Manifest, Shard, TableError, TableMetadata, is_own_file, sha256_of, shard_name,
    sync_folder,
};

/// Writes a [`TokenTable`](super::TokenTable) as a folder of shards, row by row: `tokens-00000.safetensors` and so on, and
/// `manifest.json`, which lists them with their hashes.
///
/// The folder is put together under another name beside its place, as [`TokenTableWriter`] does with a file, and takes its
/// own when the writer is [finished](Self::finish). A token folder of that name is replaced then; any other folder with
/// something in it is an error from the start.
#[derive(Debug)]
pub struct TokenFolderWriter {
    path: PathBuf,
    work: Work,
    manifest: Manifest,
    /// The shard that is being filled, and its rows so far.
    shard: Option<(TokenTableWriter, usize)>,
}

/// The folder while it is not finished.
#[derive(Debug)]
enum Work {
    /// Removed when it is dropped.
    Temporary(WholeFolder),
    /// Left; locked while it is written.
    Partial(
        PathBuf,
        #[expect(dead_code, reason = "held for its lock")] Option<fs::File>,
    ),
}

impl Work {
    fn folder(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.temporary(),
            Self::Partial(folder, _) => folder,
        }
    }
}

impl TokenFolderWriter {
    /// Starts a folder of rows of `metadata.context_size`, whose shards have about `shard_bytes`, and at least one row.
    ///
    /// # Errors
    /// When no folder can be made beside `path`, when there is something else in a folder of that name, and when the
    /// context size is 0.
    pub fn create(
        path: impl AsRef<Path>,
        metadata: &TableMetadata,
        shard_bytes: u64,
    ) -> Result<Self, TableError> {
        let path = path.as_ref();
        Self::check(path)?;
        let folder = WholeFolder::create(path)?;
        Self::start(path, metadata, shard_bytes, Work::Temporary(folder))
    }

    /// As [`create`](Self::create), in a folder that stays if the work is interrupted: that of `path` with `.part` added.
    ///
    /// # Errors
    /// As [`create`](Self::create), and when there is something else in the partial folder, or another process is writing it.
    pub fn partial(
        path: impl AsRef<Path>,
        metadata: &TableMetadata,
        shard_bytes: u64,
    ) -> Result<Self, TableError> {
        let path = path.as_ref();
        Self::check(path)?;
        let partial = with_suffix(path, ".part");
        fs::create_dir_all(&partial).map_err(|source| write_error(&partial, source))?;
        let lock = lock_folder(&partial)?;
        for file in own_files(&partial)? {
            fs::remove_file(&file).map_err(|source| write_error(&file, source))?;
        }
        Self::start(path, metadata, shard_bytes, Work::Partial(partial, lock))
    }

    /// Resumes a [partial](Self::partial) folder after its first `rows` rows; rows written after them are removed.
    ///
    /// # Errors
    /// When there is no partial folder of at least this many rows, begun with the same metadata and size of shards.
    pub fn resume(
        path: impl AsRef<Path>,
        metadata: &TableMetadata,
        shard_bytes: u64,
        rows: usize,
    ) -> Result<Self, TableError> {
        let path = path.as_ref();
        Self::check(path)?;
        let folder = with_suffix(path, ".part");
        let not_begun = || TableError::NotBegun {
            path: folder.clone(),
            rows,
        };
        let begun = Manifest::new(metadata, rows_per_shard(metadata, shard_bytes)?);
        let lock = lock_folder(&folder)?;
        let mut manifest = Manifest::find(&folder)?.ok_or_else(not_begun)?;
        let (full, rest) = (rows / begun.rows_per_shard, rows % begun.rows_per_shard);
        if manifest.sae_lens != begun.sae_lens
            || manifest.rows_per_shard != begun.rows_per_shard
            || manifest.shards.len() < full
        {
            return Err(not_begun());
        }
        manifest.shards.truncate(full);
        manifest.rows = full * begun.rows_per_shard;
        manifest.complete = false;
        for shard in &manifest.shards {
            let found = fs::metadata(folder.join(&shard.file));
            if shard.rows != begun.rows_per_shard
                || !found.is_ok_and(|found| found.len() == shard.bytes)
            {
                return Err(not_begun());
            }
        }
        // From here on the folder is changed; whenever that is interrupted, it can be done again.
        let current = folder.join(shard_name(full));
        let partial = with_suffix(&current, ".part");
        if rest > 0 && !partial.exists() {
            fs::rename(&current, &partial).map_err(|_| not_begun())?;
        }
        let keep = |file: &Path| {
            let listed = manifest.shards.iter().any(|s| file == folder.join(&s.file));
            listed || file == folder.join(MANIFEST) || (rest > 0 && file == partial)
        };
        for file in own_files(&folder)?.iter().filter(|file| !keep(file)) {
            fs::remove_file(file).map_err(|source| write_error(file, source))?;
        }
        manifest.write(&folder)?;
        let shard = match rest {
            0 => None,
            rest => Some((TokenTableWriter::resume(&current, metadata, rest)?, rest)),
        };
        Ok(Self {
            path: path.to_owned(),
            work: Work::Partial(folder, lock),
            manifest,
            shard,
        })
    }

    /// Makes sure that a token folder could be put there: that there is nothing, an empty folder, or a token folder, which
    /// would be replaced.
    ///
    /// # Errors
    /// When there is something else.
    pub fn check(path: impl AsRef<Path>) -> Result<(), TableError> {
        own_files(path.as_ref()).map(drop)
    }

    fn start(
        path: &Path,
        metadata: &TableMetadata,
        shard_bytes: u64,
        work: Work,
    ) -> Result<Self, TableError> {
        let manifest = Manifest::new(metadata, rows_per_shard(metadata, shard_bytes)?);
        manifest.write(work.folder())?;
        Ok(Self {
            path: path.to_owned(),
            work,
            manifest,
            shard: None,
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the row has another length than the table's, and when it cannot be written.
    pub fn push(&mut self, row: &[u32]) -> Result<(), TableError> {
        let (mut writer, rows) = match self.shard.take() {
            Some(shard) => shard,
            None => (self.next_shard()?, 0),
        };
        let pushed = writer.push(row);
        let rows = rows + usize::from(pushed.is_ok());
        self.shard = Some((writer, rows));
        pushed?;
        if rows == self.manifest.rows_per_shard {
            self.finish_shard()?;
        }
        Ok(())
    }

    /// Makes sure that the rows so far are on the disk, and returns their number: a caller that saves it can
    /// [resume](Self::resume) from it.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn checkpoint(&mut self) -> Result<usize, TableError> {
        let rows = match &mut self.shard {
            Some((writer, _)) => writer.checkpoint()?,
            None => 0,
        };
        Ok(self.manifest.rows + rows)
    }

    /// Completes the folder and gives it its name; returns the number of rows.
    ///
    /// # Errors
    /// When the rest cannot be written or the folder cannot be renamed; an earlier folder is still in place.
    pub fn finish(mut self) -> Result<usize, TableError> {
        if self.shard.is_some() {
            self.finish_shard()?;
        }
        self.manifest.complete = true;
        self.manifest.write(self.work.folder())?;
        match self.work {
            Work::Temporary(folder) => replace(&self.path, || Ok(folder.finish()?)),
            Work::Partial(folder, _) => replace(&self.path, || {
                fs::rename(folder, &self.path).map_err(|source| write_error(&self.path, source))
            }),
        }?;
        Ok(self.manifest.rows)
    }

    fn next_shard(&self) -> Result<TokenTableWriter, TableError> {
        let name = shard_name(self.manifest.shards.len());
        TokenTableWriter::partial(self.work.folder().join(name), &self.manifest.sae_lens)
    }

    fn finish_shard(&mut self) -> Result<(), TableError> {
        let Some((writer, _)) = self.shard.take() else {
            return Ok(());
        };
        let file = shard_name(self.manifest.shards.len());
        let path = self.work.folder().join(&file);
        let rows = writer.finish()?;
        let look = || {
            sync_folder(self.work.folder())?;
            Ok((fs::metadata(&path)?.len(), sha256_of(&path)?))
        };
        let (bytes, sha256) = look().map_err(|source| write_error(&path, source))?;
        self.manifest.rows += rows;
        self.manifest.shards.push(Shard {
            file,
            rows,
            bytes,
            sha256,
        });
        self.manifest.write(self.work.folder())
    }
}

fn rows_per_shard(metadata: &TableMetadata, shard_bytes: u64) -> Result<usize, TableError> {
    if metadata.context_size == 0 {
        return Err(TableError::NotRows {
            found: 0,
            context_size: 0,
        });
    }
    let row = 4 * metadata.context_size as u64;
    Ok(usize::try_from(shard_bytes / row)
        .unwrap_or(usize::MAX)
        .max(1))
}

/// The files in a folder that is ours to empty, or that is not there.
fn own_files(folder: &Path) -> Result<Vec<PathBuf>, TableError> {
    let read = |source| TableError::Io {
        doing: "read",
        path: folder.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(read(error)),
    };
    let (mut files, mut names) = (Vec::new(), Vec::new());
    for entry in entries {
        let entry = entry.map_err(read)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !is_own_file(&name) || entry.file_type().map_err(read)?.is_dir() {
            return Err(TableError::Occupied {
                path: folder.to_owned(),
                name,
            });
        }
        names.push(name);
        files.push(entry.path());
    }
    // Shards alone, or somebody else's manifest, may be anybody's. The first manifest of a folder may not have got its name.
    let stray = names
        .iter()
        .find(|name| **name != format!("{MANIFEST}.part"));
    if let Some(name) = stray
        && Manifest::find(folder)?.is_none()
    {
        let (path, name) = (folder.to_owned(), name.clone());
        return Err(TableError::Occupied { path, name });
    }
    // The manifest last: if removing them is interrupted, it can begin again.
    files.sort_by_key(|file| file.ends_with(MANIFEST));
    Ok(files)
}

/// Gives a folder its name by `rename`. A token folder that has it steps aside, and goes once the new one is in its place.
fn replace(path: &Path, rename: impl FnOnce() -> Result<(), TableError>) -> Result<(), TableError> {
    let io = |source| write_error(path, source);
    // Of an earlier call that ended between the two.
    let old = with_hidden_name(path, ".old");
    remove_own(&old)?;
    let aside = fs::rename(path, &old);
    match aside {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    if let Err(error) = rename() {
        if aside.is_ok() {
            // As it was; where that fails as well, the older folder is under its other name.
            let _ = fs::rename(&old, path);
        }
        return Err(error);
    }
    sync_folder(folder_of(path)).map_err(io)?;
    remove_own(&old)
}

fn remove_own(folder: &Path) -> Result<(), TableError> {
    for file in own_files(folder)? {
        fs::remove_file(&file).map_err(|source| write_error(&file, source))?;
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(write_error(folder, error)),
        _ => Ok(()),
    }
}

fn with_hidden_name(path: &Path, suffix: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(suffix);
    path.with_file_name(name)
}

fn write_error(path: &Path, source: io::Error) -> TableError {
    TableError::Io {
        doing: "write",
        path: path.to_owned(),
        source,
    }
}
