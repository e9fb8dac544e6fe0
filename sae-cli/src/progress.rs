//! Progress bars on stderr; silent when it is not a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
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
        // A bar draws on stderr only if that is a terminal.
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(total, target);
        let template = match total {
            Some(_) => "{msg:12} {bar:30} {human_pos}/{human_len} tokens  {per_sec}  {eta} left",
            None => "{msg:12} {spinner} {human_pos} tokens  {per_sec}  {elapsed}",
        };
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed"));
        bar.set_message(what);
        Self { bar, context_size }
    }

    /// Sets how many sequences are done.
    pub(crate) fn sequences(&self, done: u64) {
        self.bar
            .set_position(done.saturating_mul(self.context_size));
    }

    /// An observer for `sae_metrics`.
    pub(crate) fn observer(&self) -> impl FnMut(sae_metrics::Progress) -> ControlFlow<()> + '_ {
        |progress| {
            self.sequences(progress.sequences);
            ControlFlow::Continue(())
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
