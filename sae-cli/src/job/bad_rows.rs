//! The rows of a data set that cannot be used, counted and perhaps set aside.

use crate::args::bad_rows::OnBadRow;
use anyhow::{Result, anyhow};
use dataset_stream::BadRow;
use serde_json::json;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use whole_file::{WholeFile, WriteError};

/// The bad rows of a run. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    rows: u64,
    first: Option<String>,
    quarantine: Option<WholeFile>,
    failed: Option<std::io::Error>,
}

impl Log {
    /// A place for the rows that the option is about.
    pub(crate) fn new(on_bad_row: &OnBadRow) -> Result<Self> {
        let OnBadRow::Quarantine(path) = on_bad_row else {
            return Ok(Self::default());
        };
        let file = WholeFile::create(path).map_err(|error| in_flags(&error))?;
        let state = State {
            quarantine: Some(file),
            ..State::default()
        };
        Ok(Self(Arc::new(Mutex::new(state))))
    }

    pub(crate) fn push(&self, bad: &BadRow) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.rows += 1;
        if state.first.is_none() {
            state.first = Some(bad.reason.clone());
        }
        if let Some(file) = &mut state.quarantine {
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
            Some(file) => {
                if let Some(error) = state.failed.take() {
                    return Err(in_flags(&file.error(error)));
                }
                let kept = format!(" and are in {}", file.path().display());
                file.finish().map_err(|error| in_flags(&error))?;
                kept
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

fn in_flags(error: &WriteError) -> anyhow::Error {
    anyhow!("--on-bad-row: {error}")
}
