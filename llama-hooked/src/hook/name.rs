//! Hook points as text: TransformerLens' names.

use super::point::{AFTER, BEFORE, BLOCK, HookPoint};
use std::fmt;
use std::str::FromStr;

const PREFIX: &str = "blocks.";

/// Suggestions shown for a name that is not one.
const SUGGESTIONS: usize = 3;

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(layer) = self.layer() {
            write!(f, "{PREFIX}{layer}.")?;
        }
        f.write_str(self.entry().name)
    }
}

impl FromStr for HookPoint {
    type Err = UnknownHook;

    /// Reads a name as `Display` writes it, such as `blocks.3.attn.hook_z`. Whether the model has such a block is not known
    /// here: see [`HookPoint::validate`].
    fn from_str(name: &str) -> Result<Self, UnknownHook> {
        let known = match split(name) {
            Some((layer, rest)) => BLOCK
                .iter()
                .find(|entry| entry.name == rest)
                .map(|entry| entry.point(layer)),
            None => BEFORE
                .iter()
                .chain(AFTER)
                .find(|entry| entry.name == name)
                .map(|entry| entry.point(0)),
        };
        // Only the canonical spelling counts, so that one point has one name: not `blocks.03.`, not `blocks.+3.`.
        known
            .filter(|point| point.to_string() == name)
            .ok_or_else(|| UnknownHook::new(name))
    }
}

impl HookPoint {
    /// Checks that a model with `n_layers` blocks has this point.
    ///
    /// # Errors
    /// If the block does not exist; the message gives those that do.
    pub fn validate(self, n_layers: usize) -> Result<(), LayerOutOfRange> {
        match self.layer() {
            Some(layer) if layer >= n_layers => Err(LayerOutOfRange {
                point: self,
                n_layers,
            }),
            _ => Ok(()),
        }
    }
}

/// A hook name that no point has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no hook {name:?}; did you mean {}?", near.join(", "))]
pub struct UnknownHook {
    /// What was asked for.
    pub name: String,
    /// The most similar names there are, best first. `{i}` stands for a block number where none was given.
    pub near: Vec<String>,
}

/// A hook in a block that the model does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{point} does not exist: the model has {n_layers} blocks, blocks.0 to blocks.{}", n_layers.saturating_sub(1))]
pub struct LayerOutOfRange {
    /// What was asked for.
    pub point: HookPoint,
    /// How many blocks the model has.
    pub n_layers: usize,
}

impl UnknownHook {
    fn new(name: &str) -> Self {
        let layer = split(name).map(|(layer, _)| layer);
        let block = layer.map_or_else(
            || format!("{PREFIX}{{i}}."),
            |layer| format!("{PREFIX}{layer}."),
        );
        // With the prefix when it was given, without when it was not: a bare `hook_resid_post` should find its block form first.
        let typed = layer.map_or(name, |_| name.splitn(3, '.').last().unwrap_or(name));
        let mut candidates: Vec<_> = BLOCK
            .iter()
            .map(|entry| (format!("{block}{}", entry.name), entry.name))
            .chain(
                BEFORE
                    .iter()
                    .chain(AFTER)
                    .map(|entry| (entry.name.to_owned(), entry.name)),
            )
            .map(|(full, bare)| (similarity(name, &full).max(similarity(typed, bare)), full))
            .collect();
        candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
        let near = candidates
            .into_iter()
            .take(SUGGESTIONS)
            .map(|(_, full)| full)
            .collect();
        Self {
            name: name.to_owned(),
            near,
        }
    }
}

fn similarity(typed: &str, candidate: &str) -> f64 {
    // A bare ending, such as `hook_z` for `attn.hook_z`, is as good as the name itself.
    let ending = candidate.rsplit('.').next().unwrap_or(candidate);
    strsim::normalized_damerau_levenshtein(typed, candidate)
        .max(strsim::normalized_damerau_levenshtein(typed, ending))
}

/// `blocks.3.attn.hook_z` → `(3, "attn.hook_z")`.
fn split(name: &str) -> Option<(usize, &str)> {
    let (layer, rest) = name.strip_prefix(PREFIX)?.split_once('.')?;
    Some((layer.parse().ok()?, rest))
}
