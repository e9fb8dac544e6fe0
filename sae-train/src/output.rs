//! The folder of a run: what everything else reads.

use crate::checkpoint::CheckpointError;
use crate::finish::{Finished, Numbers};
use sae_core::RunLayout;
use serde_json::{Map, Value};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// `RUN/{final_sae/{cfg.json, sae_weights.safetensors}, sparsity.safetensors, runner_cfg.json, metrics.jsonl}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    folder: PathBuf,
}

impl RunFolder {
    /// A run's folder, by its name.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Figures, a line of JSON for each step that was logged.
    pub fn metrics(&self) -> PathBuf {
        self.folder.join("metrics.jsonl")
    }

    /// The settings, by SAELens' names.
    pub fn runner_cfg(&self) -> PathBuf {
        self.folder.join("runner_cfg.json")
    }

    /// Checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.folder.join("checkpoints")
    }

    fn sae(&self) -> RunLayout {
        RunLayout::new(self.folder.join("final_sae"))
    }

    /// Whether there is a finished SAE.
    pub fn is_finished(&self) -> bool {
        self.sae().cfg().is_file()
    }

    /// Writes a finished SAE. `cfg.json` comes last: where it is, everything is.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, sae: Finished, log_sparsity: Vec<f32>) -> Result<(), CheckpointError> {
        let layout = self.sae();
        let folder = layout.folder();
        std::fs::create_dir_all(folder).map_err(|error| CheckpointError::io(folder, error))?;
        let (cfg, tensors) = sae.into_tensors();
        let sparsity = Numbers::f32(&[log_sparsity.len()], log_sparsity);
        let path = self.folder.join("sparsity.safetensors");
        whole_file::save_tensors(&path, [("sparsity".to_owned(), sparsity)])?;
        whole_file::save_tensors(&layout.weights(), tensors)?;
        let text = cfg.to_json() + "\n";
        Ok(whole_file::write(&layout.cfg(), text.as_bytes())?)
    }
}

/// `metrics.jsonl`: appended to, line by line.
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
    file: File,
}

/// A line: a step, the tokens after it, and figures by SAELens' names.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MetricsLine {
    /// The step, counted from 0.
    pub step: u64,
    /// Tokens that were trained on after it.
    pub tokens: u64,
    /// The figures.
    pub values: Vec<(String, f64)>,
}

const STEP: &str = "step";
const TOKENS: &str = "details/n_training_samples";

impl MetricsLine {
    /// A line without figures.
    pub fn new(step: u64, tokens: u64) -> Self {
        Self {
            step,
            tokens,
            values: Vec::new(),
        }
    }

    /// As JSON; a figure that is not a number is null.
    pub fn to_json(&self) -> Value {
        let mut line = Map::new();
        line.insert(STEP.to_owned(), self.step.into());
        line.insert(TOKENS.to_owned(), self.tokens.into());
        let values = self
            .values
            .iter()
            .map(|(name, value)| (name.clone(), (*value).into()));
        line.extend(values);
        line.into()
    }

    fn from_json(line: &str) -> Option<Self> {
        let line: Map<String, Value> = serde_json::from_str(line).ok()?;
        let mut read = Self::new(line.get(STEP)?.as_u64()?, line.get(TOKENS)?.as_u64()?);
        for (name, value) in line
            .iter()
            .filter(|(name, _)| *name != STEP && *name != TOKENS)
        {
            read.values
                .push((name.clone(), value.as_f64().unwrap_or(f64::NAN)));
        }
        Some(read)
    }
}

impl MetricsLog {
    /// Begins a log, or goes on with one: of the lines that are there, those stay that are of the first `tokens` tokens. Returns them.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn open(path: &Path, tokens: u64) -> Result<(Self, Vec<MetricsLine>), CheckpointError> {
        let io = |error| CheckpointError::io(path, error);
        let (mut lines, mut text) = (Vec::new(), String::new());
        match File::open(path) {
            Ok(file) => {
                for read in BufReader::new(file).lines() {
                    let read = read.map_err(io)?;
                    // What follows a broken line was written by nobody who had finished it.
                    let Some(line) = MetricsLine::from_json(&read) else {
                        break;
                    };
                    if line.tokens <= tokens {
                        // As it is: a number that is read and written may change in its last digit.
                        text.push_str(&read);
                        text.push('\n');
                        lines.push(line);
                    }
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(io(error)),
        }
        whole_file::write(path, text.as_bytes())?;
        let file = OpenOptions::new().append(true).open(path).map_err(io)?;
        Ok((
            Self {
                path: path.to_owned(),
                file,
            },
            lines,
        ))
    }

    /// Appends a line.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn push(&mut self, line: &MetricsLine) -> Result<(), CheckpointError> {
        let text = format!("{}\n", line.to_json());
        self.file
            .write_all(text.as_bytes())
            .map_err(|error| CheckpointError::io(&self.path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_gone_on_with_loses_what_came_after_the_checkpoint() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let line = |step: u64| {
            let mut line = MetricsLine::new(step, 100 * (step + 1));
            line.values
                .push(("losses/overall_loss".to_owned(), 0.1 + step as f64));
            line
        };
        let (mut log, before) = MetricsLog::open(&path, 0).unwrap();
        assert!(before.is_empty());
        (0..5).for_each(|step| log.push(&line(step)).unwrap());
        drop(log);
        let torn = std::fs::read_to_string(&path).unwrap() + "{\"step\": 5, \"deta";
        std::fs::write(&path, torn).unwrap();
        let (mut log, before) = MetricsLog::open(&path, 300).unwrap();
        assert_eq!(before, [line(0), line(1), line(2)]);
        log.push(&line(3)).unwrap();
        let (_, all) = MetricsLog::open(&path, u64::MAX).unwrap();
        assert_eq!(all.len(), 4);
    }
}
