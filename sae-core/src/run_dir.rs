//! The folder a training run leaves behind.

use crate::config::{ConfigError, SaeConfig};
use crate::weights::{LoadError, WeightFile};
use std::path::{Path, PathBuf};

/// Names of the files.
pub(crate) const CFG: &str = "cfg.json";
pub(crate) const WEIGHTS: &str = "sae_weights.safetensors";
const SPARSITY: &str = "sparsity.safetensors";
const FINAL: &str = "final_sae";

/// Densities below this count as dead: `sparsity.safetensors` holds `log10(fires / samples + 1e-10)`, so a feature that never fired
/// has exactly −10, and one firing in ten billion tokens would be told apart.
const DEAD: f32 = -9.99;

/// A SAELens run, opened but not loaded.
///
/// Both layouts are read: everything in one folder, or `final_sae/{cfg.json,sae_weights.safetensors}` with `sparsity.safetensors`
/// beside `final_sae`. Either that folder or `final_sae` itself may be given.
#[derive(Debug, Clone)]
pub struct RunDir {
    /// The folder that holds `cfg.json`.
    pub dir: PathBuf,
    /// The configuration.
    pub cfg: SaeConfig,
    /// The file of weights, which is known to exist if the run was [opened](Self::open).
    pub weights: PathBuf,
    /// `log10(firing frequency + 1e-10)` of every feature over the training data, `[d_sae]`, where the run recorded it.
    pub log_sparsity: Option<Vec<f32>>,
}

/// A folder that is not a run, or not a whole one.
#[derive(Debug, thiserror::Error)]
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
    /// Something has the name of a file of the run and is none: a pipe, a device or a folder.
    #[error("{}: is not a file; expected one that a SAELens run left behind", .0.display())]
    NotAFile(PathBuf),
    /// There are no weights.
    #[error("{}: is missing beside cfg.json; was the run copied whole?", .0.display())]
    NoWeights(PathBuf),
    /// The configuration is at fault.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `sparsity.safetensors` is at fault.
    #[error("the recorded sparsity is unusable (remove the file to go on without it): {0}")]
    Sparsity(Box<crate::LoadError>),
}

impl RunDir {
    /// Reads the configuration and the recorded sparsity; no weights.
    ///
    /// # Errors
    /// If there is no run at `path`, or what there is cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RunDirError> {
        let run = Self::describe(path)?;
        if !run.weights.is_file() {
            return Err(RunDirError::NoWeights(run.weights));
        }
        Ok(run)
    }

    /// As [`open`](Self::open), but the weights need not be there: for one whose weights are not wanted, or not yet.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn describe(path: impl AsRef<Path>) -> Result<Self, RunDirError> {
        let path = path.as_ref();
        match std::fs::metadata(path) {
            Err(_) => return Err(RunDirError::NotFound(path.to_owned())),
            Ok(found) if !found.is_dir() => return Err(RunDirError::NotAFolder(path.to_owned())),
            Ok(_) => {}
        }
        let dir = [path.to_owned(), path.join(FINAL)]
            .into_iter()
            .find(|dir| dir.join(CFG).exists())
            .ok_or_else(|| RunDirError::NoConfig(path.to_owned()))?;
        // Opening a pipe would wait for somebody who writes into it.
        for file in [CFG, WEIGHTS].map(|name| dir.join(name)) {
            if file.exists() && !file.is_file() {
                return Err(RunDirError::NotAFile(file));
            }
        }
        let cfg = SaeConfig::from_file(&dir.join(CFG))?;
        let weights = dir.join(WEIGHTS);
        let log_sparsity = find_sparsity(&dir)
            .map(|file| read_sparsity(&file, &cfg))
            .transpose()
            .map_err(|e| RunDirError::Sparsity(Box::new(e)))?;
        Ok(Self {
            dir,
            cfg,
            weights,
            log_sparsity,
        })
    }

    /// Mean of the recorded log sparsity, as the notebook prints it; `None` also where a value is NaN.
    pub fn mean_log_sparsity(&self) -> Option<f64> {
        let values = self.numbers()?;
        Some(values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64)
    }

    /// The number of weights in the file, from its header alone.
    ///
    /// # Errors
    /// If it cannot be read as safetensors.
    pub fn n_params(&self) -> Result<u64, LoadError> {
        let map = WeightFile::map(&self.weights)?;
        let file = WeightFile::parse(&self.weights, &map, self.cfg.architecture.name())?;
        Ok(file.n_values())
    }

    /// The share of features that never fired while the sparsity was recorded; `None` also where a value is NaN.
    pub fn dead_fraction(&self) -> Option<f64> {
        let values = self.numbers()?;
        Some(values.iter().filter(|&&x| x < DEAD).count() as f64 / values.len() as f64)
    }

    /// The recorded sparsity, if it is made of numbers: counting around a NaN would pass for a measurement.
    fn numbers(&self) -> Option<&[f32]> {
        let values = self.log_sparsity.as_deref()?;
        values.iter().all(|x| !x.is_nan()).then_some(values)
    }
}

/// Beside `cfg.json`, or beside the `final_sae` that holds it.
fn find_sparsity(dir: &Path) -> Option<PathBuf> {
    let beside = Some(dir.join(SPARSITY));
    // A relative `final_sae` has an empty parent; the canonical path knows the real one.
    let full = dir.canonicalize().ok();
    let above = full
        .filter(|dir| dir.file_name().is_some_and(|name| name == FINAL))
        .and_then(|dir| Some(dir.parent()?.join(SPARSITY)));
    [beside, above]
        .into_iter()
        .flatten()
        .find(|file| file.is_file())
}

fn read_sparsity(path: &Path, cfg: &SaeConfig) -> Result<Vec<f32>, crate::LoadError> {
    let map = WeightFile::map(path)?;
    let mut file = WeightFile::parse(path, &map, "recorded")?;
    file.numbers("sparsity", &[cfg.d_sae])
}

#[cfg(test)]
mod tests;
