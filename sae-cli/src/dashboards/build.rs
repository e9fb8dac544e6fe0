//! From a log and weights to features, for whoever wants them.

use super::tokens::Rows;
use super::weights::Weights;
use crate::interrupt;
use anyhow::Result;
use dataset_stream::TokenTable;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sae_dashboard::{
    ActivationLog, Contexts, Feature, Overview, Progress, Settings, Source, Summary, collect,
};
use std::ops::ControlFlow;

/// Takes features in ascending order.
pub(crate) trait Sink {
    fn push(&mut self, feature: &Feature) -> Result<()>;

    /// After the last one: what it has written appears.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// A log, the tokens it speaks of, and what is known of it as a whole.
pub(crate) struct Collected<'a> {
    pub(crate) log: &'a ActivationLog,
    pub(crate) table: &'a TokenTable,
    pub(crate) summary: &'a Summary,
    pub(crate) features: &'a [u32],
}

impl Collected<'_> {
    /// The SAE as a whole.
    pub(crate) fn overview(&self, source: Source, weights: &Weights) -> Overview {
        let summary = self.summary;
        let rows = Rows(self.table);
        let top_token = |place: &Option<(u64, u32)>| {
            let (context, position) = (*place)?;
            rows.tokens(context)?.get(position as usize).copied()
        };
        let density = summary
            .n_fired
            .iter()
            .map(|&n| (n as f64 / summary.n_tokens.max(1) as f64) as f32);
        let mut lens_token = vec![None; summary.n_fired.len()];
        for (&feature, lens) in self.features.iter().zip(&weights.lenses) {
            let top = lens.as_ref().and_then(|lens| lens.top.first());
            lens_token[feature as usize] = top.map(|top| top.token);
        }
        if weights.lenses.iter().all(Option::is_none) {
            lens_token.clear();
        }
        Overview {
            source,
            d_sae: summary.n_fired.len() as u32,
            n_tokens: summary.n_tokens,
            n_contexts: self.log.n_contexts() as u64,
            density: density.collect(),
            max: summary.max.clone(),
            mean: summary.mean.iter().map(|&mean| mean as f32).collect(),
            decoder_norm: weights.norms.clone(),
            top_token: summary.argmax.iter().map(top_token).collect(),
            lens_token,
            shown: self.features.to_vec(),
        }
    }

    /// Hands every feature that is shown to all of the sinks, which then finish.
    pub(crate) fn run(
        &self,
        settings: &Settings,
        mut weights: Weights,
        mut sinks: Vec<Box<dyn Sink + '_>>,
        quiet: bool,
    ) -> Result<()> {
        let bar = bar(quiet, self.features.len());
        let mut observer = |progress: Progress| {
            bar.set_position(progress.features as u64);
            match interrupt::check() {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        };
        let mut place = 0;
        collect(
            self.log,
            self.summary,
            &Rows(self.table),
            self.features,
            settings,
            &mut observer,
            |part| {
                let feature = weights.join(place, part);
                place += 1;
                for sink in &mut sinks {
                    sink.push(&feature)?;
                }
                Ok(())
            },
        )?;
        bar.finish_and_clear();
        for sink in sinks {
            sink.finish()?;
        }
        Ok(())
    }
}

fn bar(quiet: bool, features: usize) -> ProgressBar {
    let target = if quiet {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(Some(features as u64), target);
    let template = "{msg:12} {bar:30} {human_pos}/{human_len} features  {per_sec}  {eta} left";
    bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed"));
    bar.set_message("collecting");
    bar
}
