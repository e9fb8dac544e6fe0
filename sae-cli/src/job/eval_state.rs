//! `sae eval --resume FILE`: the sums so far, and where the rows resume.

use super::outputs::check_file;
use super::rows::{RowPlace, Rows};
use crate::terminal::interrupt;
use anyhow::{Context, Result, bail, ensure};
use sae_llama::difference;
use sae_metrics::{
    Autoencoder, Evaluation, EvaluationProgress, Observer, ProtocolOptions,
    ReconstructionStatistics, SplitModel, evaluate_more,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// Statistics are some hundred bytes a feature; beyond this, the file is something else.
const MOST_BYTES: u64 = 4 << 30;
const FORMAT: &str = "sae eval state 2";

/// An evaluation that can be resumed, if that is wanted.
#[derive(Debug)]
pub(crate) struct Resumption {
    file: Option<StateFile>,
    /// The state that an earlier run has left.
    found: Option<State>,
    /// Rows between two states.
    every: u64,
    /// What the states to come are of.
    settings: Settings,
}

/// What does not change from one state to the next.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Settings {
    /// Everything that the figures depend on: model, SAE, masking and so on, as messages call them.
    made_from: Value,
    /// Rows in a batch. The sums are the same to the last bit only if batches are.
    batch_size: usize,
    /// SAEs that are in memory at a time.
    sae_at_once: usize,
}

/// What has been measured so far, of one SAE or of several.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sums {
    /// Of each SAE, in the order of the call.
    pub(crate) saes: Vec<Evaluation>,
    /// Of all of them in place at once, if that is measured.
    pub(crate) together: Option<ReconstructionStatistics>,
    /// Tokens that went through a block of the model, where there are several SAEs.
    pub(crate) block_tokens: u64,
}

impl Sums {
    /// Nothing measured yet, of SAEs with so many features.
    pub(crate) fn new(
        d_saes: impl IntoIterator<Item = usize>,
        legacy_bytes: usize,
        together: bool,
    ) -> Self {
        let new = |d_sae| Evaluation::new(d_sae, legacy_bytes);
        Self {
            saes: d_saes.into_iter().map(new).collect(),
            together: together.then(ReconstructionStatistics::default),
            block_tokens: 0,
        }
    }

    /// Rows measured of an SAE.
    pub(crate) fn rows_of(&self, sae: usize) -> u64 {
        self.saes[sae].sparsity.tokens.sequences
    }

    /// Whether these could be sums of the same SAEs.
    fn is_like(&self, other: &Self) -> bool {
        let d_saes = |sums: &Self| -> Vec<usize> {
            let of = sums.saes.iter();
            of.map(|of| of.sparsity.density.d_sae()).collect()
        };
        d_saes(self) == d_saes(other) && self.together.is_some() == other.together.is_some()
    }
}

/// The file.
#[derive(Debug)]
struct StateFile {
    path: PathBuf,
}

/// The state that an interrupted evaluation has left. CBOR, so that no bit of a sum is lost.
#[derive(Debug, Deserialize)]
struct State {
    format: String,
    settings: Settings,
    /// Where the rows resume; where several groups of SAEs go over them, where they begin.
    rows: RowPlace,
    sums: Sums,
}

