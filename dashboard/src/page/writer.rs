//! Writes pages, a shard at a time.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use whole_file::{WholeFile, WholeFolder};

use super::document::{DataSource, page};
use super::pack::pack;
use super::{FEATURES_PER_SHARD, PageError, Vocabulary, compact, overview};
use crate::place::is_taken;
use crate::{Feature, Overview};

/// The form of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageForm {
    /// One HTML file with everything in it: for some hundred features, to send to someone.
    File,
    /// A folder with `index.html` and shards that are loaded when they are wanted: for any number of features.
    Folder,
}

/// Writes the page of an SAE.
///
/// Features come one at a time in ascending order; those of one shard are kept, whatever the number of all. The page has a temporary name
/// beside its own until it is [finished](Self::finish), and is removed when it is not.
#[derive(Debug)]
pub struct PageWriter<'v, V: ?Sized> {
    vocabulary: &'v V,
    place: Place,
    path: PathBuf,
    /// The features that are yet to come, the next one last.
    expected: Vec<u32>,
    n_shown: usize,
    n_shards: usize,
    features: Vec<Feature>,
}

#[derive(Debug)]
enum Place {
    File {
        out: BufWriter<WholeFile>,
        end: &'static str,
    },
    Folder(WholeFolder),
}

impl<'v, V: Vocabulary + ?Sized> PageWriter<'v, V> {
    /// Starts the page at `path` and writes its overview.
    ///
    /// # Errors
    /// When nothing can be written there; when a folder is wanted and there is something; when the overview's columns have not an entry
    /// per feature, or its `shown` is not ascending below `d_sae`.
    pub fn create(
        path: impl AsRef<Path>,
        form: PageForm,
        overview: &Overview,
        vocabulary: &'v V,
    ) -> Result<Self, PageError> {
        let path = path.as_ref().to_owned();
        let bytes = overview::encode(overview, vocabulary)?;
        let io = |source| write_error(&path, source);
        let place = match form {
            PageForm::File => {
                let mut out = BufWriter::with_capacity(1 << 18, WholeFile::create(&path)?);
                let packed = pack(&bytes).map_err(io)?;
                let (head, end) = page(DataSource::Embedded, &packed);
                out.write_all(head.as_bytes()).map_err(io)?;
                Place::File { out, end }
            }
            PageForm::Folder if is_taken(&path) => return Err(PageError::Exists { path }),
            PageForm::Folder => {
                let folder = WholeFolder::create(&path)?;
                std::fs::create_dir(folder.temporary().join("shards")).map_err(io)?;
                let packed = pack(&bytes).map_err(io)?;
                let (mut head, end) = page(DataSource::Folder, &packed);
                head.push_str(end);
                std::fs::write(folder.temporary().join("index.html"), head).map_err(io)?;
                Place::Folder(folder)
            }
        };
        Ok(Self {
            vocabulary,
            place,
            path,
            expected: overview.shown.iter().rev().copied().collect(),
            n_shown: overview.shown.len(),
            n_shards: 0,
            features: Vec::new(),
        })
    }

    /// Adds a feature: the next one that the overview shows.
    ///
    /// # Errors
    /// When it is not that one, when an example has not one activation per token, and when a shard cannot be written.
    pub fn push(&mut self, feature: Feature) -> Result<(), PageError> {
        if self.expected.last() != Some(&feature.index) {
            return Err(PageError::Order {
                found: feature.index,
                expected: self.expected.last().copied(),
            });
        }
        self.expected.pop();
        self.features.push(feature);
        if self.features.len() == FEATURES_PER_SHARD {
            self.write_shard()?;
        }
        Ok(())
    }

    /// Gives the page its name.
    ///
    /// # Errors
    /// When features are missing that the overview shows, and when the page cannot be written.
    pub fn finish(mut self) -> Result<(), PageError> {
        if !self.expected.is_empty() {
            return Err(PageError::Unfinished {
                given: self.n_shown - self.expected.len(),
                shown: self.n_shown,
            });
        }
        self.write_shard()?;
        let path = self.path;
        let io = |source| write_error(&path, source);
        match self.place {
            Place::File { mut out, end } => {
                out.write_all(end.as_bytes()).map_err(io)?;
                let whole = out.into_inner().map_err(|e| io(e.into_error()))?;
                Ok(whole.finish()?)
            }
            Place::Folder(folder) => Ok(folder.finish()?),
        }
    }

    fn write_shard(&mut self) -> Result<(), PageError> {
        if self.features.is_empty() {
            return Ok(());
        }
        let bytes = compact::encode(&self.features, self.vocabulary)?;
        let number = self.n_shards;
        self.features.clear();
        self.n_shards += 1;
        let mut write = || {
            let packed = pack(&bytes)?;
            match &mut self.place {
                Place::File { out, .. } => writeln!(
                    out,
                    "<script type=\"application/octet-stream\" id=\"shard-{number}\">{packed}</script>"
                ),
                Place::Folder(folder) => {
                    let name = folder.temporary().join(format!("shards/{number:05}.js"));
                    let mut file = File::create(name)?;
                    write!(file, "saeShard({number},\"{packed}\");")
                }
            }
        };
        write().map_err(|source| write_error(&self.path, source))
    }
}

fn write_error(path: &Path, source: std::io::Error) -> PageError {
    PageError::Write {
        path: path.to_owned(),
        source,
    }
}
