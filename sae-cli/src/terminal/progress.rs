//! Progress bars on stderr; silent when it is not a terminal.

use super::interrupt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use llama_hooked::DownloadProgress;
use sae_attribution_graph::AttributeProgress;
use sae_dashboard::CollectProgress;
use sae_llama::contrast::PromptProgress;
use sae_llama::dashboard::LoggingProgress;
use sae_llama::record::RecordProgress;
use sae_metrics::EvaluationProgress;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// A bar over sequences of tokens, with rate and time left; the total may be unknown.
pub(crate) struct Bar {
    bar: ProgressBar,
    context_size: u64,
}

impl Bar {
    pub(crate) fn new(
        quiet: bool,
        what: &'static str,
        sequences: Option<u64>,
        context_size: usize,
    ) -> Self {
        let context_size = context_size as u64;
        let total = sequences.map(|n| n.saturating_mul(context_size));
        let bar = ProgressBar::with_draw_target(total, target(quiet));
        let template = match total {
            Some(_) => "{msg:12} {bar:30} {human_pos}/{human_len} tokens  {per_sec}  {eta} left",
            None => "{msg:12} {spinner} {human_pos} tokens  {per_sec}  {elapsed}",
        };
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed"));
        bar.set_message(what);
        Self { bar, context_size }
    }

    /// Begins with so many sequences, which an earlier call has done.
    pub(crate) fn begin_at(&self, done: u64) {
        self.sequences(done);
        self.bar.reset_eta();
    }

    /// Sets how many sequences are done.
    pub(crate) fn sequences(&self, done: u64) {
        self.bar
            .set_position(done.saturating_mul(self.context_size));
    }

    /// An observer of an evaluation, which Ctrl-C stops by the rows it is given.
    pub(crate) fn evaluation(&self) -> impl FnMut(&EvaluationProgress) -> ControlFlow<()> + '_ {
        |progress| {
            self.sequences(progress.sequences);
            ControlFlow::Continue(())
        }
    }

    /// An observer of a log under way, which Ctrl-C stops.
    pub(crate) fn logging(&self) -> impl FnMut(&LoggingProgress) -> ControlFlow<()> + '_ {
        |progress| {
            self.sequences(progress.contexts);
            interrupt::flow()
        }
    }

    /// An observer of prompts that run, which Ctrl-C stops.
    pub(crate) fn prompts(&self) -> impl FnMut(&PromptProgress) -> ControlFlow<()> + '_ {
        |progress| {
            self.sequences(progress.prompts);
            interrupt::flow()
        }
    }

    /// An observer of recording, which Ctrl-C stops.
    pub(crate) fn recording(&self) -> impl FnMut(&RecordProgress) -> ControlFlow<()> + '_ {
        |progress| {
            self.sequences(progress.rows);
            interrupt::flow()
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A bar draws on stderr only if that is a terminal.
fn target(quiet: bool) -> ProgressDrawTarget {
    if quiet {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    }
}

/// A bar over the bytes of files that are downloaded, with rate and time left. There is none until there is a byte to show.
pub(crate) struct Downloads {
    bar: Option<ProgressBar>,
    quiet: bool,
    totals: Totals,
}

impl Downloads {
    pub(crate) fn new(quiet: bool) -> Self {
        Self {
            bar: None,
            quiet,
            totals: Totals::default(),
        }
    }

    /// An observer of downloads, which Ctrl-C stops.
    pub(crate) fn observer(&mut self) -> impl FnMut(&DownloadProgress) -> ControlFlow<()> + '_ {
        |progress| {
            self.update(&progress.path, progress.done, progress.total);
            interrupt::flow()
        }
    }

    /// Sets how much of a file has arrived.
    fn update(&mut self, file: &str, done: u64, total: Option<u64>) {
        self.totals.update(file, done, total);
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(Some(0), target(self.quiet));
            let template = "{msg:12} {bar:30} {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left  {prefix}";
            bar.set_style(
                ProgressStyle::with_template(template).expect("the template is well-formed"),
            );
            bar.set_message("downloading");
            bar
        });
        let (done, total) = self.totals.sums();
        bar.set_length(total);
        bar.set_position(done);
        bar.set_prefix(shown(file));
    }
}

impl Drop for Downloads {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A bar over features, with rate and time left.
pub(crate) struct Features(ProgressBar);

impl Features {
    pub(crate) fn new(quiet: bool, features: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(features as u64), target(quiet));
        let template = "{msg:12} {bar:30} {human_pos}/{human_len} features  {per_sec}  {eta} left";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed"));
        bar.set_message("collecting");
        Self(bar)
    }

