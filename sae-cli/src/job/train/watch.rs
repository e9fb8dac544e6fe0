//! What happens between steps: a line in the log, an evaluation, a checkpoint, the page.

use super::out::OutFolder;
use super::page::Page;
use super::runs::Planned;
use crate::args::train::Args;
use crate::terminal::interrupt;
use crate::terminal::progress::TrainingBar;
use anyhow::{Context, Result, bail};
use sae_core::SaeLoadOptions;
use sae_llama::train::HeldOut;
use sae_report::TrainingRecord;
use sae_train::{
    Activations, MetricsLine, MetricsLog, ReportedStep, RunFolder, Session, SessionError,
};
use serde::Serialize;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Instant;

/// Steps between two lines of the log, as SAELens has it.
const LOG_EVERY: u64 = 10;
/// Lines between two evaluations.
const EVAL_EVERY: u64 = 100;
/// Checkpoints of a run unless told otherwise.
const CHECKPOINTS: u64 = 10;

/// The share of the loss that an SAE recovers, among the figures of an evaluation.
pub(crate) const CE_SCORE: &str = "model_performance_preservation/ce_loss_score";

/// What a run has come to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) steps: u64,
    pub(crate) tokens: u64,
    /// The last line of its log.
    pub(crate) last: serde_json::Value,
    /// The evaluation at the end, if there was one.
    pub(crate) evaluation: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Everything that is kept of the runs while they train.
pub(crate) struct Watch<'a> {
    out: &'a OutFolder,
    runs: Vec<Watched>,
    held_out: Option<(HeldOut, SaeLoadOptions)>,
    log_every: u64,
    eval_every: u64,
    checkpoint_every: u64,
    keep: usize,
    next_checkpoint: u64,
    made_from: Value,
    bar: TrainingBar,
    page: Page,
    started: (Instant, u64),
}

/// One run's log.
struct Watched {
    folder: RunFolder,
    log: MetricsLog,
    evaluation: Option<Vec<(String, f64)>>,
}

impl<'a> Watch<'a> {
    /// Opens the logs; lines beyond the checkpoint that is gone on from are dropped.
    pub(crate) fn new<A: Activations>(
        args: &Args,
        planned: &[Planned],
        out: &'a OutFolder,
        session: &Session<A>,
        held_out: Option<(HeldOut, SaeLoadOptions)>,
        made_from: Value,
        quiet: bool,
    ) -> Result<Self> {
        let config = &planned[0].config;
        let log_every = config.wandb_log_frequency.unwrap_or(LOG_EVERY);
        let tokens = planned
            .iter()
            .map(|run| run.options().training_tokens)
            .max()
            .unwrap_or(0);
        let title = format!(
            "{} at {}",
            config.model_name.as_deref().unwrap_or_default(),
            config.hook_name.as_deref().unwrap_or_default()
        );
        let mut page = Page::new(title, tokens);
        let mut runs = Vec::new();
        for (plan, run) in planned.iter().zip(session.runs()) {
            let folder = out.run(&plan.name);
            std::fs::create_dir_all(folder.path())
                .with_context(|| folder.path().display().to_string())?;
            let cfg = serde_json::to_string_pretty(&plan.config.to_json())? + "\n";
            whole_file::write(&folder.runner_cfg(), cfg.as_bytes())?;
            let (log, lines) = MetricsLog::open(&folder.metrics(), run.trainer.counts().tokens)?;
            page.add(plan, lines);
            runs.push(Watched {
                folder,
                log,
                evaluation: None,
            });
        }
        let checkpoint_every = match (args.checkpoint_every, config.n_checkpoints) {
            (Some(every), _) => every,
            (None, Some(n)) if n > 0 => tokens.div_ceil(n as u64 + 1),
            _ => tokens.div_ceil(CHECKPOINTS),
        };
        interrupt::will_say(
            "interrupted: there is no checkpoint; the same call with --resume begins again",
        );
        let done = session.tokens();
        Ok(Self {
            out,
            runs,
            held_out,
            log_every,
            eval_every: args
                .eval_every
                .unwrap_or(log_every * config.eval_every_n_wandb_logs.unwrap_or(EVAL_EVERY)),
            checkpoint_every,
            keep: args.keep_checkpoints.into(),
            next_checkpoint: done + checkpoint_every,
            made_from,
            bar: TrainingBar::new(quiet, tokens, done),
            page,
            started: (Instant::now(), done),
        })
    }

