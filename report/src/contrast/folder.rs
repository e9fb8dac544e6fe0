//! The folder of a contrast.

use super::{ContrastReport, contrast_csv, contrast_page, contrast_parquet};
use serde::Serialize;
use std::path::{Path, PathBuf};
use whole_file::WriteError;

/// A contrast that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContrastFolderError {
    /// The folder cannot be made.
    #[error("{}: the folder cannot be made ({source}); is there a file of that name, or may you not write here?", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The table cannot become Parquet.
    #[error("contrast.parquet cannot be written: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The result cannot be put down as JSON.
    #[error("contrast.json cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// The names of the files.
pub(super) const NAMES: [&str; 4] = [
    "contrast.csv",
    "contrast.parquet",
    "contrast.json",
    "index.html",
];

/// The folder, made before the work. Dropped before anything is [written](Self::write), it goes again if it was not there.
#[derive(Debug)]
pub struct ContrastFolder {
    path: PathBuf,
    /// The folders that were not there, the innermost first.
    made: Vec<PathBuf>,
}

impl ContrastFolder {
    /// Makes the folder, and sees whether everything can be written.
    ///
    /// # Errors
    /// If something cannot.
    pub fn make(path: &Path) -> Result<Self, ContrastFolderError> {
        let is_new = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let made = path.ancestors().take_while(is_new).map(Path::to_owned);
        let folder = Self {
            path: path.to_owned(),
            made: made.collect(),
        };
        std::fs::create_dir_all(path).map_err(|source| ContrastFolderError::Folder {
            path: path.to_owned(),
            source,
        })?;
        for file in folder.files() {
            whole_file::check(&file)?;
        }
        Ok(folder)
    }

    /// Every file that [`write`](Self::write) writes.
    pub fn files(&self) -> Vec<PathBuf> {
        NAMES.map(|name| self.path.join(name)).into()
    }

    /// Writes them all; none gets its name before all are complete. `json` is what `contrast.json` says: the report, and what belongs to the call.
    ///
    /// # Errors
    /// If one cannot be written; then none is.
    pub fn write(
        mut self,
        report: &ContrastReport,
        json: &impl Serialize,
        warnings: &[String],
    ) -> Result<(), ContrastFolderError> {
        let json = serde_json::to_string_pretty(json)? + "\n";
        let contents = [
            contrast_csv(report).into_bytes(),
            contrast_parquet(report)?,
            json.into_bytes(),
            contrast_page(report, warnings).into_bytes(),
        ];
        let files: Vec<_> = self.files().into_iter().zip(contents).collect();
        whole_file::write_all(&files)?;
        self.made.clear();
        Ok(())
    }
}

impl Drop for ContrastFolder {
    fn drop(&mut self) {
        for folder in &self.made {
            // Fails, rightly, if something is in it.
            let _ = std::fs::remove_dir(folder);
        }
    }
}