/// The same, to be written.
#[derive(Serialize)]
struct Written<'a> {
    format: &'static str,
    settings: &'a Settings,
    rows: RowPlace,
    sums: &'a Sums,
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
        Ok(Self {
            file,
            found,
            every,
            settings: Settings::default(),
        })
    }

    /// Where the rows resume.
    pub(crate) fn place(&self) -> Option<RowPlace> {
        self.found.as_ref().map(|state| state.rows.clone())
    }

    /// Rows in a batch, if they are settled.
    pub(crate) fn batch_size(&self) -> Option<usize> {
        self.found.as_ref().map(|state| state.settings.batch_size)
    }

    /// SAEs that are in memory at a time, if that is settled.
    pub(crate) fn sae_at_once(&self) -> Option<usize> {
        let found = self.found.as_ref();
        found.map(|state| state.settings.sae_at_once.max(1))
    }

    /// Whether states are written.
    pub(crate) fn is_kept(&self) -> bool {
        self.file.is_some()
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

    /// The sums to add to: those of an earlier run, or `new`. `made_from` is everything that the figures depend on.
    pub(crate) fn begin(
        &mut self,
        new: Sums,
        made_from: &Value,
        (batch_size, sae_at_once): (usize, usize),
    ) -> Result<Sums> {
        self.settings = Settings {
            made_from: made_from.clone(),
            batch_size,
            sae_at_once,
        };
        if self.file.is_some() {
            interrupt::will_go_on();
        }
        let (Some(file), Some(state)) = (&self.file, self.found.take()) else {
            return Ok(new);
        };
        file.check(&state, made_from)?;
        ensure!(state.sums.is_like(&new), file.damaged());
        Ok(state.sums)
    }

    /// Rows between two states: whole batches, so that they are those of a run that is not interrupted.
    pub(crate) fn rows_at_once(&self) -> u64 {
        match &self.file {
            Some(_) => {
                let batch = self.settings.batch_size.max(1) as u64;
                self.every.next_multiple_of(batch)
            }
            None => u64::MAX,
        }
    }

    /// Writes a state down, if states are wanted.
    pub(crate) fn save(&self, sums: &Sums, rows: RowPlace) -> Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        file.write(&Written {
            format: FORMAT,
            settings: &self.settings,
            rows,
            sums,
        })
    }

    /// Evaluates the rows, after those that were evaluated before, and writes states on the way. `made_from` is everything that the figures
    /// depend on.
    pub(crate) fn evaluate<M: SplitModel, S: Autoencoder>(
        &mut self,
        model: &M,
        sae: &S,
        rows: &mut Rows,
        (options, made_from): (&ProtocolOptions, &Value),
        observer: &mut impl Observer<EvaluationProgress>,
    ) -> Result<Evaluation> {
        let new = Sums::new([sae.d_sae()], options.legacy_bytes, false);
        let mut sums = self.begin(new, made_from, (options.batch_size, 1))?;
        let at_once = self.rows_at_once();
        loop {
            let before = sums.rows_of(0);
            let part = rows
                .by_ref()
                .take(usize::try_from(at_once).unwrap_or(usize::MAX));
            evaluate_more(model, sae, part, options, &mut sums.saes[0], observer)?;
            if sums.rows_of(0) - before < at_once {
                return Ok(sums.saes.swap_remove(0));
            }
            self.save(&sums, rows.place())?;
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
        let damaged = || self.damaged();
        ensure!(found.is_file() && found.len() <= MOST_BYTES, damaged());
        let file = File::open(&self.path).with_context(damaged)?;
        // The library's message would not help anyone.
        let state: Result<State, _> = ciborium::from_reader(BufReader::new(file));
        let Ok(state) = state else { bail!(damaged()) };
        ensure!(state.format == FORMAT, damaged());
        Ok(Some(state))
    }

    fn damaged(&self) -> String {
        format!(
            "--resume {}: is not a state that this version of `sae eval` has left; give another name, of a file that is not there yet",
            self.path.display()
        )
    }

    /// Refuses a state of other figures than these.
    fn check(&self, state: &State, made_from: &Value) -> Result<()> {
        if let Some(difference) = difference("", &state.settings.made_from, made_from) {
            bail!(
                "--resume {}: was begun with another {difference}; remove it to start again",
                self.path.display()
            );
        }
        Ok(())
    }

    fn write(&self, state: &Written<'_>) -> Result<()> {
        let mut bytes = Vec::new();
        ciborium::into_writer(state, &mut bytes).context("the state cannot be written down")?;
        Ok(whole_file::write(&self.path, &bytes)?)
    }
}
