//! The folder a training run leaves behind.

mod layout;
mod sparsity;

pub use layout::RunLayout;
pub use sparsity::LogSparsity;

use crate::config::{SaeConfig, SaeConfigError, Scaler};
use crate::formats::{self, Format, FormatError, Found, RunOptions};
use crate::weights::{SaeLoadError, WeightFile};
use std::path::{Path, PathBuf};

/// No `activation_scaler.json` comes near this size.
const MAX_SCALER: u64 = 1 << 20;

/// Runs in a folder that a message names.
const MOST_NAMED: usize = 20;

/// A SAELens run, or an SAE in files of another [`Format`], opened but not loaded.
///
/// Both layouts are read: everything in one folder, or `final_sae/{cfg.json,sae_weights.safetensors}` with `sparsity.safetensors`
/// beside `final_sae`. Either that folder or `final_sae` itself may be given. A checkpoint of training is a run, too: see
/// [`SaeConfig::unfinished`].
#[derive(Debug, Clone)]
pub struct RunDir {
    /// The folder that holds `cfg.json`.
    pub dir: PathBuf,
    /// The configuration.
    pub cfg: SaeConfig,
    /// The file of weights, which is known to exist if the run was [opened](Self::open).
    pub weights: PathBuf,
    /// How often each feature fired over the training data, where the run recorded it.
    pub log_sparsity: Option<LogSparsity>,
}

/// A folder that is not a run, or not a whole one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunDirError {
    /// The folder does not exist.
    #[error("{}: no such folder; expected a SAELens run, with cfg.json and sae_weights.safetensors in it or in its final_sae", .0.display())]
    NotFound(PathBuf),
    /// The path is a file.
    #[error("{}: is a file; expected the folder of a SAELens run, which holds cfg.json", .0.display())]
    NotAFolder(PathBuf),
    /// There is no configuration.
    #[error("{}: holds neither cfg.json nor final_sae/cfg.json; is this the folder of a SAELens run?", .0.display())]
    NoConfig(PathBuf),
    /// It is a folder of runs, as a sweep leaves it, or of checkpoints.
    #[error("{}: is not a run, but holds runs; give one of them: {}", path.display(), runs.join(", "))]
    HoldsRuns {
        /// The folder.
        path: PathBuf,
        /// The names of those in it, in order.
        runs: Vec<String>,
    },
    /// Something has the name of a file of the run and is none: a pipe, a device or a folder.
    #[error("{}: is not a file; expected one that a SAELens run left behind", .0.display())]
    NotAFile(PathBuf),
    /// There are no weights.
    #[error("{}: is missing beside cfg.json; was the run copied whole?", .0.display())]
    NoWeights(PathBuf),
    /// It is of another format, whose files are at fault.
    #[error(transparent)]
    Foreign(#[from] FormatError),
    /// The configuration is at fault.
    #[error(transparent)]
    Config(#[from] SaeConfigError),
    /// Inputs were whitened in training, which is not folded into the weights yet.
    #[error(
        "{}: has_whitening is true: this checkpoint of training reads whitened activations, and nothing here whitens them. Fold it into \
         the weights in SAELens (fold_activation_whitening of the TrainingSAE, then save_inference_model), and give the folder that this makes",
        .0.display()
    )]
    Whitened(PathBuf),
    /// `activation_scaler.json` is at fault.
    #[error("{}: {problem}; expected what SAELens' trainer wrote beside its checkpoint", path.display())]
    Scaler {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// `sparsity.safetensors` is at fault.
    #[error("the recorded sparsity is unusable (remove the file to go on without it): {0}")]
    Sparsity(Box<crate::SaeLoadError>),
}

