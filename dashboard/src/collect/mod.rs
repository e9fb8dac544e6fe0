//! From an activation log to what each feature responds to.

mod activations;
mod coactivation;
mod examples;
mod quantile;
mod random;
mod statistics;
mod summary;
mod tokens;

use std::borrow::Cow;

use rayon::prelude::*;
use sae_progress::Observer;
use thiserror::Error;

use crate::{ActivationLog, Group, Neighbour, Statistics, ValueHistogram};
pub(crate) use activations::{Activations, Fired};
pub use quantile::shares_below;
pub(crate) use random::rank;
pub(crate) use statistics::QUANTILES;
pub use summary::Summary;
pub use tokens::firing_tokens;

/// The tokens of contexts, by the contexts' numbers.
pub trait Contexts: Sync {
    /// The ids of a context; `None` if there is no such context.
    fn tokens(&self, context: u64) -> Option<Cow<'_, [u32]>>;
}

impl Contexts for [Vec<u32>] {
    fn tokens(&self, context: u64) -> Option<Cow<'_, [u32]>> {
        let row = self.get(usize::try_from(context).ok()?)?;
        Some(Cow::Borrowed(row))
    }
}

/// Options of collecting. The result depends on everything here but `memory`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectOptions {
    /// Examples in the top group.
    pub n_top: usize,
    /// Intervals of equal width of the activations, `(0, max]` cut into this many.
    pub n_intervals: usize,
    /// Examples in each interval.
    pub n_per_interval: usize,
    /// Examples drawn from all tokens on which the feature fires.
    pub n_random: usize,
    /// Tokens shown before the one that an example is about.
    pub before: usize,
    /// Tokens shown after it.
    pub after: usize,
    /// Neighbours by co-activation.
    pub n_neighbours: usize,
    /// Firing tokens of a feature on which the others are counted; a sample where there are more.
    pub coactive_sample: usize,
    /// The seed of the samples.
    pub seed: u64,
    /// Bytes of activations that are gathered at a time; more features than fit take another scan of the log.
    pub memory: u64,
}

impl Default for CollectOptions {
    /// 20 top examples; 5 intervals, 5 examples in each; 5 at random; 48 tokens before and 24 after; 10 neighbours from up to 1,024 tokens; 1 GiB.
    fn default() -> Self {
        Self {
            n_top: 20,
            n_intervals: 5,
            n_per_interval: 5,
            n_random: 5,
            before: 48,
            after: 24,
            n_neighbours: 10,
            coactive_sample: 1024,
            seed: 0,
            memory: 1 << 30,
        }
    }
}

/// What the activations say about one feature.
#[derive(Debug, Clone, PartialEq)]
pub struct FeaturePart {
    /// The feature.
    pub index: u32,
    /// Figures of its activations.
    pub statistics: Statistics,
    /// Its activations above zero.
    pub activations: ValueHistogram,
    /// Features that fire with it, and on how many tokens they were counted.
    pub coactive: Vec<Neighbour>,
    /// Tokens that `coactive` is estimated from.
    pub n_sampled: u64,
    /// Contexts it fires in.
    pub groups: Vec<Group>,
}

/// How far collecting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectProgress {
    /// Features done.
    pub features: usize,
    /// Of this many.
    pub of: usize,
}

/// Why the taker of features cannot take one.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// Why collecting stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CollectError {
    /// The log refers to a feature that the dictionary does not have.
    #[error(
        "the activation log is damaged: context {context} has feature {feature}, and the dictionary {d_sae}"
    )]
    NoSuchFeature {
        /// Where.
        context: u64,
        /// The feature.
        feature: u32,
        /// The width of the dictionary.
        d_sae: u32,
    },
    /// A feature that was asked for.
    #[error("there is no feature {feature}: the dictionary has {d_sae}, counted from 0")]
    Unknown {
        /// The feature.
        feature: u32,
        /// The width of the dictionary.
        d_sae: u32,
    },
    /// A context without tokens.
    #[error(
        "the log has context {context}, whose tokens are not there; are these the tokens it was made from?"
    )]
    NoTokens {
        /// The context.
        context: u64,
    },
    /// The sink cannot take a feature.
    #[error(transparent)]
    Sink(SinkError),
    /// The observer stopped the work.
    #[error("stopped")]
    Stopped,
}

/// Hands what the activations say about each of the features to `sink`, in the order of their numbers. Features asked for twice come once.
///
/// `summary` is that of the log. The log is read once for every [`CollectOptions::memory`] bytes of activations (12 each) of the features asked for.
/// The result does not depend on the number of threads, nor on how the log was written.
///
/// # Errors
/// As [`CollectError`] lists them.
///
/// # Panics
/// If the summary is of another log.
pub fn collect(
    log: &ActivationLog,
    summary: &Summary,
    contexts: &(impl Contexts + ?Sized),
    features: &[u32],
    settings: &CollectOptions,
    observer: &mut impl Observer<CollectProgress>,
    mut sink: impl FnMut(FeaturePart) -> Result<(), SinkError>,
) -> Result<(), CollectError> {
    let (counts, n_tokens) = (&summary.n_fired, summary.n_tokens);
    let mut features = features.to_vec();
    features.sort_unstable();
    features.dedup();
    let d_sae = log.info().d_sae;
    if let Some(&feature) = features.last().filter(|&&feature| feature >= d_sae) {
        return Err(CollectError::Unknown { feature, d_sae });
    }
    let (of, mut done) = (features.len(), 0);
    let mut rest = features.as_slice();
    while !rest.is_empty() {
        let (tile, after) = rest.split_at(Activations::fit(rest, counts, settings.memory));
        rest = after;
        tracing::debug!(features = tile.len(), "scanning the log");
        let gathered = Activations::gather(log, tile, counts);
        for some in (0..tile.len()).collect::<Vec<_>>().chunks(AT_ONCE) {
            let parts: Vec<_> = some
                .par_iter()
                .map_init(coactivation::Counter::default, |counter, &i| {
                    part(
                        log,
                        contexts,
                        tile[i],
                        gathered.of(i),
                        n_tokens,
                        settings,
                        counter,
                    )
                })
                .collect();
            for part in parts {
                sink(part?).map_err(CollectError::Sink)?;
                done += 1;
            }
            let progress = CollectProgress { features: done, of };
            if observer.observe(&progress).is_break() {
                return Err(CollectError::Stopped);
            }
        }
    }
    Ok(())
}

/// Features that are worked on before the sink gets them.
const AT_ONCE: usize = 64;

fn part(
    log: &ActivationLog,
    contexts: &(impl Contexts + ?Sized),
    index: u32,
    fired: activations::Fired<'_>,
    n_tokens: u64,
    settings: &CollectOptions,
    counter: &mut coactivation::Counter,
) -> Result<FeaturePart, CollectError> {
    let (coactive, n_sampled) = coactivation::neighbours(log, index, fired, settings, counter);
    Ok(FeaturePart {
        index,
        statistics: statistics::statistics(fired.values, n_tokens),
        activations: statistics::histogram(fired.values),
        coactive,
        n_sampled,
        groups: examples::groups(log, contexts, index, fired, settings)?,
    })
}

#[cfg(test)]
mod tests;
