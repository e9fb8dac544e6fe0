//! From a log and weights to features, for any number of sinks.

use super::ShownWeights;
use crate::{
    ActivationLog, CollectError, CollectOptions, CollectProgress, Contexts, Feature, Overview,
    SinkError, Source, Summary, collect, firing_tokens,
};
use sae_progress::Observer;

/// Tokens that a feature makes likelier, of which a search knows.
const N_PROMOTED: usize = 5;

/// Takes features in ascending order.
pub trait Sink {
    /// The next feature.
    ///
    /// # Errors
    /// If it cannot be written.
    fn push(&mut self, feature: &Feature) -> Result<(), SinkError>;

    /// After the last one: the output gets its name.
    ///
    /// # Errors
    /// If it cannot be written.
    fn finish(self: Box<Self>) -> Result<(), SinkError>;
}

/// A log, the tokens it refers to, a summary of it, and the features that are shown.
#[derive(Debug, Clone, Copy)]
pub struct Collected<'a, C> {
    /// The activations.
    pub log: &'a ActivationLog,
    /// The tokens of its contexts.
    pub contexts: &'a C,
    /// The summary of the log.
    pub summary: &'a Summary,
    /// Features to show, ascending.
    pub features: &'a [u32],
}

impl<C: Contexts> Collected<'_, C> {
    /// The SAE as a whole.
    pub fn overview(&self, source: Source, weights: &ShownWeights) -> Overview {
        let summary = self.summary;
        let fires_on = firing_tokens(self.log, summary, self.contexts);
        let density = summary
            .n_fired
            .iter()
            .map(|&n| (n as f64 / summary.n_tokens.max(1) as f64) as f32);
        let mut lens_token = vec![None; summary.n_fired.len()];
        let mut promotes = vec![Vec::new(); summary.n_fired.len()];
        for (&feature, lens) in self.features.iter().zip(&weights.lenses) {
            let top = lens.iter().flat_map(|lens| &lens.top).map(|top| top.token);
            let top: Vec<u32> = top.take(N_PROMOTED).collect();
            lens_token[feature as usize] = top.first().copied();
            promotes[feature as usize] = top;
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
            top_token: fires_on
                .iter()
                .map(|tokens| tokens.first().copied())
                .collect(),
            lens_token,
            shown: self.features.to_vec(),
            fires_on,
            promotes,
            labels: Vec::new(),
        }
    }

    /// Finishes sinks that take no features, of formats that do not [show](super::Format::shows_features) any.
    ///
    /// # Errors
    /// If a sink fails.
    pub fn run_without_features(sinks: Vec<Box<dyn Sink + '_>>) -> Result<(), CollectError> {
        let finished = sinks.into_iter().try_for_each(Sink::finish);
        finished.map_err(CollectError::Sink)
    }

    /// Hands every feature that is shown to all of the sinks, which then finish.
    ///
    /// # Errors
    /// If the log is damaged, a sink fails, or the observer stops the work.
    pub fn run(
        &self,
        options: &CollectOptions,
        mut weights: ShownWeights,
        mut sinks: Vec<Box<dyn Sink + '_>>,
        observer: &mut impl Observer<CollectProgress>,
    ) -> Result<(), CollectError> {
        let mut place = 0;
        collect(
            self.log,
            self.summary,
            self.contexts,
            self.features,
            options,
            observer,
            |part| {
                let feature = weights.join(place, part);
                place += 1;
                sinks.iter_mut().try_for_each(|sink| sink.push(&feature))
            },
        )?;
        Self::run_without_features(sinks)
    }
}
