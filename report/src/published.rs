//! What an SAE's authors say of it.

use sae_releases::{Named, PublishedSae};
use serde::Serialize;

/// An SAE of a release, with its figures as published.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Published {
    /// The release.
    pub release: &'static str,
    /// The SAE.
    #[serde(flatten)]
    pub sae: &'static PublishedSae,
}

impl From<Named> for Published {
    fn from(found: Named) -> Self {
        Self {
            release: &found.release.name,
            sae: found.sae,
        }
    }
}

impl Published {
    /// What is known, on one line; nothing if nothing is.
    pub fn text(&self) -> String {
        let l0 = self.sae.l0.map(|l0| format!("L0 {l0}"));
        let explained = self.sae.explained_variance;
        let explained = explained.map(|share| format!("explained variance {share:.3}"));
        let on_neuronpedia = self.sae.neuronpedia.as_ref();
        let on_neuronpedia = on_neuronpedia.map(|id| format!("neuronpedia.org/{id}"));
        let known = [l0, explained, on_neuronpedia].into_iter().flatten();
        known.collect::<Vec<_>>().join(", ")
    }
}
