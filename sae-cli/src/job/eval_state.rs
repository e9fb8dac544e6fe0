//! `sae eval --resume FILE`: the sums so far, and where the rows resume.

use super::outputs::check_file;
use super::rows::{RowPlace, Rows};
use crate::terminal::interrupt;
use anyhow::{Context, Result, bail, ensure};
use sae_llama::difference;
use sae_metrics::{
    Autoencoder, Evaluation, EvaluationProgress, Observer, ProtocolOptions, SplitModel,
    evaluate_more,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// Statistics are some hundred bytes a feature; beyond this, the file is something else.
const MOST_BYTES: u64 = 4 << 30;
const FORMAT: &str = "sae eval state 1";

/// An evaluation that can be resumed, if that is wanted.
#[derive(Debug)]
pub(crate) struct Resumption {
    file: Option<StateFile>,
    /// The state that an earlier run has left.
    found: Option<State>,
    /// Rows between two states.
    every: u64,
}

/// The file.
#[derive(Debug)]
struct StateFile {
    path: PathBuf,
}

/// The state that an interrupted evaluation has left. CBOR, so that no bit of a sum is lost.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    format: String,
    /// Everything that the figures depend on: model, SAE, masking and so on, as messages call them.
    made_from: Value,
    /// Rows in a batch. The sums are the same to the last bit only if batches are.
    batch_size: usize,
    rows: RowPlace,
    evaluation: Evaluation,
}

impl Resumption {
    /// With the state in `path`, which is written anew after every so many rows. Without a path, nothing is kept.
    pub(crate) fn open(path: Option<&Path>, every: u64) -> Result<Self> {
        if let Some(path) = path {
            check_file("--resume", path)?;
        }
        let file = path.map(|path| StateFile {
            path: path.to_owned(),
        });
        let found = match &file {
            Some(file) => file.read()?,
            None => None,
        };
        Ok(Self { file, found, every })
    }

    /// Where the rows resume.
    pub(crate) fn place(&self) -> Option<RowPlace> {
        self.found.as_ref().map(|state| state.rows.clone())
    }

    /// Rows in a batch, if they are settled.
    pub(crate) fn batch_size(&self) -> Option<usize> {
        self.found.as_ref().map(|state| state.batch_size)
    }

    /// How much may be kept for `explained_variance_legacy`: nothing where a state is written, which would be as large.
    pub(crate) fn legacy_bytes(&self) -> usize {
        match &self.file {
            Some(_) => 0,
            None => ProtocolOptions::default().legacy_bytes,
        }
    }

    /// An error's message, with what to do if it comes from the state.
    pub(crate) fn advise<T>(&self, result: Result<T>) -> Result<T> {
        match &self.file {
            Some(file) if self.found.is_some() => result.with_context(|| {
                format!(
                    "going on from {}, which may be removed to start again",
                    file.path.display()
                )
            }),
            _ => result,
        }
    }

    /// Evaluates the rows, after those that were evaluated before, and writes states on the way. `made_from` is everything that the figures
    /// depend on.
    pub(crate) fn evaluate<M: SplitModel, S: Autoencoder>(
        &mut self,
        model: &M,
        sae: &S,
        rows: &mut Rows,
        options: &ProtocolOptions,
        made_from: &Value,
        observer: &mut impl Observer<EvaluationProgress>,
    ) -> Result<Evaluation> {
        let mut evaluation = Evaluation::new(sae.d_sae(), options.legacy_bytes);
        if self.file.is_some() {
            interrupt::will_go_on();
        }
        if let (Some(file), Some(state)) = (&self.file, self.found.take()) {
            file.check(&state, made_from)?;
            evaluation = state.evaluation;
        }
        // Whole batches, so that they are those of a run that is not interrupted.
        let at_once = match &self.file {
            Some(_) => self.every.next_multiple_of(options.batch_size as u64),
            None => u64::MAX,
        };
        loop {
            let before = evaluation.sparsity.tokens.sequences;
            let part = rows
                .by_ref()
                .take(usize::try_from(at_once).unwrap_or(usize::MAX));
            evaluate_more(model, sae, part, options, &mut evaluation, observer)?;
            if evaluation.sparsity.tokens.sequences - before < at_once {
                return Ok(evaluation);
            }
            if let Some(file) = &self.file {
                file.write(&State {
                    format: FORMAT.to_owned(),
                    made_from: made_from.clone(),
                    batch_size: options.batch_size,
                    rows: rows.place(),
                    evaluation: evaluation.clone(),
                })?;
            }
        }
    }

    /// Clears the state away, after the figures are written.
    pub(crate) fn done(self) -> Result<()> {
        let Some(StateFile { path }) = self.file else {
            return Ok(());
        };
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{}: cannot be removed", path.display()))
            }
            _ => Ok(()),
        }
    }
}

impl StateFile {
    /// The state that an earlier run has left, if one has.
    fn read(&self) -> Result<Option<State>> {
        let Ok(found) = std::fs::metadata(&self.path) else {
            return Ok(None);
        };
        let damaged = || {
            format!(
                "--resume {}: is not a state that `sae eval` has left; give another name, of a file that is not there yet",
                self.path.display()
            )
        };
        ensure!(found.is_file() && found.len() <= MOST_BYTES, damaged());
        let file = File::open(&self.path).with_context(damaged)?;
        // The library's message would not help anyone.
        let state: Result<State, _> = ciborium::from_reader(BufReader::new(file));
        let Ok(state) = state else { bail!(damaged()) };
        ensure!(state.format == FORMAT, damaged());
        Ok(Some(state))
    }

    /// Refuses a state of other figures than these.
    fn check(&self, state: &State, made_from: &Value) -> Result<()> {
        if let Some(difference) = difference("", &state.made_from, made_from) {
            bail!(
                "--resume {}: was begun with another {difference}; remove it to start again",
                self.path.display()
            );
        }
        Ok(())
    }

    fn write(&self, state: &State) -> Result<()> {
        let mut bytes = Vec::new();
        ciborium::into_writer(state, &mut bytes).context("the state cannot be written down")?;
        Ok(whole_file::write(&self.path, &bytes)?)
    }
}
