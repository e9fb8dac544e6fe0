//! Two Parquet tables for data frames and SQL.

mod activations;
mod features;
mod file;
mod lists;

use std::path::Path;

use super::ExportError;
use super::folder::Output;
use crate::page::Vocabulary;
use crate::{Feature, Overview};
use file::Table;

/// Features that are handed to the library at a time.
const BATCH: usize = 64;

/// Writes a folder with `features.parquet`, a row a feature, and `activations.parquet`, a row an example, compressed with zstd.
///
/// A row group of them is kept in memory, at most about 64 MiB. Where the dashboards come from is in the key-value metadata of both.
pub struct ParquetWriter<'v, V: ?Sized> {
    vocabulary: &'v V,
    output: Output,
    features: Table<features::Columns>,
    activations: Table<activations::Columns>,
}

impl<V: ?Sized> std::fmt::Debug for ParquetWriter<'_, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetWriter")
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}

impl<'v, V: Vocabulary + ?Sized> ParquetWriter<'v, V> {
    /// Starts the folder at `path`.
    ///
    /// # Errors
    /// When nothing can be written there or there is something; when the overview's `shown` is not ascending below `d_sae`.
    pub fn create(
        path: impl AsRef<Path>,
        overview: &Overview,
        vocabulary: &'v V,
    ) -> Result<Self, ExportError> {
        let output = Output::create(path.as_ref(), overview)?;
        let failed = |e| output.failed(e);
        let features = output.join("features.parquet");
        let activations = output.join("activations.parquet");
        Ok(Self {
            vocabulary,
            features: Table::create(&features, overview).map_err(failed)?,
            activations: Table::create(&activations, overview).map_err(failed)?,
            output,
        })
    }

    /// Adds a feature: the next one that the overview shows.
    ///
    /// # Errors
    /// When it is not that one, when an example has not one activation per token, when a number is above 2³¹ − 1 (2⁶³ − 1 for counts and
    /// contexts), and when a file cannot be written.
    pub fn push(&mut self, feature: &Feature) -> Result<(), ExportError> {
        self.output.begin(feature)?;
        self.features.columns.push(feature, self.vocabulary)?;
        self.activations.columns.push(feature, self.vocabulary)?;
        let features = self.features.pushed();
        features
            .and_then(|()| self.activations.pushed())
            .map_err(|e| self.output.failed(e))?;
        self.output.end();
        Ok(())
    }

    /// Gives the folder its name.
    ///
    /// # Errors
    /// When features are missing that the overview shows, and when the files cannot be completed.
    pub fn finish(self) -> Result<(), ExportError> {
        self.output.check_complete()?;
        self.features.finish().map_err(|e| self.output.failed(e))?;
        let activations = self.activations.finish();
        activations.map_err(|e| self.output.failed(e))?;
        self.output.finish()
    }
}

#[cfg(test)]
mod tests;
