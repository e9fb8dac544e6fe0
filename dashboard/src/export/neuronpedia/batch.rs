//! The files of SAEDashboard's runner.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::json;

use super::super::folder::Output;
use super::dashboard::Totals;
use super::{ExportError, SourceId};
use crate::page::Vocabulary;
use crate::{Feature, Overview};

/// Features in a file of [`BatchWriter`], as SAEDashboard has them unless told otherwise.
pub const FEATURES_PER_FILE: usize = 128;
/// The threshold of activity below which features are left out: the base-10 logarithm that means never. No feature is left out because it
/// is rare.
const LOG_SPARSITY: i32 = -10;

/// Writes what SAEDashboard's `NeuronpediaRunner` leaves behind: `batch-0.json`, `batch-1.json`, …, `skipped_indexes.json` and
/// `run_settings.json`.
///
/// The features are spread evenly over as few files as hold [`FEATURES_PER_FILE`] each (or as many as asked for), as SAEDashboard
/// spreads them. Nothing but the file in work is open, and no feature is kept.
#[derive(Debug)]
pub struct BatchWriter<'v, V: ?Sized> {
    vocabulary: &'v V,
    output: Output,
    totals: Totals,
    /// The beginning of every file.
    head: String,
    n_files: usize,
    /// Files begun, and how many features the current one is still to have.
    begun: usize,
    left: usize,
    file: Option<BufWriter<File>>,
}

impl<'v, V: Vocabulary + ?Sized> BatchWriter<'v, V> {
    /// Starts the folder at `path`.
    ///
    /// # Errors
    /// When nothing can be written there or there is something; when a name of `id` cannot be one; when the overview's `shown` is not
    /// ascending below `d_sae`.
    pub fn create(
        path: impl AsRef<Path>,
        overview: &Overview,
        vocabulary: &'v V,
        id: &SourceId,
        features_per_file: usize,
    ) -> Result<Self, ExportError> {
        id.check()?;
        let output = Output::create(path.as_ref(), overview)?;
        let n_files = output.n_shown().div_ceil(features_per_file.max(1));
        // The list of features follows.
        let head = json!({
            "model_id": id.model_id,
            "layer": id.layer,
            "sae_set": id.sae_set,
            "sae_id_suffix": id.suffix,
        });
        let head = format!("{},\"features\":[", head.to_string().trim_end_matches('}'));
        let writer = Self {
            vocabulary,
            totals: Totals::of(overview),
            head,
            n_files,
            begun: 0,
            left: 0,
            file: None,
            output,
        };
        writer.write_side_files(overview, id, features_per_file)?;
        Ok(writer)
    }

    fn write_side_files(
        &self,
        overview: &Overview,
        id: &SourceId,
        features_per_file: usize,
    ) -> Result<(), ExportError> {
        let mut shown = overview.shown.iter().peekable();
        let is_skipped = |index: &u32| shown.next_if_eq(&index).is_none();
        let skipped: Vec<u32> = (0..overview.d_sae).filter(is_skipped).collect();
        let skipped = json!({
            "model_id": id.model_id,
            "layer": id.layer.to_string(),
            "sae_set": id.sae_set,
            "log_sparsity": LOG_SPARSITY,
            "skipped_indexes": skipped,
        });
        let source = &overview.source;
        let settings = json!({
            "sae_set": id.sae_set,
            "sae_path": source.sae,
            "np_sae_id_suffix": id.suffix,
            "np_set_name": null,
            "sparsity_threshold": LOG_SPARSITY,
            "huggingface_dataset_path": source.dataset,
            "n_prompts_total": overview.n_contexts,
            "n_tokens_in_prompt": source.context_size,
            "n_features_at_a_time": features_per_file,
            "use_dfa": false,
            "model_id": id.model_id,
            "layer": id.layer,
            "shuffle_tokens": false,
            "model": source.model,
            "architecture": source.architecture,
            "hook_name": source.hook_name,
            "convention": source.convention,
            "generator": concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")),
        });
        let write = |name, json: &str| {
            std::fs::write(self.output.join(name), json).map_err(|e| self.output.failed(e))
        };
        write("skipped_indexes.json", &skipped.to_string())?;
        write("run_settings.json", &format!("{settings:#}"))
    }

    /// Adds a feature: the next one that the overview shows. `vector` is its decoder direction; an empty one leaves the direction out.
    ///
    /// # Errors
    /// When it is not that feature, when an example has not one activation per token, and when a file cannot be written.
    pub fn push(&mut self, feature: &Feature, vector: &[f32]) -> Result<(), ExportError> {
        self.output.begin(feature)?;
        self.write(feature, vector)
            .map_err(|source| self.output.failed(source))?;
        self.output.end();
        Ok(())
    }

    fn write(&mut self, feature: &Feature, vector: &[f32]) -> std::io::Result<()> {
        let mut file = match self.file.take() {
            Some(mut file) => {
                file.write_all(b",")?;
                file
            }
            None => self.begin()?,
        };
        let dashboard = self.totals.dashboard(feature, self.vocabulary, vector);
        serde_json::to_writer(&mut file, &dashboard)?;
        self.left -= 1;
        if self.left == 0 {
            file.write_all(b"]}")?;
            return file.flush();
        }
        self.file = Some(file);
        Ok(())
    }

    fn begin(&mut self) -> std::io::Result<BufWriter<File>> {
        let name = self.output.join(format!("batch-{}.json", self.begun));
        let mut file = BufWriter::with_capacity(1 << 18, File::create_new(name)?);
        file.write_all(self.head.as_bytes())?;
        let (n, files) = (self.output.n_shown(), self.n_files);
        self.left = n / files + usize::from(self.begun < n % files);
        self.begun += 1;
        Ok(file)
    }

    /// Gives the folder its name.
    ///
    /// # Errors
    /// When features are missing that the overview shows, and when the folder cannot be renamed.
    pub fn finish(self) -> Result<(), ExportError> {
        self.output.finish()
    }
}
