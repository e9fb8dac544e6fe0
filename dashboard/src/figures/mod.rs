//! What dashboards that were written say of features in numbers.

mod page;
mod table;

use crate::page::ContentsError;
use parquet::errors::ParquetError;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A feature in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct FeatureNumbers {
    /// The share of the tokens on which it fires.
    pub density: f64,
    /// Its largest activation; 0 where it never fires.
    pub max: f32,
    /// The mean of its activations above zero; 0 where it never fires.
    pub mean: f64,
}

impl FeatureNumbers {
    /// The mean over all tokens, those included on which it does not fire.
    pub fn mean_of_all(&self) -> f64 {
        self.density * self.mean
    }
}

/// The features of a dashboard in numbers.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Figures {
    /// Width of the dictionary, where that is said.
    pub d_sae: Option<u32>,
    /// Where the SAE reads, where that is said.
    pub hook_name: Option<String>,
    /// By feature; a table may have some of them only.
    pub features: HashMap<u32, FeatureNumbers>,
}

/// Figures that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FiguresError {
    /// A folder without dashboards.
    #[error("{} has neither index.html nor features.parquet; expected a folder or a file that sae dashboard wrote", .0.display())]
    Neither(PathBuf),
    /// A page that is none, or is damaged.
    #[error(transparent)]
    Page(#[from] ContentsError),
    /// The table cannot be opened.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The table is no Parquet, or is damaged.
    #[error("{}: cannot be read as Parquet: {source}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: ParquetError,
    },
    /// The table is another one.
    #[error("{}: is no table of features: {problem}; expected the features.parquet of sae dashboard --format parquet", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// How that shows.
        problem: String,
    },
}

impl Figures {
    /// Reads them from a page (`index.html`, or the one file) or a table (`features.parquet`), or from the folder of either.
    ///
    /// # Errors
    /// If there is no such thing, or it is damaged.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, FiguresError> {
        let path = path.as_ref();
        if !path.is_dir() {
            let is_table = path.extension().is_some_and(|e| e == "parquet");
            return if is_table {
                table::read(path)
            } else {
                page::read(path)
            };
        }
        let (table, page) = (path.join("features.parquet"), path.join("index.html"));
        if table.is_file() {
            table::read(&table)
        } else if page.is_file() {
            page::read(&page)
        } else {
            Err(FiguresError::Neither(path.to_owned()))
        }
    }
}
