//! Where an interrupted `sae tokenize` resumes from: a file beside its output.

use anyhow::{Context, Result};
use dataset_stream::StreamState;
use std::path::{Path, PathBuf};

/// A state holds one unfinished row; beyond this, it is something else.
const MOST_BYTES: u64 = 1 << 30;

/// `OUT.state.json`.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    state: PathBuf,
    /// `OUT.part`, the rows that it refers to.
    partial: PathBuf,
}

impl Checkpoint {
    pub(crate) fn beside(out: &Path) -> Self {
        let with = |suffix| {
            let mut name = out.file_name().unwrap_or_default().to_owned();
            name.push(suffix);
            out.with_file_name(name)
        };
        Self {
            state: with(".state.json"),
            partial: with(".part"),
        }
    }

    /// The context of an error where resuming fails.
    pub(crate) fn advice(&self) -> String {
        let path = self.state.display();
        if self.state.exists() {
            format!("going on from {path}, which may be removed to start again")
        } else {
            "starting".to_owned()
        }
    }

    /// The state that an earlier run has left, if one has, with its partial output.
    pub(crate) fn read(&self) -> Result<Option<StreamState>> {
        let Ok(found) = std::fs::metadata(&self.state) else {
            return Ok(None);
        };
        if !self.partial.exists() {
            tracing::warn!(
                "{} is left over: there is no {} to go on with",
                self.state.display(),
                self.partial.display()
            );
            return Ok(None);
        }
        let damaged = || {
            format!(
                "{}: is not a state that `sae tokenize` has left; remove it to start again",
                self.state.display()
            )
        };
        anyhow::ensure!(found.is_file() && found.len() <= MOST_BYTES, damaged());
        let text = std::fs::read_to_string(&self.state).with_context(damaged)?;
        serde_json::from_str(&text).map(Some).with_context(damaged)
    }

    pub(crate) fn write(&self, state: &StreamState) -> Result<()> {
        Ok(whole_file::write(
            &self.state,
            serde_json::to_string(state)?.as_bytes(),
        )?)
    }

    /// After the work is done.
    pub(crate) fn remove(self) -> Result<()> {
        match std::fs::remove_file(&self.state) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{}: cannot be removed", self.state.display()))
            }
            _ => Ok(()),
        }
    }
}