    /// An observer of collecting, which Ctrl-C stops.
    pub(crate) fn observer(&self) -> impl FnMut(&CollectProgress) -> ControlFlow<()> + '_ {
        |progress| {
            self.0.set_position(progress.features as u64);
            interrupt::flow()
        }
    }
}

impl Drop for Features {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A bar over runs of one prompt.
pub(crate) struct Runs(ProgressBar);

impl Runs {
    pub(crate) fn new(quiet: bool, what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, target(quiet));
        let template = "{msg:12} {bar:30} {human_pos} runs  {per_sec}  {elapsed}";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed"));
        bar.set_message(what);
        Self(bar)
    }

    /// Sets how many are done, of how many; 0 where that is not known.
    pub(crate) fn set(&self, done: usize, total: usize) {
        if total > 0 {
            self.0.set_length(total as u64);
        }
        self.0.set_position(done as u64);
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A bar over tokens that are generated and not shown; rows that end early leave it short.
pub(crate) struct NewTokens(ProgressBar);

impl NewTokens {
    pub(crate) fn new(quiet: bool, what: &'static str, total: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total as u64), target(quiet));
        let template = "{msg:12} {bar:30} {human_pos}/{human_len} tokens  {per_sec}  {eta} left";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed"));
        bar.set_message(what);
        Self(bar)
    }

    pub(crate) fn one(&self) {
        self.0.inc(1);
    }
}

impl Drop for NewTokens {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A bar over the tokens of a training run, with rate, time left and how it goes.
pub(crate) struct TrainingBar(ProgressBar);

impl TrainingBar {
    pub(crate) fn new(quiet: bool, tokens: u64, done: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(tokens), target(quiet));
        let template =
            "{msg:12} {bar:24} {human_pos}/{human_len} tokens  {per_sec}  {eta} left  {prefix}";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed"));
        bar.set_message("training");
        bar.set_position(done);
        // What an earlier call did is not this one's speed.
        bar.reset_eta();
        Self(bar)
    }

    pub(crate) fn set(&self, tokens: u64) {
        self.0.set_position(tokens);
    }

    pub(crate) fn say(&self, loss: f64, l0: f64, explained: f64, dead: usize) {
        self.0.set_prefix(format!(
            "loss {loss:.4}  L0 {l0:.1}  explained {:.1} %  {dead} dead",
            100.0 * explained
        ));
    }
}

impl Drop for TrainingBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A bar over the blocks whose features are found, and then over the features whose edges are.
pub(crate) struct GraphBar(ProgressBar);

impl GraphBar {
    pub(crate) fn new(quiet: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), target(quiet));
        let template = "{msg:12} {bar:30} {human_pos}/{human_len}  {eta} left";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed"));
        Self(bar)
    }

    /// An observer of a graph under way, which Ctrl-C stops.
    pub(crate) fn observer(&mut self) -> impl FnMut(&AttributeProgress) -> ControlFlow<()> + '_ {
        |progress| {
            let (what, done, of) = match *progress {
                AttributeProgress::Encoding { layers, of } => ("encoding", layers, of),
                AttributeProgress::Attributing { features, of } => ("attributing", features, of),
            };
            if self.0.message() != what {
                self.0.set_message(what);
                self.0.reset();
            }
            self.0.set_length(of as u64);
            self.0.set_position(done as u64);
            interrupt::flow()
        }
    }
}

impl Drop for GraphBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// The name of a file, which somebody else chose, for the terminal.
fn shown(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or_default();
    let plain = name.chars().filter(char::is_ascii_graphic);
    plain.take(40).collect()
}

/// Bytes of files that come at the same time.
#[derive(Debug, Default)]
struct Totals(BTreeMap<String, (u64, u64)>);

impl Totals {
    fn update(&mut self, file: &str, done: u64, total: Option<u64>) {
        let now = (done, total.unwrap_or(done).max(done));
        match self.0.get_mut(file) {
            Some(known) => *known = now,
            None => drop(self.0.insert(file.to_owned(), now)),
        }
    }

    /// Done and in all.
    fn sums(&self) -> (u64, u64) {
        let add = |(a, b): (u64, u64), (x, y): &(u64, u64)| (a + x, b + y);
        self.0.values().fold((0, 0), add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_add_up() {
        let mut totals = Totals::default();
        totals.update("a", 1, Some(10));
        totals.update("b", 5, None);
        totals.update("a", 7, Some(10));
        assert_eq!(totals.sums(), (12, 15));
    }

    #[test]
    fn names_cannot_steer_the_terminal() {
        assert_eq!(shown("a/b/\u{1b}[2Jx.st"), "[2Jx.st");
        assert_eq!(shown(&"x".repeat(99)).len(), 40);
    }
}