    /// Trains to the end. On Ctrl-C, or where a run diverges or its data ends, a checkpoint is left.
    pub(crate) fn train<A: Activations>(&mut self, session: &mut Session<A>) -> Result<()> {
        let mut epochs = session.epochs();
        while !session.is_done() {
            if interrupt::is_asked() {
                self.checkpoint(session)?;
                self.write_page(session, false)?;
                interrupt::check()?;
            }
            let steps = match session.step() {
                Ok(steps) => steps,
                Err(SessionError::OutOfData { epochs, rows }) if session.tokens() == 0 => bail!(
                    "the data does not even give a first step: {rows} tokens are left after it was read {}; give more, a smaller \
                     --train-batch-size-tokens, leave out --epochs, or leave out less (seqpos_slice, exclude_special_tokens)",
                    times(epochs)
                ),
                Err(SessionError::OutOfData { epochs, rows }) => {
                    tracing::warn!(
                        "the data has ended after {} tokens (read {}, {rows} tokens are less than a batch): the run ends here; \
                         more --epochs, or none, would go on",
                        session.tokens(),
                        times(epochs)
                    );
                    break;
                }
                Err(error) => {
                    if let Err(error) = self.checkpoint(session) {
                        tracing::warn!("no checkpoint is left: {error:#}");
                    }
                    return Err(error.into());
                }
            };
            if session.epochs() > epochs && !session.is_done() && !session.has_ended() {
                let tokens = session.tokens();
                if epochs == 0 {
                    tracing::warn!(
                        "all rows were trained on after {tokens} tokens: they are read again"
                    );
                } else {
                    tracing::info!("the data is read again after {tokens} tokens");
                }
                epochs = session.epochs();
            }
            for step in &steps {
                self.log(session, step)?;
            }
            let first = steps.first().map(|step| step.report.step);
            if first.is_some_and(|step| (step + 1).is_multiple_of(self.eval_every))
                && !session.is_done()
            {
                self.evaluate(session)?;
            }
            self.bar.set(session.tokens());
            if self.checkpoint_every > 0
                && session.tokens() >= self.next_checkpoint
                && !session.is_done()
            {
                self.checkpoint(session)?;
            }
            if self.page.is_due() {
                self.write_page(session, true)?;
            }
        }
        Ok(())
    }

    /// A line of a run's log, every so many steps and at the last.
    fn log<A: Activations>(&mut self, session: &Session<A>, step: &ReportedStep) -> Result<()> {
        let report = &step.report;
        let trainer = &session.runs()[step.run].trainer;
        // Rare figures are logged whenever there are any.
        let is_rare = report.metrics.iter().any(|(name, _)| name.contains('/'));
        if !(report.step + 1).is_multiple_of(self.log_every) && !trainer.is_done() && !is_rare {
            return Ok(());
        }
        let counts = trainer.counts();
        let since = counts
            .since_fired
            .iter()
            .map(|&n| f64::from(n))
            .sum::<f64>()
            / counts.since_fired.len() as f64;
        let mut line = MetricsLine::new(report.step, counts.tokens);
        let mut add = |name: String, value: f64| line.values.push((name, value));
        add("losses/overall_loss".to_owned(), report.overall_loss);
        for (name, loss) in &report.losses {
            add(format!("losses/{name}"), *loss);
        }
        let explained = session.explained_variance(step);
        add("metrics/explained_variance".to_owned(), explained);
        add("metrics/l0".to_owned(), report.l0);
        for (name, value) in &report.metrics {
            let is_whole = name.contains('/');
            let name = if is_whole {
                name.clone()
            } else {
                format!("metrics/{name}")
            };
            add(name, *value);
        }
        add("sparsity/mean_passes_since_fired".to_owned(), since);
        add(
            "sparsity/dead_features".to_owned(),
            report.dead_features as f64,
        );
        add("details/current_learning_rate".to_owned(), report.lr);
        if let Some(coefficient) = report.coefficient {
            let name = if trainer.options().architecture.has_threshold() {
                "l0"
            } else {
                "l1"
            };
            add(format!("details/{name}_coefficient"), coefficient);
        }
        add("details/gradient_norm".to_owned(), report.gradient_norm);
        add(
            "details/tokens_per_second".to_owned(),
            self.rate(session.tokens()),
        );
        record(&mut self.runs[step.run], &mut self.page, step.run, line)?;
        if step.run == 0 {
            self.bar.say(
                report.overall_loss,
                report.l0,
                explained,
                report.dead_features,
            );
        }
        Ok(())
    }

    fn rate(&self, tokens: u64) -> f64 {
        let (start, done) = self.started;
        (tokens - done) as f64 / start.elapsed().as_secs_f64().max(1e-9)
    }

