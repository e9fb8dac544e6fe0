//! Several SAEs trained side by side on the same activations.

mod error;
mod runs;
mod state;

pub use error::SessionError;
pub use runs::{ReportedStep, TrainingRun};
pub use state::checkpoints;

use crate::buffer::MixingBuffer;
use crate::options::Normalization;
use crate::random::Random;
use crate::trainer::Trainer;
use sae_core::ActivationScales;
use std::error::Error;

/// Where activations come from.
pub trait Activations {
    /// Width of each hook's activations, in the order in which a row has them.
    fn widths(&self) -> &[usize];

    /// Appends the next rows, each the activations of one token at all hooks, one after the other. False at the end of the data.
    ///
    /// # Errors
    /// If they cannot be made or read.
    fn next(&mut self, rows: &mut Vec<f32>) -> Result<bool, Box<dyn Error + Send + Sync>>;

    /// Where the next call goes on: what [`seek`](Self::seek) takes. 0 is the beginning.
    fn place(&self) -> u64;

    /// Goes on from a place.
    fn seek(&mut self, place: u64);
}

/// How activations are mixed and how often they may be seen.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SessionOptions {
    /// Tokens of a step.
    pub batch_tokens: usize,
    /// Tokens that the buffer holds before it serves.
    pub buffer_tokens: usize,
    /// Share of them that stays to be mixed with what comes; 0 for none, and no shuffling.
    pub mixing_fraction: f64,
    /// Seeds the order.
    pub seed: u64,
    /// Times that the data may be read; none for as often as it takes.
    pub epochs: Option<u64>,
}

impl SessionOptions {
    /// Half of `buffer_tokens` mixed, one pass over the data.
    pub fn new(batch_tokens: usize, buffer_tokens: usize, seed: u64) -> Self {
        Self {
            batch_tokens,
            buffer_tokens,
            mixing_fraction: 0.5,
            seed,
            epochs: Some(1),
        }
    }
}

/// Runs of training that share their activations: the model is run once per token for all.
#[derive(Debug)]
pub struct Session<A> {
    options: SessionOptions,
    source: A,
    runs: Vec<TrainingRun>,
    buffer: MixingBuffer,
    batch: Vec<Vec<f32>>,
    incoming: Vec<f32>,
    /// Times that the data was read to its end.
    epochs: u64,
    /// Whether the present pass has given anything.
    given: bool,
    ended: bool,
}

/// Streams of random numbers: 0 draws weights.
const ORDER: u64 = 1;

impl<A: Activations> Session<A> {
    /// Begins.
    ///
    /// # Errors
    /// If a run reads a hook that there is not, or one of another width.
    pub fn new(
        options: &SessionOptions,
        source: A,
        runs: Vec<TrainingRun>,
    ) -> Result<Self, SessionError> {
        let widths = source.widths();
        for run in &runs {
            run.check(widths)?;
        }
        let random = Random::new(options.seed, ORDER);
        let width = widths.iter().sum();
        Ok(Self {
            buffer: MixingBuffer::new(
                width,
                options.batch_tokens,
                options.buffer_tokens,
                options.mixing_fraction,
                random,
            ),
            batch: vec![Vec::new(); widths.len()],
            incoming: Vec::new(),
            options: options.clone(),
            source,
            runs,
            epochs: 0,
            given: false,
            ended: false,
        })
    }

    /// The runs.
    pub fn runs(&self) -> &[TrainingRun] {
        &self.runs
    }

    /// Where activations come from.
    pub fn source(&self) -> &A {
        &self.source
    }

    /// As [`source`](Self::source), to be changed: an observer, for example.
    pub fn source_mut(&mut self) -> &mut A {
        &mut self.source
    }

    /// Times that the data was read to its end.
    pub fn epochs(&self) -> u64 {
        self.epochs
    }

    /// Whether the data has come to an end and is not read again.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether every run is done.
    pub fn is_done(&self) -> bool {
        self.runs.iter().all(|run| run.trainer.is_done())
    }

    /// Trains every run that is not done on the next batch, after finding the norms of activations if that is to come first.
    ///
    /// # Errors
    /// If activations cannot be made, there are no more of them, or a run diverges.
    pub fn step(&mut self) -> Result<Vec<ReportedStep>, SessionError> {
        if self.runs.iter().any(|run| run.trainer.wants_scales()) {
            self.find_scales()?;
        }
        self.next_batch()?;
        let mut reports = Vec::new();
        for (index, run) in self.runs.iter_mut().enumerate() {
            if run.trainer.is_done() {
                continue;
            }
            let target = run.target.map(|hook| self.batch[hook].as_slice());
            let step = run.trainer.step(&self.batch[run.input], target);
            let report = step.map_err(|source| SessionError::Diverged {
                run: run.name.clone(),
                source,
            })?;
            reports.push(ReportedStep { run: index, report });
        }
        Ok(reports)
    }

