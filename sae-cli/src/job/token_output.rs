//! Where `sae tokenize` puts its rows: a safetensors file, a folder of shards, or a Parquet file.

use super::outputs::{check_file, check_folder};
use crate::args::memory::Size;
use crate::error::UsageError;
use anyhow::{Context, Result, bail};
use dataset_stream::{
    TableError, TableMetadata, TokenFolderWriter, TokenParquetWriter, TokenTableWriter,
};
use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use whole_file::follow;

/// Of a shard, if nobody says; a few seconds' work, and few enough files for a billion tokens.
const SHARD_BYTES: u64 = 256 << 20;

/// `--out`, understood.
#[derive(Debug)]
pub(crate) struct TokenOutput {
    kind: Kind,
    /// Links followed, without a `/` at its end.
    pub(crate) path: PathBuf,
    shard_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
    Parquet,
}

impl TokenOutput {
    /// The output that `--out` asks for, if it can be written there.
    pub(crate) fn new(out: &Path, shard_size: Option<Size>, resume: bool) -> Result<Self> {
        // A `/` at the end would hide a link from those who follow it.
        let plain: PathBuf = out.components().collect();
        let path = follow(&plain);
        let kind = if out.to_string_lossy().ends_with(['/', MAIN_SEPARATOR]) {
            Kind::Folder
        } else {
            Kind::of(&path)
        };
        if let Some(ending) = foreign(&path).filter(|_| kind == Kind::File && !path.exists()) {
            bail!(UsageError(format!(
                "--out {}: rows are written as safetensors or Parquet, not as {ending}; end the name in .safetensors or .parquet",
                out.display()
            )));
        }
        if shard_size.is_some() && kind != Kind::Folder {
            bail!(UsageError(format!(
                "--shard-size: is the size of the files in a folder, and --out {} is one file; leave it out, or end the name in /",
                out.display()
            )));
        }
        if resume && kind == Kind::Parquet {
            bail!(UsageError(
                "--resume: a Parquet file cannot be gone on with; write a folder or a .safetensors file, or leave out --resume"
                    .to_owned()
            ));
        }
        if kind == Kind::Folder {
            check_folder("--out", &plain)?;
            TokenFolderWriter::check(&path)?;
        } else {
            check_file("--out", out)?;
        }
        Ok(Self {
            kind,
            path,
            shard_bytes: shard_size.map_or(SHARD_BYTES, |Size(n)| n),
        })
    }

    /// Begins, or resumes after `rows` rows of an earlier call.
    pub(crate) fn writer(
        &self,
        metadata: &TableMetadata,
        resume: bool,
        rows: u64,
    ) -> Result<TokenWriter> {
        let (path, shard) = (&self.path, self.shard_bytes);
        let rows = usize::try_from(rows).context("more rows than can be counted")?;
        let writer = match (self.kind, resume, rows) {
            (Kind::Parquet, ..) => {
                TokenParquetWriter::create(path, metadata).map(TokenWriter::Parquet)
            }
            (Kind::File, false, _) => {
                TokenTableWriter::create(path, metadata).map(TokenWriter::File)
            }
            (Kind::File, true, 0) => {
                TokenTableWriter::partial(path, metadata).map(TokenWriter::File)
            }
            (Kind::File, true, rows) => {
                TokenTableWriter::resume(path, metadata, rows).map(TokenWriter::File)
            }
            (Kind::Folder, false, _) => {
                TokenFolderWriter::create(path, metadata, shard).map(TokenWriter::Folder)
            }
            (Kind::Folder, true, 0) => {
                TokenFolderWriter::partial(path, metadata, shard).map(TokenWriter::Folder)
            }
            (Kind::Folder, true, rows) => {
                TokenFolderWriter::resume(path, metadata, shard, rows).map(TokenWriter::Folder)
            }
        };
        Ok(writer?)
    }
}

/// The ending of another format, which the file would not be of.
fn foreign(path: &Path) -> Option<&'static str> {
    const OTHERS: [&str; 14] = [
        "npy", "npz", "pt", "pth", "bin", "pkl", "arrow", "csv", "tsv", "json", "jsonl", "txt",
        "gz", "zst",
    ];
    let ending = path.extension()?;
    let mut others = OTHERS.into_iter();
    others.find(|other| ending.eq_ignore_ascii_case(other))
}

impl Kind {
    /// By the name, links followed.
    fn of(out: &Path) -> Self {
        let ending = |ending: &str| {
            out.extension()
                .is_some_and(|own| own.eq_ignore_ascii_case(ending))
        };
        // `check_file` says what is wrong with it.
        if out == Path::new("-") {
            return Self::File;
        }
        if ending("parquet") {
            Self::Parquet
        } else if ending("safetensors") || (out.exists() && !out.is_dir()) {
            Self::File
        } else if out.extension().is_none() || out.is_dir() {
            Self::Folder
        } else {
            Self::File
        }
    }
}

/// Rows on their way to one of the three.
pub(crate) enum TokenWriter {
    File(TokenTableWriter),
    Folder(TokenFolderWriter),
    Parquet(TokenParquetWriter),
}

impl TokenWriter {
    pub(crate) fn push(&mut self, row: &[u32]) -> Result<(), TableError> {
        match self {
            Self::File(writer) => writer.push(row),
            Self::Folder(writer) => writer.push(row),
            Self::Parquet(writer) => writer.push(row),
        }
    }

    /// Makes sure that the rows so far are on the disk.
    pub(crate) fn checkpoint(&mut self) -> Result<(), TableError> {
        match self {
            Self::File(writer) => writer.checkpoint().map(drop),
            Self::Folder(writer) => writer.checkpoint().map(drop),
            // Such a call has been refused.
            Self::Parquet(_) => Ok(()),
        }
    }

    pub(crate) fn finish(self) -> Result<usize, TableError> {
        match self {
            Self::File(writer) => writer.finish(),
            Self::Folder(writer) => writer.finish(),
            Self::Parquet(writer) => writer.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;
    use std::path::Path;

    #[test]
    fn the_name_says_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let of = |name: &str| Kind::of(&dir.path().join(name));
        assert_eq!(of("t.safetensors"), Kind::File);
        assert_eq!(of("t.st"), Kind::File);
        assert_eq!(of("t.PARQUET"), Kind::Parquet);
        assert_eq!(of("tokens"), Kind::Folder);
        std::fs::create_dir(dir.path().join("made.before")).unwrap();
        assert_eq!(of("made.before"), Kind::Folder);
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert_eq!(of("file"), Kind::File);
        assert_eq!(Kind::of(Path::new("-")), Kind::File);
    }
}
