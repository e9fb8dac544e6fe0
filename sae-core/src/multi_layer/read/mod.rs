//! The formats of dictionaries of several layers: which folder is one, and where its tensors lie.

mod circuit_tracer;
mod dictionary_learning;
mod gemma_scope;
mod open_moss;

use super::config::MultiLayerConfig;
use super::dir::MultiLayer;
use super::mapped::MappedFile;
use crate::formats::FormatError;
use crate::sae::SaeLoadOptions;
use crate::weights::SaeLoadError;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Layers that a model may have, so that a slip in a configuration does not make millions of files.
const MAX_LAYERS: usize = 1024;

/// What a folder holds: the configuration, and how it is loaded.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) folder: PathBuf,
    pub(super) cfg: MultiLayerConfig,
    files: Files,
}

#[derive(Debug)]
enum Files {
    CircuitTracer(circuit_tracer::Files),
    GemmaScope(Vec<Arc<MappedFile>>),
    OpenMoss(open_moss::Files),
    DictionaryLearning(dictionary_learning::Files),
}

/// The dictionary in a folder; none if it is of another kind.
pub(super) fn find(folder: &Path) -> Result<Option<Found>, SaeLoadError> {
    if !folder.is_dir() {
        return Ok(None);
    }
    let found = match circuit_tracer::find(folder)? {
        Some(found) => Some(found),
        None => match open_moss::find(folder)? {
            Some(found) => Some(found),
            None => dictionary_learning::find(folder)?,
        },
    };
    Ok(found.map(|(cfg, files)| Found {
        folder: folder.to_owned(),
        cfg,
        files,
    }))
}

impl Found {
    /// The files that are read.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        match &self.files {
            Files::CircuitTracer(files) => files.paths(),
            Files::GemmaScope(files) => files.iter().map(|file| file.path().to_owned()).collect(),
            Files::OpenMoss(files) => files.paths(),
            Files::DictionaryLearning(files) => files.paths(),
        }
    }

    pub(super) fn load(self, options: &SaeLoadOptions) -> Result<MultiLayer, SaeLoadError> {
        let cfg = self.cfg;
        match self.files {
            Files::CircuitTracer(files) => files.load(cfg, options).map(MultiLayer::CrossLayer),
            Files::GemmaScope(files) => {
                gemma_scope::load(&files, cfg, options).map(MultiLayer::CrossLayer)
            }
            Files::OpenMoss(files) => files.load(cfg, options),
            Files::DictionaryLearning(files) => {
                files.load(cfg, options).map(MultiLayer::Crosscoder)
            }
        }
    }
}

/// The error that files ask for something that is not read.
fn unsupported(path: &Path, what: impl Into<String>) -> SaeLoadError {
    FormatError::Unsupported {
        path: path.to_owned(),
        what: what.into(),
    }
    .into()
}

/// The error that files do not go together.
fn archive(path: &Path, problem: impl Into<String>) -> SaeLoadError {
    FormatError::Archive {
        path: path.to_owned(),
        problem: problem.into(),
    }
    .into()
}
