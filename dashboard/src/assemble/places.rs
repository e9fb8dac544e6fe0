//! The place of each format, and its writer.

use super::Sink;
use super::sinks::{Batches, Directions, Export, FromLog, Page, Tables};
use crate::Overview;
use crate::export::neuronpedia::{
    BatchWriter, DEFAULT_CREATOR, ExportWriter, FEATURES_PER_FILE, SourceId,
};
use crate::export::questions::{self, QuestionOptions};
use crate::export::{ExportError, Logged, ParquetWriter, delphi};
use crate::page::{PageError, PageForm, PageWriter, Vocabulary};
use burn::tensor::Tensor;
use std::path::{Path, PathBuf};
use whole_file::{WholeFolder, WriteError};

/// A form that features are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Pages to look at.
    Html,
    /// SAEDashboard's `batch-N.json`.
    Neuronpedia,
    /// The files that Neuronpedia publishes and imports.
    Export,
    /// Tables for data frames and SQL.
    Parquet,
    /// The cache of latents that delphi reads.
    Delphi,
    /// Questions for judges of explanations, and examples to explain.
    Questions,
}

impl Format {
    /// Every format, in the order they are written in.
    pub const ALL: [Self; 6] = [
        Self::Html,
        Self::Neuronpedia,
        Self::Export,
        Self::Parquet,
        Self::Delphi,
        Self::Questions,
    ];

    /// Its name, also of its folder where there are several: `html`, `neuronpedia`, `export`, `parquet`, `delphi`, `questions`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Neuronpedia => "neuronpedia",
            Self::Export => "export",
            Self::Parquet => "parquet",
            Self::Delphi => "delphi",
            Self::Questions => "questions",
        }
    }

    /// Whether it shows features as they are on pages; if not, it is made of the activations alone, and takes no figures of the weights.
    pub fn shows_features(self) -> bool {
        !matches!(self, Self::Delphi | Self::Questions)
    }

    /// Whether it needs a name on Neuronpedia.
    pub fn needs_id(self) -> bool {
        matches!(self, Self::Neuronpedia | Self::Export)
    }
}

/// The content, the same for every format.
#[derive(Debug)]
pub struct Content<'a, V: ?Sized> {
    /// The SAE as a whole.
    pub overview: &'a Overview,
    /// The spelling of tokens.
    pub vocabulary: &'a V,
    /// Decoder directions, `[d_sae, d_out]`.
    pub w_dec: Tensor<2>,
    /// The name on Neuronpedia, for the formats that [need one](Format::needs_id).
    pub id: Option<&'a SourceId>,
    /// The activations, for the formats that are made of them.
    pub logged: Logged<'a>,
    /// What is asked about features.
    pub questions: &'a QuestionOptions,
}

/// An output that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// It cannot be begun or named.
    #[error(transparent)]
    Unwritable(#[from] WriteError),
    /// A format's name on Neuronpedia is missing.
    #[error("the format {} needs a name on Neuronpedia, such as gpt2-small/6-res-jb", .0.name())]
    NoId(Format),
    /// A page cannot be begun.
    #[error(transparent)]
    Page(#[from] PageError),
    /// An export cannot be begun.
    #[error(transparent)]
    Export(#[from] ExportError),
}

/// The places of formats below one output: the output itself for one format, folders of their names in it for several.
#[derive(Debug)]
pub struct Places {
    formats: Vec<Format>,
    out: PathBuf,
    /// The folder of several formats, until all of them are whole.
    folder: Option<WholeFolder>,
}

impl Places {
    /// Places for formats below `out`, a path without links.
    ///
    /// # Errors
    /// If no folder can be made beside it.
    pub fn new(formats: Vec<Format>, out: &Path) -> Result<Self, PlaceError> {
        let folder = match formats.len() {
            1 => None,
            _ => Some(WholeFolder::create(out)?),
        };
        Ok(Self {
            formats,
            out: out.to_owned(),
            folder,
        })
    }

    /// The sinks that take the features, one per format.
    ///
    /// # Errors
    /// If a writer cannot begin.
    pub fn sinks<'a, V: Vocabulary + ?Sized>(
        &self,
        content: &Content<'a, V>,
    ) -> Result<Vec<Box<dyn Sink + 'a>>, PlaceError> {
        let sink = |format: &Format| {
            let named = |folder: &WholeFolder| folder.temporary().join(format.name());
            let path = self.folder.as_ref().map_or_else(|| self.out.clone(), named);
            content.sink(*format, &path)
        };
        self.formats.iter().map(sink).collect()
    }

    /// Gives the output its name, once all sinks have finished.
    ///
    /// # Errors
    /// If it cannot be renamed.
    pub fn finish(&mut self) -> Result<(), PlaceError> {
        if let Some(folder) = self.folder.take() {
            folder.finish()?;
        }
        Ok(())
    }

    /// The file or folder to open, for each format.
    pub fn outputs(&self) -> Vec<(Format, PathBuf)> {
        let place = |format: Format| {
            let path = match self.formats.len() {
                1 => self.out.clone(),
                _ => self.out.join(format.name()),
            };
            let is_folder = page_form(&path) == PageForm::Folder;
            match format {
                Format::Html if is_folder => (format, path.join("index.html")),
                _ => (format, path),
            }
        };
        self.formats.iter().copied().map(place).collect()
    }
}

impl<'a, V: Vocabulary + ?Sized> Content<'a, V> {
    fn sink(&self, format: Format, path: &Path) -> Result<Box<dyn Sink + 'a>, PlaceError> {
        let (overview, vocabulary) = (self.overview, self.vocabulary);
        let id = || self.id.ok_or(PlaceError::NoId(format));
        let directions = || Directions::of(self.w_dec.clone(), &overview.shown);
        Ok(match format {
            Format::Html => {
                let form = page_form(path);
                Box::new(Page(PageWriter::create(path, form, overview, vocabulary)?))
            }
            Format::Neuronpedia => Box::new(Batches {
                writer: BatchWriter::create(path, overview, vocabulary, id()?, FEATURES_PER_FILE)?,
                directions: directions(),
            }),
            Format::Export => Box::new(Export {
                writer: ExportWriter::create(path, overview, vocabulary, id()?, DEFAULT_CREATOR)?,
                directions: directions(),
                labels: &overview.labels,
            }),
            Format::Parquet => Box::new(Tables(ParquetWriter::create(path, overview, vocabulary)?)),
            Format::Delphi => {
                let (path, logged) = (path.to_owned(), self.logged);
                Box::new(FromLog(move || delphi::write(&path, overview, &logged)))
            }
            Format::Questions => {
                let (path, logged, options) = (path.to_owned(), self.logged, self.questions);
                Box::new(FromLog(move || {
                    questions::write(&path, overview, &logged, vocabulary, options)
                }))
            }
        })
    }
}

/// One file for a name that ends in `.html`, else a folder.
pub fn page_form(out: &Path) -> PageForm {
    match out.extension() {
        Some(ending) if ending.eq_ignore_ascii_case("html") => PageForm::File,
        _ => PageForm::Folder,
    }
}