    /// The batch of the last step, at a run's input and target hooks.
    pub fn batch(&self, run: usize) -> (&[f32], &[f32]) {
        let run = &self.runs[run];
        (
            &self.batch[run.input],
            &self.batch[run.target.unwrap_or(run.input)],
        )
    }

    /// The share of the last batch's variance that a run explained before its step: `1 − mean ‖x − x̂‖² / mean ‖x − x̄‖²`.
    pub fn explained_variance(&self, step: &ReportedStep) -> f64 {
        let trainer = &self.runs[step.run].trainer;
        let (_, target) = self.batch(step.run);
        let d = trainer.shape().d_out;
        let n = (target.len() / d) as f64;
        let (mut sums, mut squares) = (vec![0.0_f64; d], 0.0);
        for row in target.chunks_exact(d) {
            for (sum, &x) in sums.iter_mut().zip(row) {
                *sum += f64::from(x);
                squares += f64::from(x) * f64::from(x);
            }
        }
        let variance = (squares - sums.iter().map(|sum| sum * sum).sum::<f64>() / n) / n;
        let scale = trainer.scales().map_or(1.0, |scales| scales.target);
        let mse = step
            .report
            .losses
            .iter()
            .find(|(name, _)| name == "mse_loss");
        1.0 - mse.map_or(f64::NAN, |(_, mse)| *mse) / (variance * scale * scale)
    }

    /// Mean norms over as many batches as the settings say, which are not trained on.
    fn find_scales(&mut self) -> Result<(), SessionError> {
        let wanted = self.runs.iter().filter(|run| run.trainer.wants_scales());
        let batches = wanted
            .map(|run| run.trainer.options().n_batches_for_norm_estimate)
            .max()
            .unwrap_or(0);
        let widths = self.source.widths().to_vec();
        let (mut sums, mut tokens) = (vec![0.0_f64; widths.len()], 0_usize);
        for _ in 0..batches.max(1) {
            self.next_batch()?;
            tokens += self.options.batch_tokens;
            for ((sum, hook), &width) in sums.iter_mut().zip(&self.batch).zip(&widths) {
                let norms = hook
                    .chunks_exact(width)
                    .map(|row| row.iter().map(|x| x * x).sum::<f32>().sqrt());
                *sum += norms.map(f64::from).sum::<f64>();
            }
        }
        for run in &mut self.runs {
            if run.trainer.options().normalize_activations == Normalization::ExpectedAverageOnlyIn
                && run.trainer.scales().is_none()
            {
                let mean = |hook: usize| sums[hook] / tokens as f64;
                let shape = run.trainer.shape();
                let scales = shape.scales(mean(run.input), mean(run.target.unwrap_or(run.input)));
                run.trainer.set_scales(scales);
            }
        }
        Ok(())
    }

    fn next_batch(&mut self) -> Result<(), SessionError> {
        let widths = self.source.widths().to_vec();
        loop {
            if self.buffer.next(&widths, &mut self.batch) {
                return Ok(());
            }
            if self.ended {
                let rows = self.buffer.len();
                return Err(SessionError::OutOfData {
                    epochs: self.epochs,
                    rows,
                });
            }
            self.incoming.clear();
            let more = self
                .source
                .next(&mut self.incoming)
                .map_err(SessionError::Activations)?;
            if more {
                self.given |= !self.incoming.is_empty();
                self.buffer.push(&self.incoming);
                continue;
            }
            let was_empty = !std::mem::take(&mut self.given);
            self.epochs += 1;
            if was_empty || self.options.epochs.is_some_and(|most| self.epochs >= most) {
                self.ended = true;
                self.buffer.end();
            } else {
                self.source.seek(0);
            }
        }
    }

    /// The trainers, at the end.
    pub fn into_runs(self) -> Vec<TrainingRun> {
        self.runs
    }
}

impl Trainer {
    /// The factors that inputs and targets are multiplied by, once they are known.
    pub fn scales(&self) -> Option<ActivationScales> {
        self.scales
    }
}
