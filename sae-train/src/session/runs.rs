//! One run among others.

use super::SessionError;
use crate::trainer::{StepReport, Trainer};
use sae_core::SaeMetadata;

/// An SAE in training, by name, and which hooks it reads and writes.
#[derive(Debug)]
#[non_exhaustive]
pub struct TrainingRun {
    /// Its name among the others: a folder's name.
    pub name: String,
    /// The trainer.
    pub trainer: Trainer,
    /// The hook that it reads, by its place in [`widths`](super::Activations::widths).
    pub input: usize,
    /// The hook that a transcoder writes.
    pub target: Option<usize>,
    /// Where it belongs.
    pub metadata: SaeMetadata,
}

/// A step of one of the runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReportedStep {
    /// Which run.
    pub run: usize,
    /// What the step did.
    pub report: StepReport,
}

impl TrainingRun {
    /// An SAE on the first hook.
    pub fn new(name: impl Into<String>, trainer: Trainer) -> Self {
        Self {
            name: name.into(),
            trainer,
            input: 0,
            target: None,
            metadata: SaeMetadata::default(),
        }
    }

    pub(super) fn check(&self, widths: &[usize]) -> Result<(), SessionError> {
        let shape = self.trainer.shape();
        let hooks = [
            (self.input, shape.d_in),
            (self.target.unwrap_or(self.input), shape.d_out),
        ];
        for (hook, expected) in hooks {
            let problem = match widths.get(hook) {
                None => format!("reads hook {hook} of {}", widths.len()),
                Some(&width) if width != expected => {
                    format!("is made for activations of width {expected}, the hook has {width}")
                }
                Some(_) => continue,
            };
            return Err(SessionError::Run {
                run: self.name.clone(),
                problem,
            });
        }
        Ok(())
    }
}
