//! Where each format goes, and what writes it there.

use super::build::Sink;
use super::formats::{Format, form};
use super::sinks::{Batches, Directions, Export, Page, Tables};
use super::tokens::Spelling;
use crate::output::{temporary_folder_beside, unwritable};
use anyhow::{Context, Result};
use sae_core::Sae;
use sae_dashboard::Overview;
use sae_dashboard::export::ParquetWriter;
use sae_dashboard::export::neuronpedia::{
    BatchWriter, DEFAULT_CREATOR, ExportWriter, FEATURES_PER_FILE, SourceId,
};
use sae_dashboard::page::{PageForm, PageWriter};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What features are written with.
pub(crate) struct Content<'a> {
    pub(crate) overview: &'a Overview,
    pub(crate) spelling: &'a Spelling<'a>,
    pub(crate) sae: &'a Sae,
    pub(crate) id: Option<&'a SourceId>,
}

/// Where each format goes: one alone to `out`; several to folders of their names in it, which appears with all of them.
pub(crate) struct Places {
    formats: Vec<Format>,
    out: PathBuf,
    folder: Option<TempDir>,
}

impl Places {
    pub(crate) fn new(formats: Vec<Format>, out: &Path) -> Result<Self> {
        let folder = if formats.len() > 1 {
            Some(temporary_folder_beside(out).with_context(|| unwritable(out))?)
        } else {
            None
        };
        let out = out.to_owned();
        Ok(Self {
            formats,
            out,
            folder,
        })
    }

    /// What writes the formats.
    pub(crate) fn sinks<'a>(&self, content: &Content<'a>) -> Result<Vec<Box<dyn Sink + 'a>>> {
        let sink = |format: &Format| {
            let named = |folder: &TempDir| folder.path().join(format.name());
            let path = self.folder.as_ref().map_or_else(|| self.out.clone(), named);
            content.sink(*format, &path)
        };
        self.formats.iter().map(sink).collect()
    }

    /// After all sinks have finished.
    pub(crate) fn finish(&mut self) -> Result<()> {
        if let Some(folder) = self.folder.take() {
            std::fs::rename(folder.path(), &self.out).with_context(|| unwritable(&self.out))?;
            // It has moved: there is nothing to remove.
            let _ = folder.keep();
        }
        Ok(())
    }

    /// The formats, and what to open or read of each.
    pub(crate) fn outputs(&self) -> Vec<(Format, PathBuf)> {
        let place = |format: Format| {
            let path = match self.formats.len() {
                1 => self.out.clone(),
                _ => self.out.join(format.name()),
            };
            let is_folder = form(&path) == PageForm::Folder;
            match format {
                Format::Html if is_folder => (format, path.join("index.html")),
                _ => (format, path),
            }
        };
        self.formats.iter().copied().map(place).collect()
    }
}

impl<'a> Content<'a> {
    fn sink(&self, format: Format, path: &Path) -> Result<Box<dyn Sink + 'a>> {
        let (overview, spelling) = (self.overview, self.spelling);
        let id = || self.id.expect("there is one where it is needed");
        let directions = || Directions::of(self.sae.w_dec(), &overview.shown);
        Ok(match format {
            Format::Html => {
                let writer = PageWriter::create(path, form(path), overview, spelling)?;
                Box::new(Page(writer))
            }
            Format::Neuronpedia => Box::new(Batches {
                writer: BatchWriter::create(path, overview, spelling, id(), FEATURES_PER_FILE)?,
                directions: directions(),
            }),
            Format::Export => Box::new(Export {
                writer: ExportWriter::create(path, overview, spelling, id(), DEFAULT_CREATOR)?,
                directions: directions(),
            }),
            Format::Parquet => Box::new(Tables(ParquetWriter::create(path, overview, spelling)?)),
        })
    }
}
