//! Questions for whoever judges explanations of features, a person or a model, and examples for whoever explains them.
//!
//! The questions are those of delphi's scorers (Paulo et al. 2024, <https://arxiv.org/abs/2410.13928>). Detection: does the feature fire in this text? Fuzzing: does
//! it fire on the marked tokens? Texts are windows of some tokens. The true ones come from all quantiles of the feature's activations; in
//! the false ones it is silent. Unlike in delphi, no text is both an example and a question.

mod draw;
mod lines;
#[cfg(test)]
mod tests;

use super::folder::write_error;
use super::{ExportError, Logged};
use crate::Overview;
use crate::page::Vocabulary;
use crate::place::is_taken;
use draw::{Drawn, Windows};
use lines::Lines;
use rayon::prelude::*;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use whole_file::WholeFolder;

/// Features whose windows are drawn side by side.
const AT_ONCE: usize = 256;

/// How many windows of what size are drawn. The defaults are delphi's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuestionOptions {
    /// Tokens in a window; a context shorter than this is one window.
    pub window: usize,
    /// Windows that a feature must fire in to be asked about.
    pub min_windows: usize,
    /// Parts that the windows are cut into, by their largest activation.
    pub n_quantiles: usize,
    /// Examples for the explanation, over all quantiles.
    pub n_train: usize,
    /// Windows that are asked about in which the feature fires, over all quantiles.
    pub n_test: usize,
    /// Windows that are asked about in which it is silent.
    pub n_silent: usize,
    /// What windows and marks are drawn by.
    pub seed: u64,
}

impl Default for QuestionOptions {
    /// Windows of 32 tokens; features that fire in 200; 10 quantiles; 40 examples, 50 windows in which the feature fires and 50 in which it is silent.
    fn default() -> Self {
        Self {
            window: 32,
            min_windows: 200,
            n_quantiles: 10,
            n_train: 40,
            n_test: 50,
            n_silent: 50,
            seed: 0,
        }
    }
}

/// Writes `examples.jsonl` and `questions.jsonl` about the features that the overview shows and that fire in enough windows. The folder appears whole or not at
/// all. The files depend on the activations and the options alone.
///
/// # Errors
/// If the folder is there already or cannot be written, or tokens of a context are missing.
pub fn write<V: Vocabulary + ?Sized>(
    path: &Path,
    overview: &Overview,
    logged: &Logged<'_>,
    vocabulary: &V,
    options: &QuestionOptions,
) -> Result<(), ExportError> {
    if is_taken(path) {
        return Err(ExportError::Exists {
            path: path.to_owned(),
        });
    }
    let folder = WholeFolder::create(path)?;
    let failed = |error| write_error(path, error);
    let create = |name: &str| File::create(folder.temporary().join(name)).map(BufWriter::new);
    let mut examples = create("examples.jsonl").map_err(failed)?;
    let mut questions = create("questions.jsonl").map_err(failed)?;
    let windows = Windows::new(logged, options);
    let lines = Lines {
        logged,
        vocabulary,
        windows: &windows,
    };
    let mut shown = overview.shown.as_slice();
    let mut n_asked = 0;
    while !shown.is_empty() {
        let (tile, activations) = logged.gather(shown);
        for slots in (0..tile.len()).collect::<Vec<_>>().chunks(AT_ONCE) {
            let drawn = slots.par_iter().map(|&slot| {
                let located = logged.located(activations.of(slot));
                windows.draw(tile[slot], located)
            });
            let drawn: Vec<Option<Drawn>> = drawn.collect();
            for drawn in drawn.into_iter().flatten() {
                n_asked += 1;
                let text = lines.examples(&drawn)?;
                examples.write_all(text.as_bytes()).map_err(failed)?;
                let text = lines.questions(&drawn)?;
                questions.write_all(text.as_bytes()).map_err(failed)?;
            }
        }
        shown = &shown[tile.len()..];
    }
    let n_shown = overview.shown.len();
    if n_asked < n_shown {
        tracing::warn!(
            "questions: {} of {n_shown} features fire in fewer than {} windows of {} tokens and are left out; more text gives more windows",
            n_shown - n_asked,
            options.min_windows,
            windows.size(),
        );
    }
    examples.flush().map_err(failed)?;
    questions.flush().map_err(failed)?;
    drop((examples, questions));
    Ok(folder.finish()?)
}
