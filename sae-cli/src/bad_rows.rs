//! `--on-bad-row`: what becomes of rows of a data set that cannot be used.

use crate::output::temporary_beside;
use crate::targets::follow;
use anyhow::{Context, Result};
use dataset_stream::{BadRow, BadRows};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::NamedTempFile;

/// More than this share of bad rows is an error even where they are skipped.
const AT_MOST_PERCENT: u8 = 10;

/// The option's value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum OnBadRow {
    #[default]
    Error,
    Skip,
    Quarantine(PathBuf),
}

impl FromStr for OnBadRow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "error" => Ok(Self::Error),
            None if text == "skip" => Ok(Self::Skip),
            Some(("quarantine", file)) if !file.is_empty() => Ok(Self::Quarantine(file.into())),
            _ => Err(format!(
                "{text:?} is none of error, skip, quarantine=FILE.jsonl"
            )),
        }
    }
}

impl OnBadRow {
    /// The file that is to be written, if one is.
    pub(crate) fn file(&self) -> Option<(&'static str, &Path)> {
        match self {
            Self::Quarantine(path) => Some(("--on-bad-row", path)),
            _ => None,
        }
    }

    pub(crate) fn policy(&self) -> BadRows {
        match self {
            Self::Error => BadRows::Error,
            Self::Skip | Self::Quarantine(_) => BadRows::Skip {
                at_most_percent: AT_MOST_PERCENT,
            },
        }
    }

    /// A place for the rows.
    pub(crate) fn log(&self) -> Result<Log> {
        let Self::Quarantine(path) = self else {
            return Ok(Log::default());
        };
        let path = follow(path);
        let file = temporary_beside(&path)
            .with_context(|| format!("--on-bad-row: {} cannot be written", path.display()))?;
        let state = State {
            quarantine: Some((file, path)),
            ..State::default()
        };
        Ok(Log(Arc::new(Mutex::new(state))))
    }
}

/// The bad rows of a run. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    rows: u64,
    first: Option<String>,
    quarantine: Option<(NamedTempFile, PathBuf)>,
    failed: Option<std::io::Error>,
}

impl Log {
    pub(crate) fn push(&self, bad: &BadRow) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.rows += 1;
        if state.first.is_none() {
            state.first = Some(bad.reason.clone());
        }
        if let Some((file, _)) = &mut state.quarantine {
            let line = json!({
                "location": bad.location.to_string(),
                "reason": bad.reason,
                "record": String::from_utf8_lossy(&bad.record),
            });
            if let Err(error) = writeln!(file, "{line}") {
                state.failed.get_or_insert(error);
            }
        }
    }

    /// Puts the quarantine in its place and says how many rows were left out, which is also returned.
    pub(crate) fn finish(self) -> Result<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = match state.quarantine.take() {
            None => String::new(),
            Some((file, path)) => {
                let failed = || format!("--on-bad-row: {} cannot be written", path.display());
                if let Some(error) = state.failed.take() {
                    return Err(error).with_context(failed);
                }
                file.persist(&path)
                    .map_err(|e| e.error)
                    .with_context(failed)?;
                format!(" and are in {}", path.display())
            }
        };
        if let Some(first) = &state.first {
            tracing::warn!(
                "{} rows of the data set could not be used{kept}; the first: {first}",
                state.rows
            );
        }
        Ok(state.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::OnBadRow::{self, Error, Quarantine, Skip};

    #[test]
    fn the_three_ways_are_told_apart() {
        assert_eq!("error".parse(), Ok(Error));
        assert_eq!("skip".parse(), Ok(Skip));
        assert_eq!(
            "quarantine=a=b.jsonl".parse(),
            Ok(Quarantine("a=b.jsonl".into()))
        );
        for wrong in ["", "quarantine", "quarantine=", "skip=x", "Error"] {
            assert!(wrong.parse::<OnBadRow>().is_err(), "{wrong}");
        }
    }
}
