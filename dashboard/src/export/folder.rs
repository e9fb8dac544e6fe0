//! The part that the writers share: a folder that appears when it is complete, and features that come in order.

use std::path::{Path, PathBuf};

use whole_file::WholeFolder;

use super::ExportError;
use crate::place::is_taken;
use crate::{Feature, Overview};

/// A folder under a temporary name, and the features that are still to come.
#[derive(Debug)]
pub(super) struct Output {
    folder: WholeFolder,
    path: PathBuf,
    /// The next one last.
    expected: Vec<u32>,
    n_shown: usize,
    /// A feature is being written, or could not be.
    is_torn: bool,
}

impl Output {
    pub(super) fn create(path: &Path, overview: &Overview) -> Result<Self, ExportError> {
        let (shown, d_sae) = (&overview.shown, overview.d_sae);
        let misplaced = |&(at, &index): &(usize, &u32)| {
            index >= d_sae
                || at
                    .checked_sub(1)
                    .is_some_and(|before| shown[before] >= index)
        };
        if let Some((at, &index)) = shown.iter().enumerate().find(misplaced) {
            return Err(ExportError::Shown { index, at, d_sae });
        }
        if is_taken(path) {
            return Err(ExportError::Exists {
                path: path.to_owned(),
            });
        }
        let folder = WholeFolder::create(path)?;
        Ok(Self {
            folder,
            path: path.to_owned(),
            expected: shown.iter().rev().copied().collect(),
            n_shown: shown.len(),
            is_torn: false,
        })
    }

    /// Where something in it is while it has its temporary name.
    pub(super) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.temporary().join(name)
    }

    /// Begins the next feature: the one that the overview shows, with examples that fit together.
    pub(super) fn begin(&mut self, feature: &Feature) -> Result<(), ExportError> {
        if self.is_torn {
            return Err(self.unfinished());
        }
        if self.expected.last() != Some(&feature.index) {
            return Err(ExportError::Order {
                found: feature.index,
                expected: self.expected.last().copied(),
            });
        }
        for example in feature.groups.iter().flat_map(|group| &group.examples) {
            let (tokens, values) = (example.tokens.len(), example.values.len());
            let target = example.position.checked_sub(example.start);
            if tokens != values || target.is_none_or(|target| target as usize >= tokens) {
                return Err(ExportError::Example {
                    index: feature.index,
                    context: example.context,
                    position: example.position,
                    start: example.start,
                    tokens,
                    values,
                });
            }
        }
        self.is_torn = true;
        Ok(())
    }

    /// The feature that was begun has been written.
    pub(super) fn end(&mut self) {
        self.expected.pop();
        self.is_torn = false;
    }

    pub(super) fn n_shown(&self) -> usize {
        self.n_shown
    }

    /// An error about the export from one about a file in it.
    pub(super) fn failed(&self, source: impl Into<std::io::Error>) -> ExportError {
        write_error(&self.path, source.into())
    }

    /// Whether every feature has been given; a writer asks before it completes its files.
    pub(super) fn check_complete(&self) -> Result<(), ExportError> {
        if self.expected.is_empty() {
            return Ok(());
        }
        Err(self.unfinished())
    }

    fn unfinished(&self) -> ExportError {
        ExportError::Unfinished {
            given: self.n_shown - self.expected.len(),
            shown: self.n_shown,
        }
    }

    pub(super) fn finish(self) -> Result<(), ExportError> {
        self.check_complete()?;
        Ok(self.folder.finish()?)
    }
}

pub(super) fn write_error(path: &Path, source: std::io::Error) -> ExportError {
    ExportError::Write {
        path: path.to_owned(),
        source,
    }
}
