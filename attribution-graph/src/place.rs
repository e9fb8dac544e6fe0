//! Where a transcoder reads, and where it writes.

use sae_core::SaeConfig;
use std::fmt;

/// What a transcoder reads of its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// The residual stream before the MLP's norm: `hook_resid_mid`, `hook_mlp_in`.
    ResidMid,
    /// The residual stream divided by the norm's divisor, before its weight: `ln2.hook_normalized`.
    Normalized,
    /// What the MLP reads, after the norm's weight: `mlp.hook_in`, `ln2.hook_out`.
    MlpInput,
}

impl fmt::Display for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ResidMid => "the residual stream before the norm",
            Self::Normalized => "the norm's output before its weight",
            Self::MlpInput => "the MLP's input",
        })
    }
}

/// The layer a transcoder belongs to, and what it reads there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The block.
    pub layer: usize,
    /// What it reads.
    pub reads: Reads,
}

/// Names after `blocks.{i}.`.
const READ: [(&str, Reads); 5] = [
    ("hook_resid_mid", Reads::ResidMid),
    ("hook_mlp_in", Reads::ResidMid),
    ("ln2.hook_normalized", Reads::Normalized),
    ("mlp.hook_in", Reads::MlpInput),
    ("ln2.hook_out", Reads::MlpInput),
];
const WRITTEN: [&str; 2] = ["hook_mlp_out", "mlp.hook_out"];

impl Place {
    /// The place that `cfg.json` names, as `hook_name` and `hook_name_out`.
    ///
    /// # Errors
    /// What is wrong with the names, in words.
    pub fn of(cfg: &SaeConfig) -> Result<Self, String> {
        let metadata = &cfg.metadata;
        let (Some(read), Some(written)) = (&metadata.hook_name, &metadata.hook_name_out) else {
            return Err(
                "cfg.json does not say where it reads and writes; expected hook_name and hook_name_out in its metadata"
                    .to_owned(),
            );
        };
        let (layer, name) = block(read).unwrap_or((0, ""));
        let Some((_, reads)) = READ.iter().find(|(known, _)| *known == name) else {
            let known: Vec<String> = READ
                .iter()
                .map(|(name, _)| format!("blocks.{{i}}.{name}"))
                .collect();
            return Err(format!(
                "it reads at {read:?}, which is not an MLP's input; expected {}",
                known.join(", ")
            ));
        };
        match block(written) {
            Some((to, name)) if WRITTEN.contains(&name) && to == layer => Ok(Self {
                layer,
                reads: *reads,
            }),
            _ => Err(format!(
                "it reads in block {layer} and writes at {written:?}; expected blocks.{layer}.hook_mlp_out, the output of the same MLP \
                 (transcoders across layers are not supported)"
            )),
        }
    }
}

/// `blocks.3.hook_x` as 3 and `hook_x`.
fn block(name: &str) -> Option<(usize, &str)> {
    let (layer, name) = name.strip_prefix("blocks.")?.split_once('.')?;
    Some((layer.parse().ok()?, name))
}

#[cfg(test)]
mod tests {
    use super::{Place, Reads};
    use sae_core::{Architecture, SaeConfig, Transcoder};

    fn place(read: Option<&str>, written: &str) -> Result<Place, String> {
        let architecture = Architecture::Transcoder(Transcoder {
            skip: false,
            jump_relu: false,
        });
        let mut cfg = SaeConfig::new(architecture, 4, 8);
        cfg.metadata.hook_name = read.map(str::to_owned);
        cfg.metadata.hook_name_out = Some(written.to_owned());
        Place::of(&cfg)
    }

    #[test]
    fn names_are_places() {
        let out = "blocks.3.hook_mlp_out";
        for (name, reads) in super::READ {
            let found = place(Some(&format!("blocks.3.{name}")), out);
            assert_eq!(found, Ok(Place { layer: 3, reads }), "{name}");
        }
        let found = place(Some("blocks.3.mlp.hook_in"), "blocks.3.mlp.hook_out");
        assert_eq!(found.unwrap().reads, Reads::MlpInput);
    }

    #[test]
    fn what_is_no_place_is_said() {
        let out = "blocks.3.hook_mlp_out";
        for (read, written, said) in [
            (None, out, "does not say where it reads"),
            (
                Some("blocks.3.hook_resid_pre"),
                out,
                "not an MLP's input; expected blocks.{i}.hook_resid_mid",
            ),
            (Some("blocks.x.mlp.hook_in"), out, "not an MLP's input"),
            (
                Some("blocks.2.mlp.hook_in"),
                out,
                "reads in block 2 and writes at",
            ),
            (
                Some("blocks.3.mlp.hook_in"),
                "blocks.3.hook_resid_post",
                "the output of the same MLP",
            ),
        ] {
            let error = place(read, written).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
