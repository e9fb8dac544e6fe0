//! The files that Neuronpedia publishes and imports.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use super::super::folder::Output;
use super::dashboard::Totals;
use super::rows::Common;
use super::{ExportError, SourceId};
use crate::page::Vocabulary;
use crate::{Feature, Overview};

/// The user that a new Neuronpedia begins with, who owns what is imported.
pub const DEFAULT_CREATOR: &str = "clkht01d40000jv08hvalcvly";
/// Features of a file; those of `activations` hold the examples of as many features.
const FEATURES_PER_FILE: usize = 1024;
/// As Neuronpedia's converter compresses.
const LEVEL: u32 = 5;

/// The explanation of a feature, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The words.
    pub text: String,
    /// How they were found, by Neuronpedia's name of the method, as `oai_token-act-pair`.
    pub type_name: Option<String>,
    /// The model that found them.
    pub model: Option<String>,
}

/// Writes `features/batch-N.jsonl.gz`, `activations/batch-N.jsonl.gz` and `explanations/batch-N.jsonl.gz`, a row a line.
///
/// Each file has what belongs to 1,024 features. Rows have ids that follow from what they are about, so that the same export is the same
/// to the byte.
#[derive(Debug)]
pub struct ExportWriter<'v, V: ?Sized> {
    vocabulary: &'v V,
    output: Output,
    totals: Totals,
    common: Common,
    pushed: usize,
    features: Rows,
    activations: Rows,
    explanations: Rows,
}

impl<'v, V: Vocabulary + ?Sized> ExportWriter<'v, V> {
    /// Starts the folder at `path`. `creator` is the id of the user who is to own the rows; [`DEFAULT_CREATOR`] exists from the start.
    ///
    /// # Errors
    /// When nothing can be written there or there is something; when a name of `id` cannot be one; when the overview's `shown` is not
    /// ascending below `d_sae`.
    pub fn create(
        path: impl AsRef<Path>,
        overview: &Overview,
        vocabulary: &'v V,
        id: &SourceId,
        creator: &str,
    ) -> Result<Self, ExportError> {
        id.check()?;
        let output = Output::create(path.as_ref(), overview)?;
        let rows = |name| Rows::create(output.join(name)).map_err(|e| output.failed(e));
        Ok(Self {
            vocabulary,
            totals: Totals::of(overview),
            common: Common {
                model_id: id.model_id.clone(),
                layer: id.source(),
                creator_id: creator.to_owned(),
                set: id.sae_set.clone(),
                hook_name: overview.source.hook_name.clone(),
            },
            pushed: 0,
            features: rows("features")?,
            activations: rows("activations")?,
            explanations: rows("explanations")?,
            output,
        })
    }

    /// Adds a feature: the next one that the overview shows. `vector` is its decoder direction; an empty one leaves the direction out.
    ///
    /// # Errors
    /// When it is not that feature, when an example has not one activation per token, and when a file cannot be written.
    pub fn push(
        &mut self,
        feature: &Feature,
        vector: &[f32],
        explanations: &[Explanation],
    ) -> Result<(), ExportError> {
        self.output.begin(feature)?;
        self.write(feature, vector, explanations)
            .map_err(|source| self.output.failed(source))?;
        self.output.end();
        Ok(())
    }

    fn write(
        &mut self,
        feature: &Feature,
        vector: &[f32],
        explanations: &[Explanation],
    ) -> std::io::Result<()> {
        let (common, file) = (&self.common, self.pushed / FEATURES_PER_FILE);
        let dashboard = self.totals.dashboard(feature, self.vocabulary, vector);
        self.features
            .write(file, &common.feature(feature, &dashboard))?;
        for activation in &dashboard.activations {
            let row = common.activation(&dashboard, activation);
            self.activations.write(file, &row)?;
        }
        for explanation in explanations {
            let row = common.explanation(feature.index, explanation);
            self.explanations.write(file, &row)?;
        }
        self.pushed += 1;
        Ok(())
    }

    /// Gives the folder its name.
    ///
    /// # Errors
    /// When features are missing that the overview shows, and when the files cannot be completed.
    pub fn finish(self) -> Result<(), ExportError> {
        self.output.check_complete()?;
        for rows in [self.features, self.activations, self.explanations] {
            rows.finish().map_err(|e| self.output.failed(e))?;
        }
        self.output.finish()
    }
}

/// A folder of files of rows. A file without any row is not made.
#[derive(Debug)]
struct Rows {
    folder: PathBuf,
    open: Option<(usize, GzEncoder<BufWriter<File>>)>,
}

impl Rows {
    fn create(folder: PathBuf) -> std::io::Result<Self> {
        std::fs::create_dir(&folder)?;
        Ok(Self { folder, open: None })
    }

    fn write(&mut self, number: usize, row: &impl Serialize) -> std::io::Result<()> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != number) {
            self.close()?;
            let name = self.folder.join(format!("batch-{number}.jsonl.gz"));
            let file = BufWriter::with_capacity(1 << 18, File::create_new(name)?);
            self.open = Some((number, GzEncoder::new(file, Compression::new(LEVEL))));
        }
        if let Some((_, file)) = &mut self.open {
            serde_json::to_writer(&mut *file, row)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    }

    fn close(&mut self) -> std::io::Result<()> {
        match self.open.take() {
            Some((_, file)) => file.finish()?.flush(),
            None => Ok(()),
        }
    }

    fn finish(mut self) -> std::io::Result<()> {
        self.close()
    }
}