    /// Evaluates every run on the rows that are kept back.
    pub(crate) fn evaluate<A: Activations>(&mut self, session: &Session<A>) -> Result<()> {
        let Some((held_out, on)) = &self.held_out else {
            return Ok(());
        };
        for (index, run) in session.runs().iter().enumerate() {
            let counts = run.trainer.counts();
            // A call that was killed after its last checkpoint may have come so far.
            let before = self
                .records(index)
                .last()
                .filter(|line| line.tokens == counts.tokens && !is_step(line));
            if let Some(line) = before {
                self.runs[index].evaluation = Some(line.values.clone());
                continue;
            }
            let finished = run.trainer.finished(&run.metadata);
            let split = held_out.split(&finished.cfg)?;
            let sae = finished.to_sae(on)?;
            let mut line = MetricsLine::new(counts.steps.saturating_sub(1), counts.tokens);
            line.values = held_out.evaluate(&split, &sae)?;
            let watched = &mut self.runs[index];
            watched.evaluation = Some(line.values.clone());
            record(watched, &mut self.page, index, line)?;
        }
        Ok(())
    }

    fn checkpoint<A: Activations>(&mut self, session: &Session<A>) -> Result<()> {
        // Before the first step there is nothing to keep, and batches that norms were estimated from would be lost.
        if self.checkpoint_every == 0 || session.tokens() == 0 {
            return Ok(());
        }
        session.checkpoint(&self.out.checkpoints(), self.keep, &self.made_from)?;
        interrupt::will_say(
            "interrupted: a checkpoint was written; give the same call with --resume to go on",
        );
        self.next_checkpoint = session.tokens() + self.checkpoint_every;
        Ok(())
    }

    /// Writes every finished SAE, and the page for the last time.
    pub(crate) fn finish<A: Activations>(mut self, session: &Session<A>) -> Result<Vec<Outcome>> {
        self.checkpoint(session)?;
        self.evaluate(session)?;
        // Before the SAEs: where they are, everything is.
        self.write_page(session, false)?;
        let mut outcomes = Vec::new();
        for (index, (run, watched)) in session.runs().iter().zip(&self.runs).enumerate() {
            let trainer = &run.trainer;
            watched
                .folder
                .save(trainer.finished(&run.metadata), trainer.log_sparsity())?;
            let last = self.records(index).iter().rev().find(|line| is_step(line));
            let evaluation = watched.evaluation.as_ref();
            let score = evaluation.and_then(|figures| {
                let (_, score) = figures.iter().find(|(name, _)| name == CE_SCORE)?;
                Some(*score)
            });
            if let Some(score) = score.filter(|score| *score < 0.0) {
                tracing::warn!(
                    "{}: the SAE is worse than none (CE score {score:.4}): the model predicts held-out text better with zeros in place of what it reconstructs; train longer, or look at --lr and the sparsity coefficient",
                    run.name
                );
            }
            outcomes.push(Outcome {
                name: run.name.clone(),
                folder: watched.folder.path().to_owned(),
                steps: trainer.counts().steps,
                tokens: trainer.counts().tokens,
                last: last.map_or(Value::Null, |record| {
                    let mut line = MetricsLine::new(record.step, record.tokens);
                    line.values.clone_from(&record.values);
                    line.to_json()
                }),
                evaluation: evaluation.map(|figures| {
                    let figures = figures.iter();
                    figures
                        .map(|(name, value)| (name.clone(), (*value).into()))
                        .collect()
                }),
            });
        }
        Ok(outcomes)
    }

    /// The page as it is now, one run beside the other.
    fn write_page<A: Activations>(&mut self, session: &Session<A>, running: bool) -> Result<()> {
        let tokens = session.tokens();
        self.page
            .write(&self.out.page(), tokens, self.rate(tokens), running)
    }

    /// What was logged of a run, step after step.
    fn records(&self, run: usize) -> &[TrainingRecord] {
        self.page.records(run)
    }
}

/// Adds a line to a run's log and to the page.
fn record(watched: &mut Watched, page: &mut Page, run: usize, line: MetricsLine) -> Result<()> {
    watched.log.push(&line)?;
    page.push(run, line);
    Ok(())
}

/// Whether a record is of a step, rather than of an evaluation.
fn is_step(line: &TrainingRecord) -> bool {
    let mut names = line.values.iter().map(|(name, _)| name);
    names.any(|name| name == "losses/overall_loss")
}

fn times(n: u64) -> String {
    match n {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    }
}