impl RunDir {
    /// Reads the configuration and the recorded sparsity; no weights.
    ///
    /// # Errors
    /// If there is no run at `path`, or it cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RunDirError> {
        Self::open_as(path, &RunOptions::default())
    }

    /// As [`open`](Self::open), with what the user says about the files.
    ///
    /// # Errors
    /// As [`open`](Self::open), and if the files are not of the format that was asked for.
    pub fn open_as(path: impl AsRef<Path>, options: &RunOptions) -> Result<Self, RunDirError> {
        let run = Self::describe_as(path, options)?;
        match run.format() {
            _ if run.weights.is_file() => Ok(run),
            Format::SaeLens => Err(RunDirError::NoWeights(run.weights)),
            format => Err(FormatError::NoWeights {
                path: run.weights,
                format,
            }
            .into()),
        }
    }

    /// As [`open`](Self::open), but the weights need not exist: for a run whose weights are not needed, or not yet.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn describe(path: impl AsRef<Path>) -> Result<Self, RunDirError> {
        Self::describe_as(path, &RunOptions::default())
    }

    /// As [`describe`](Self::describe), with what the user says about the files.
    ///
    /// # Errors
    /// As [`open_as`](Self::open_as).
    pub fn describe_as(path: impl AsRef<Path>, options: &RunOptions) -> Result<Self, RunDirError> {
        let path = path.as_ref();
        if path.exists()
            && let Some(found) = formats::detect(path, options)?
        {
            return Self::foreign(found, options);
        }
        match std::fs::metadata(path) {
            Err(_) => return Err(RunDirError::NotFound(path.to_owned())),
            Ok(found) if !found.is_dir() => return Err(RunDirError::NotAFolder(path.to_owned())),
            Ok(_) => {}
        }
        let layout = RunLayout::of(path)
            .into_iter()
            .find(|layout| layout.cfg().exists())
            .ok_or_else(|| no_config(path))?;
        // Opening a pipe would wait for somebody who writes into it.
        for file in [layout.cfg(), layout.weights()] {
            if file.exists() && !file.is_file() {
                return Err(RunDirError::NotAFile(file));
            }
        }
        let mut cfg = SaeConfig::from_file(&layout.cfg())?;
        read_scales(&layout, &mut cfg)?;
        let log_sparsity = on_disk(&layout)
            .sparsity()
            .into_iter()
            .find(|file| file.is_file())
            .map(|file| read_sparsity(&file, &cfg))
            .transpose()
            .map_err(|e| RunDirError::Sparsity(Box::new(e)))?;
        Ok(Self {
            dir: layout.folder().to_owned(),
            cfg,
            weights: layout.weights(),
            log_sparsity,
        })
    }

    fn foreign(found: Found, options: &RunOptions) -> Result<Self, RunDirError> {
        let cfg = formats::read(&found, options)?;
        Ok(Self {
            dir: found.folder,
            cfg,
            weights: found.weights,
            log_sparsity: None,
        })
    }

    /// Whose files these are.
    pub fn format(&self) -> Format {
        let foreign = self.cfg.foreign.as_ref();
        foreign.map_or(Format::SaeLens, |foreign| foreign.format)
    }

    /// The file that says what the SAE is: the configuration, or the weights where there is none.
    pub fn described_by(&self) -> PathBuf {
        match &self.cfg.foreign {
            None => RunLayout::new(&self.dir).cfg(),
            Some(foreign) => foreign
                .config
                .clone()
                .unwrap_or_else(|| self.weights.clone()),
        }
    }

    /// The files of the run that may be read, those that need not exist included.
    pub fn files(&self) -> Vec<PathBuf> {
        if self.cfg.foreign.is_some() {
            return vec![self.described_by(), self.weights.clone()];
        }
        let layout = RunLayout::new(&self.dir);
        let mut files = vec![layout.cfg(), self.weights.clone(), layout.scaler()];
        files.extend(layout.sparsity());
        files.extend(on_disk(&layout).sparsity());
        files
    }

    /// Mean of the recorded log sparsity, as the notebook prints it; `None` where nothing is recorded, or not as finite numbers.
    pub fn mean_log_sparsity(&self) -> Option<f64> {
        self.log_sparsity.as_ref()?.mean()
    }

    /// The number of weights in the file, from its header alone.
    ///
    /// # Errors
    /// If it cannot be read as safetensors.
    pub fn n_params(&self) -> Result<u64, SaeLoadError> {
        let map = WeightFile::map(&self.weights)?;
        let file = WeightFile::parse(&self.weights, &map, self.cfg.architecture.name())?;
        Ok(file.n_values())
    }

    /// The share of features that never fired while the sparsity was recorded; `None` where nothing is recorded, or not as numbers.
    pub fn dead_fraction(&self) -> Option<f64> {
        self.log_sparsity.as_ref()?.dead_fraction()
    }
}

/// A folder without a configuration: whether there are runs in it, or checkpoints of a training that has not ended.
fn no_config(path: &Path) -> RunDirError {
    let mut runs = runs_in(path);
    if runs.is_empty() {
        let steps = entries(&path.join("checkpoints"));
        runs = steps.flat_map(|step| runs_in(&step)).collect();
    }
    if runs.is_empty() {
        return RunDirError::NoConfig(path.to_owned());
    }
    runs.sort();
    if runs.len() > MOST_NAMED {
        runs.truncate(MOST_NAMED);
        runs.push("...".to_owned());
    }
    RunDirError::HoldsRuns {
        path: path.to_owned(),
        runs,
    }
}

/// The runs in a folder.
fn runs_in(path: &Path) -> Vec<String> {
    let is_run = |path: &PathBuf| {
        let layouts = RunLayout::of(path);
        let is_foreign = || matches!(formats::detect(path, &RunOptions::default()), Ok(Some(_)));
        layouts.iter().any(|layout| layout.cfg().is_file()) || path.is_dir() && is_foreign()
    };
    let runs = entries(path).filter(is_run);
    runs.map(|run| run.display().to_string()).collect()
}

fn entries(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

/// The layout by its canonical path: a relative `final_sae` has an empty parent.
fn on_disk(layout: &RunLayout) -> RunLayout {
    let full = layout.folder().canonicalize();
    full.map_or_else(|_| layout.clone(), RunLayout::new)
}

/// Reads the factors of a checkpoint's inputs, which loading it folds into its weights. A finished SAE has none of its own, unless its
/// configuration still says that there is one.
fn read_scales(layout: &RunLayout, cfg: &mut SaeConfig) -> Result<(), RunDirError> {
    let path = layout.scaler();
    if !cfg.lacks_scales() || !path.is_file() {
        return Ok(());
    }
    let at_fault = |problem: String| RunDirError::Scaler {
        path: path.clone(),
        problem,
    };
    let bytes = std::fs::metadata(&path).map_or(0, |found| found.len());
    if bytes > MAX_SCALER {
        return Err(at_fault(format!("has {bytes} bytes")));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| at_fault(error.to_string()))?;
    let scaler = Scaler::from_json(&text).map_err(&at_fault)?;
    if scaler.is_whitened(layout) {
        return Err(RunDirError::Whitened(path));
    }
    let is_transcoder = cfg.architecture.is_transcoder();
    let Some(scales) = scaler.scales(is_transcoder).map_err(&at_fault)? else {
        return Ok(());
    };
    cfg.set_scales(scales);
    Ok(())
}

fn read_sparsity(path: &Path, cfg: &SaeConfig) -> Result<LogSparsity, crate::SaeLoadError> {
    let map = WeightFile::map(path)?;
    let mut file = WeightFile::parse(path, &map, "recorded")?;
    let values = file.numbers("sparsity", &[cfg.d_sae])?;
    Ok(LogSparsity::new(values))
}

#[cfg(test)]
mod tests;
