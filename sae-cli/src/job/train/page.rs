//! `training.html`, and what was logged so far.

use super::runs::Planned;
use crate::terminal;
use anyhow::Result;
use sae_report::{TrainingRecord, TrainingRun, TrainingState, training_page};
use sae_train::MetricsLine;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// Between two times that the page is written.
const EVERY: Duration = Duration::from_secs(5);

/// The page, and when it was written last.
pub(super) struct Page {
    state: TrainingState,
    last: Instant,
}

impl Page {
    pub(super) fn new(title: String, of_tokens: u64) -> Self {
        Self {
            state: TrainingState::new(title, of_tokens),
            last: Instant::now(),
        }
    }

    /// Adds a run, with what an earlier call has logged of it.
    pub(super) fn add(&mut self, plan: &Planned, lines: Vec<MetricsLine>) {
        let mut run = TrainingRun::new(&plan.name, plan.options().architecture.name());
        flatten(&plan.config.to_json(), &mut run.settings);
        run.records = lines.into_iter().map(of_line).collect();
        self.state.runs.push(run);
    }

    /// Adds what was logged.
    pub(super) fn push(&mut self, run: usize, line: MetricsLine) {
        self.state.runs[run].records.push(of_line(line));
    }

    pub(super) fn records(&self, run: usize) -> &[TrainingRecord] {
        &self.state.runs[run].records
    }

    pub(super) fn is_due(&self) -> bool {
        self.last.elapsed() > EVERY
    }

    /// Writes the page as things are now.
    pub(super) fn write(
        &mut self,
        path: &Path,
        tokens: u64,
        rate: f64,
        running: bool,
    ) -> Result<()> {
        self.last = Instant::now();
        let state = &mut self.state;
        if let Some(first) = state.runs.first_mut() {
            first.warnings = terminal::warnings();
        }
        let left = state.of_tokens.saturating_sub(tokens) as f64;
        (state.tokens, state.tokens_per_s, state.running) = (tokens, rate, running);
        state.seconds_left = (rate > 0.0).then(|| left / rate);
        Ok(whole_file::write(path, training_page(state).as_bytes())?)
    }
}

fn of_line(line: MetricsLine) -> TrainingRecord {
    TrainingRecord::new(line.step, line.tokens, line.values)
}

/// Settings as words.
fn flatten(value: &Value, all: &mut Vec<(String, String)>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Object(_) => flatten(value, all),
            Value::String(text) => all.push((key.clone(), text.clone())),
            other => all.push((key.clone(), other.to_string())),
        }
    }
}
