//! The activations themselves, for exports that are made of more than a feature's page.

use super::ExportError;
use crate::collect::{Activations, Fired};
use crate::{ActivationLog, CollectError, Contexts, Summary};
use std::borrow::Cow;

/// What is not above this is none in delphi.
const LEAST: f32 = 1e-5;

/// An activation log, the tokens that it refers to, and a summary of it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Logged<'a> {
    /// The activations.
    pub log: &'a ActivationLog,
    /// The tokens of its contexts.
    pub contexts: &'a dyn Contexts,
    /// The summary of the log.
    pub summary: &'a Summary,
    /// Bytes of activations that are gathered at a time, 12 each; less memory, more scans of the log.
    pub memory: u64,
}

impl<'a> Logged<'a> {
    /// A log with its tokens and its summary; 1 GiB of activations are gathered at a time.
    pub fn new(log: &'a ActivationLog, contexts: &'a dyn Contexts, summary: &'a Summary) -> Self {
        Self {
            log,
            contexts,
            summary,
            memory: 1 << 30,
        }
    }

    /// The tokens of the context at a place of the log.
    pub(super) fn tokens(&self, place: usize) -> Result<Cow<'a, [u32]>, ExportError> {
        let context = self.log.context(place);
        let tokens = self.contexts.tokens(context);
        let tokens = tokens.filter(|ids| ids.len() == self.context_size());
        Ok(tokens.ok_or(CollectError::NoTokens { context })?)
    }

    pub(super) fn context_size(&self) -> usize {
        self.log.info().context_size as usize
    }

    /// As many of the features as fit in memory, and their activations.
    pub(super) fn gather<'f>(&self, features: &'f [u32]) -> (&'f [u32], Activations) {
        let counts = &self.summary.n_fired;
        let fit = Activations::fit(features, counts, self.memory);
        let tile = &features[..fit.min(features.len())];
        (tile, Activations::gather(self.log, tile, counts))
    }

    /// Context's place and position of each activation, and its value. What is not above 10⁻⁵ does not count as an activation, as in delphi's cache.
    pub(super) fn located<'f>(
        &self,
        fired: Fired<'f>,
    ) -> impl Iterator<Item = (u32, u32, f32)> + use<'f> {
        let size = self.log.info().context_size;
        let places = fired.places.iter().zip(fired.values);
        let counted = places.filter(|&(_, &value)| value > LEAST);
        counted.map(move |(&at, &value)| {
            let (place, position) = (at / u64::from(size), at % u64::from(size));
            (place as u32, position as u32, value)
        })
    }
}

impl std::fmt::Debug for Logged<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logged")
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}
