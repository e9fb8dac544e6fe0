//! Trainers on data whose features are known, and how many of these they find.
//!
//! For the test `planted`, and for the benchmarks' program of that name.

mod dictionary;
#[path = "../draws/mod.rs"]
mod draws;
mod settings;

use dictionary::{Planted, best_cosines};
use draws::Draws;
use sae_train::{TrainArchitecture, Trainer};

/// Planted directions.
const DIRECTIONS: usize = 64;
/// Width of the samples.
const D_IN: usize = 32;
/// Width of a transcoder's targets.
const D_OUT: usize = 40;
/// Length of the offset that all samples share.
const OFFSET: f64 = 0.5;
/// A direction is found by a decoder row that has this |cosine| with it.
const FOUND: f64 = 0.95;

/// What came of a training.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) architecture: TrainArchitecture,
    pub(crate) steps: u64,
    /// Part of the planted directions that were found.
    pub(crate) recovered: f64,
    /// The same of what the skip connection leaves of them.
    pub(crate) recovered_beside_skip: Option<f64>,
    /// Mean over planted directions of the largest |cosine|.
    pub(crate) mean_cosine: f64,
    /// Active features of a sample at the last step.
    pub(crate) l0: f64,
    /// `mse_loss` at the first and the last step.
    pub(crate) mse: [f64; 2],
    /// The whole loss at the first and the last step.
    pub(crate) loss: [f64; 2],
}

impl Outcome {
    /// The head of a table in Markdown.
    pub(crate) const HEAD: &str = "\
        | architecture | steps | recovered | beside skip | mean best cosine | L0 | mse, first → last | loss, first → last |\n\
        |---|---|---|---|---|---|---|---|";

    /// A row of it.
    pub(crate) fn row(&self) -> String {
        let percent = |part: f64| format!("{:.1} %", 100.0 * part);
        let ([mse, mse_end], [loss, loss_end]) = (self.mse, self.loss);
        format!(
            "| {} | {} | {} | {} | {:.3} | {:.2} | {mse:.3} → {mse_end:.3} | {loss:.3} → {loss_end:.3} |",
            self.architecture,
            self.steps,
            percent(self.recovered),
            self.recovered_beside_skip.map(percent).unwrap_or_default(),
            self.mean_cosine,
            self.l0,
        )
    }
}

/// Trains with the settings of `settings.rs` on fresh samples.
pub(crate) fn train(architecture: TrainArchitecture, seed: u64) -> Outcome {
    let options = settings::settings(architecture);
    let transcoder = architecture.is_transcoder();
    let d_out = if transcoder { D_OUT } else { D_IN };
    let mut planted = Planted::new(DIRECTIONS, D_IN, d_out, OFFSET, seed);
    if architecture.has_skip() {
        planted = planted.with_linear_part(seed + 1);
    }
    let mut draws = Draws::new(seed + 2);
    let mut trainer = Trainer::new(&options, D_IN, d_out).expect("settings that work");
    let mut reports = Vec::new();
    while !trainer.is_done() {
        let (x, y) = planted.batch(options.train_batch_size_tokens, &mut draws);
        let report = trainer.step(&x, transcoder.then_some(y.as_slice()));
        reports.push(report.expect("losses that are numbers"));
    }
    let weights = trainer.weights();
    let recovery = |w_skip| {
        let wanted = planted.wanted(transcoder, w_skip);
        let cosines = best_cosines(&wanted, &weights.w_dec, d_out);
        let found = cosines.iter().filter(|&&cosine| cosine >= FOUND).count();
        let n = cosines.len() as f64;
        (found as f64 / n, cosines.iter().sum::<f64>() / n)
    };
    let (recovered, mean_cosine) = recovery(None);
    let (first, last) = (&reports[0], &reports[reports.len() - 1]);
    Outcome {
        architecture,
        steps: trainer.counts().steps,
        recovered,
        recovered_beside_skip: architecture
            .has_skip()
            .then(|| recovery(Some(&weights.w_skip)).0),
        mean_cosine,
        l0: last.l0,
        mse: [first.losses[0].1, last.losses[0].1],
        loss: [first.overall_loss, last.overall_loss],
    }
}
