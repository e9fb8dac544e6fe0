//! Hook points as text: TransformerLens' names.

use super::point::{AFTER, BEFORE, BLOCK, HookPoint};
use std::fmt;
use std::str::FromStr;

const PREFIX: &str = "blocks.";

/// Names of TransformerLens' bridge, which its versions 3 and 4 have, and the older names of the same points.
const BRIDGE: [(&str, &str); 16] = [
    ("embed.hook_out", "hook_embed"),
    ("hook_in", "hook_resid_pre"),
    ("attn.q.hook_out", "attn.hook_q"),
    ("attn.k.hook_out", "attn.hook_k"),
    ("attn.v.hook_out", "attn.hook_v"),
    ("attn.o.hook_in", "attn.hook_z"),
    ("attn.hook_out", "hook_attn_out"),
    ("ln2.hook_in", "hook_resid_mid"),
    ("ln2.hook_out", "mlp.hook_in"),
    ("mlp.gate.hook_out", "mlp.hook_pre"),
    ("mlp.in.hook_out", "mlp.hook_pre_linear"),
    ("mlp.out.hook_in", "mlp.hook_post"),
    ("mlp.hook_out", "hook_mlp_out"),
    ("hook_out", "hook_resid_post"),
    ("ln_final.hook_out", "unembed.hook_in"),
    ("hook_unembed", "unembed.hook_out"),
];

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

    /// Reads a name as `Display` writes it, such as `blocks.3.attn.hook_z`, or as TransformerLens' bridge has it, such as
    /// `blocks.3.attn.o.hook_in`. Whether the model has such a block is not known here: see [`HookPoint::validate`].
    fn from_str(name: &str) -> Result<Self, UnknownHook> {
        let (layer, rest) = match split(name) {
            Some((layer, rest)) => (Some(layer), rest),
            None => (None, name),
        };
        let of = |rest: &str| match layer {
            Some(layer) => BLOCK
                .iter()
                .find(|entry| entry.name == rest)
                .map(|entry| entry.point(layer)),
            None => BEFORE
                .iter()
                .chain(AFTER)
                .find(|entry| entry.name == rest)
                .map(|entry| entry.point(0)),
        };
        let bridged = BRIDGE.iter().find(|(bridge, _)| *bridge == rest);
        let known = of(rest).or_else(|| of(bridged?.1));
        // A number has one spelling: not `blocks.03.`, not `blocks.+3.`.
        let whole = |point: &HookPoint| match layer {
            Some(layer) => name.strip_prefix(PREFIX) == Some(&format!("{layer}.{rest}")),
            None => point.layer().is_none(),
        };
        known.filter(whole).ok_or_else(|| UnknownHook::new(name))
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
#[non_exhaustive]
pub struct UnknownHook {
    /// The name asked for.
    pub name: String,
    /// The most similar names there are, best first. `{i}` is in place of a block number where none was given.
    pub near: Vec<String>,
}

/// A hook in a block that the model does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{point} does not exist: the model has {n_layers} blocks, blocks.0 to blocks.{}", n_layers.saturating_sub(1))]
#[non_exhaustive]
pub struct LayerOutOfRange {
    /// The hook point asked for.
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

#[cfg(test)]
mod tests {
    use super::{HookPoint, UnknownHook};
    use proptest::prelude::*;
    use std::collections::HashSet;

    /// The names of TransformerLens, written out once more: the table is checked against something.
    const NAMES: [&str; 33] = [
        "hook_embed",
        "blocks.7.hook_resid_pre",
        "blocks.7.hook_attn_in",
        "blocks.7.hook_q_input",
        "blocks.7.hook_k_input",
        "blocks.7.hook_v_input",
        "blocks.7.ln1.hook_scale",
        "blocks.7.ln1.hook_normalized",
        "blocks.7.attn.hook_q",
        "blocks.7.attn.hook_k",
        "blocks.7.attn.hook_v",
        "blocks.7.attn.hook_rot_q",
        "blocks.7.attn.hook_rot_k",
        "blocks.7.attn.hook_attn_scores",
        "blocks.7.attn.hook_pattern",
        "blocks.7.attn.hook_z",
        "blocks.7.attn.hook_result",
        "blocks.7.hook_attn_out",
        "blocks.7.hook_resid_mid",
        "blocks.7.hook_mlp_in",
        "blocks.7.ln2.hook_scale",
        "blocks.7.ln2.hook_normalized",
        "blocks.7.mlp.hook_in",
        "blocks.7.mlp.hook_pre",
        "blocks.7.mlp.hook_pre_linear",
        "blocks.7.mlp.hook_post",
        "blocks.7.hook_mlp_out",
        "blocks.7.hook_resid_post",
        "ln_final.hook_scale",
        "ln_final.hook_normalized",
        "unembed.hook_in",
        "unembed.hook_out",
        "blocks.0.hook_resid_pre",
    ];

    #[test]
    fn names_are_those_of_transformer_lens() {
        for name in NAMES {
            assert_eq!(name.parse::<HookPoint>().unwrap().to_string(), name);
        }
        let all: HashSet<String> = HookPoint::all(8).map(|point| point.to_string()).collect();
        let distinct = all
            .iter()
            .filter(|name| !name.starts_with("blocks.") || name.starts_with("blocks.7."));
        assert_eq!(distinct.count(), NAMES.len() - 1);
    }

    #[test]
    fn names_of_the_bridge_are_other_names_of_the_same_points() {
        for (bridge, name) in super::BRIDGE {
            let in_a_block = |name: &str| format!("blocks.11.{name}").parse::<HookPoint>().ok();
            let outside = |name: &str| name.parse::<HookPoint>().ok();
            let point = in_a_block(name).or_else(|| outside(name));
            assert!(point.is_some(), "{name}");
            assert_eq!(
                in_a_block(bridge).or_else(|| outside(bridge)),
                point,
                "{bridge}"
            );
        }
        let point: HookPoint = "blocks.3.attn.o.hook_in".parse().unwrap();
        assert_eq!(point.to_string(), "blocks.3.attn.hook_z");
        for wrong in ["hook_in", "blocks.3.embed.hook_out", "blocks.03.hook_in"] {
            assert!(wrong.parse::<HookPoint>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn order_is_the_order_of_firing() {
        let all: Vec<HookPoint> = HookPoint::all(12).collect();
        assert!(all.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_typo_is_answered_with_what_was_meant() {
        for (typed, meant) in [
            ("blocks.3.hook_resid_pst", "blocks.3.hook_resid_post"),
            ("blocks.3.hook_resid_midd", "blocks.3.hook_resid_mid"),
            ("blocks.2.hook_z", "blocks.2.attn.hook_z"),
            ("blocks.2.attn.q", "blocks.2.attn.hook_q"),
            ("hook_resid_post", "blocks.{i}.hook_resid_post"),
            ("blocks.03.hook_resid_pre", "blocks.3.hook_resid_pre"),
            ("block.3.hook_resid_pre", "blocks.{i}.hook_resid_pre"),
            ("hook_embd", "hook_embed"),
            ("ln_final.hook_normalised", "ln_final.hook_normalized"),
            (
                "blocks.1.mlp.hook_prelinear",
                "blocks.1.mlp.hook_pre_linear",
            ),
        ] {
            let UnknownHook { name, near } = typed.parse::<HookPoint>().unwrap_err();
            assert_eq!(name, typed);
            assert_eq!(near[0], meant, "{typed}: {near:?}");
        }
        let message = "hook_resid_post"
            .parse::<HookPoint>()
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with(
                "there is no hook \"hook_resid_post\"; did you mean blocks.{i}.hook_resid_post, "
            ),
            "{message}"
        );
    }

    #[test]
    fn a_block_too_many_is_answered_with_the_range() {
        assert_eq!(HookPoint::Z(3).validate(4), Ok(()));
        assert_eq!(HookPoint::Embed.validate(0), Ok(()));
        let message = HookPoint::Z(4).validate(4).unwrap_err().to_string();
        assert_eq!(
            message,
            "blocks.4.attn.hook_z does not exist: the model has 4 blocks, blocks.0 to blocks.3"
        );
    }

    proptest! {
        #[test]
        fn every_point_is_read_back(layer: usize, row in 0..NAMES.len()) {
            let point: HookPoint = NAMES[row].replace(".7.", &format!(".{layer}.")).parse().unwrap();
            prop_assert_eq!(point.to_string().parse(), Ok(point));
            prop_assert_eq!(point.layer().is_some(), point.to_string().starts_with("blocks."));
            prop_assert!(matches!(point.rank(), 3 | 4));
        }

        /// One point has one name, and no text makes the parser panic.
        #[test]
        fn what_is_read_is_printed_back(text in r"(blocks\.[0-9+\-]{0,22}\.)?[a-z0-9_.{}é]{0,24}") {
            match text.parse::<HookPoint>() {
                Ok(point) if super::BRIDGE.iter().any(|(bridge, _)| text.ends_with(bridge)) => {
                    prop_assert_eq!(point.to_string().parse(), Ok(point));
                }
                Ok(point) => prop_assert_eq!(point.to_string(), text),
                Err(UnknownHook { near, .. }) => prop_assert_eq!(near.len(), super::SUGGESTIONS),
            }
        }
    }
}
