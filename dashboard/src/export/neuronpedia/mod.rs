//! Neuronpedia's files: what SAEDashboard writes ([`BatchWriter`]), and what Neuronpedia exports and imports ([`ExportWriter`]).
//!
//! The formats are for directions of length one, as SAEDashboard makes them: activations are multiplied by the norm of the feature's
//! decoder direction, logits and the direction itself divided by it. Fields that have no counterpart here (correlations with neurons and
//! with the features of a batch, decoder weights by head) have the empty lists that SAEDashboard starts from. The random group has no
//! counterpart there and is left out.

mod batch;
mod dashboard;
mod export;
mod rows;

pub use batch::{BatchWriter, FEATURES_PER_FILE};
pub use export::{DEFAULT_CREATOR, Explanation, ExportWriter};

use std::fmt;
use std::str::FromStr;

use super::ExportError;

/// The name that Neuronpedia has for an SAE's features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceId {
    /// The model, by its name there, as `gpt2-small`: letters, digits, dashes, dots and underscores.
    pub model_id: String,
    /// The block of the model whose activations the SAE reads.
    pub layer: u32,
    /// The set of SAEs that it belongs to, as `res-jb`: letters, digits, dashes, dots and single underscores.
    pub sae_set: String,
    /// Distinguishes it from others of its set at the same layer.
    pub suffix: Option<String>,
}

impl FromStr for SourceId {
    type Err = ExportError;

    /// From `MODEL/LAYER-SET` or `MODEL/LAYER-SET__SUFFIX`, as `neuronpedia_id` of a `cfg.json` has it.
    fn from_str(text: &str) -> Result<Self, ExportError> {
        let parts = || {
            let (model_id, source) = text.split_once('/')?;
            let (layer, name) = source.split_once('-')?;
            let (set, suffix) = match name.split_once("__") {
                Some((set, suffix)) => (set, Some(suffix.to_owned())),
                None => (name, None),
            };
            Some(Self {
                model_id: model_id.to_owned(),
                layer: layer.parse().ok()?,
                sae_set: set.to_owned(),
                suffix,
            })
        };
        let id = parts().ok_or_else(|| ExportError::Name {
            what: "id of an SAE",
            value: text.to_owned(),
            expected: "it has to be MODEL/LAYER-SET or MODEL/LAYER-SET__SUFFIX, such as gpt2-small/6-res-jb",
        })?;
        id.check()?;
        Ok(id)
    }
}

/// The text that [`FromStr`] reads.
impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.model_id, self.source())
    }
}

impl SourceId {
    /// The layer that a hook name such as `blocks.15.hook_resid_post` names.
    pub fn layer_of(hook_name: &str) -> Option<u32> {
        let (_, rest) = hook_name.split_once("blocks.")?;
        rest.split('.').next()?.parse().ok()
    }

    /// `LAYER-SET`, or `LAYER-SET__SUFFIX`: what rows call `layer`.
    pub fn source(&self) -> String {
        let Self { layer, sae_set, .. } = self;
        match &self.suffix {
            Some(suffix) => format!("{layer}-{sae_set}__{suffix}"),
            None => format!("{layer}-{sae_set}"),
        }
    }

    /// The names are part of addresses there, and two underscores part the set from the suffix.
    ///
    /// # Errors
    /// When one of them cannot be.
    pub fn check(&self) -> Result<(), ExportError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let set = [
            ("set of SAEs", Some(&self.sae_set)),
            ("suffix", self.suffix.as_ref()),
        ];
        for (what, name) in set {
            let wrong = |name: &&String| {
                name.is_empty() || name.contains("__") || !name.chars().all(is_plain)
            };
            if let Some(value) = name.filter(wrong) {
                return Err(ExportError::Name {
                    what,
                    value: value.clone(),
                    expected: "it has to be letters, digits, dashes, dots and single underscores",
                });
            }
        }
        if self.model_id.is_empty() || !self.model_id.chars().all(is_plain) {
            return Err(ExportError::Name {
                what: "model",
                value: self.model_id.clone(),
                expected: "it has to be letters, digits, dashes, dots and underscores, such as gpt2-small",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
