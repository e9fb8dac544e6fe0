//! Which names the files of a format have, on disk and on the Hub alike.

use super::Format;

/// The files of an SAE in a folder, by names relative to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FormatFiles {
    /// The configuration, and what is small and read beside it; the first decides the format.
    pub small: Vec<String>,
    /// The weights.
    pub weights: String,
}

/// A format's files: configuration, companions, weights in the order in which they are looked for.
pub(super) struct Names {
    pub(super) format: Format,
    pub(super) config: Option<&'static str>,
    pub(super) beside: &'static [&'static str],
    pub(super) weights: &'static [&'static str],
    /// For a message.
    pub(super) expected: &'static str,
}

const CONFIG: &str = "config.json";
const LM: &str = "lm_config.json";

/// What is told apart by names. The first that has configuration and weights is it.
pub(super) const ALL: [Names; 7] = [
    Names {
        format: Format::Sparsify,
        config: Some("cfg.json"),
        beside: &["../config.json"],
        weights: &["sae.safetensors"],
        expected: "cfg.json and sae.safetensors",
    },
    Names {
        format: Format::LlamaScope,
        config: Some("hyperparams.json"),
        beside: &[LM],
        weights: &[
            "checkpoints/final.safetensors",
            "checkpoints/final.pt",
            "checkpoints/pruned.safetensors",
            "checkpoints/pruned.pt",
        ],
        expected: "hyperparams.json and checkpoints/final.safetensors",
    },
    Names {
        format: Format::DictionaryLearning,
        config: Some(CONFIG),
        beside: &[],
        weights: &["ae.pt"],
        expected: "config.json and ae.pt",
    },
    Names {
        format: Format::OpenMoss,
        config: Some(CONFIG),
        beside: &[LM],
        weights: &["sae_weights.safetensors", "sae_weights.pt"],
        expected: "config.json and sae_weights.safetensors",
    },
    Names {
        format: Format::GemmaScope,
        config: None,
        beside: &[],
        weights: &["params.npz"],
        expected: "params.npz",
    },
    Names {
        format: Format::GemmaScope2,
        config: Some(CONFIG),
        beside: &[],
        weights: &["params.safetensors"],
        expected: "config.json and params.safetensors",
    },
    Names {
        format: Format::Temporal,
        config: Some("conf.yaml"),
        beside: &[],
        weights: &["latest_ckpt.safetensors"],
        expected: "conf.yaml and latest_ckpt.safetensors",
    },
];

/// Endings of files that `torch.save` wrote.
pub(super) const PICKLED: [&str; 3] = ["pt", "pth", "bin"];

/// The layer of `layer_12.safetensors`.
pub(super) fn layer_of(file: &str) -> Option<usize> {
    file.strip_prefix("layer_")?
        .strip_suffix(".safetensors")?
        .parse()
        .ok()
}

pub(super) fn ending(file: &str) -> &str {
    file.rsplit_once('.').map_or("", |(_, ending)| ending)
}

/// The files of another format among the names in a folder, relative to it; `None` if there are none, or those of `SAELens`.
///
/// `layer` chooses from a set of transcoders.
pub fn files_of(names: &[String], layer: Option<usize>) -> Option<FormatFiles> {
    let has = |name: &str| names.iter().any(|known| known == name);
    let owned = |name: &str| name.to_owned();
    for kind in &ALL {
        let Some(weights) = kind.weights.iter().find(|name| has(name)) else {
            continue;
        };
        if kind.config.is_some_and(|config| !has(config)) {
            continue;
        }
        // Beside SAELens' cfg.json there may be files of any name; sparsify has one of its own.
        if has("cfg.json") && kind.format != Format::Sparsify {
            continue;
        }
        let small = kind
            .config
            .iter()
            .chain(kind.beside.iter().filter(|name| has(name)));
        return Some(FormatFiles {
            small: small.map(|name| owned(name)).collect(),
            weights: owned(weights),
        });
    }
    if has("cfg.json") {
        return None;
    }
    let set = has("config.yaml").then(|| layer.map(|layer| format!("layer_{layer}.safetensors")));
    if let Some(Some(weights)) = set
        && has(&weights)
    {
        return Some(FormatFiles {
            small: vec![owned("config.yaml")],
            weights,
        });
    }
    let mut pickled = names
        .iter()
        .filter(|name| !name.contains('/') && PICKLED.contains(&ending(name)));
    let weights = pickled.next()?.clone();
    pickled.next().is_none().then_some(FormatFiles {
        small: Vec::new(),
        weights,
    })
}

#[cfg(test)]
mod tests {
    use super::files_of;

    #[test]
    fn formats_are_told_apart_by_their_files() {
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
            files_of(&names, Some(1)).map(|files| files.weights)
        };
        let cases: [(&[&str], Option<&str>); 10] = [
            (
                &["cfg.json", "config.json", "sae_weights.safetensors"],
                None,
            ),
            (&["cfg.json", "sae_weights.safetensors"], None),
            (&["cfg.json", "sae.safetensors"], Some("sae.safetensors")),
            (
                &[
                    "hyperparams.json",
                    "lm_config.json",
                    "checkpoints/final.safetensors",
                ],
                Some("checkpoints/final.safetensors"),
            ),
            (&["config.json", "ae.pt"], Some("ae.pt")),
            (&["config.json", "sae_weights.pt"], Some("sae_weights.pt")),
            (
                &["config.yaml", "layer_0.safetensors", "layer_1.safetensors"],
                Some("layer_1.safetensors"),
            ),
            (&["README.md", "x-l19.pth"], Some("x-l19.pth")),
            (&["a.pt", "b.pt"], None),
            (&["params.npz"], Some("params.npz")),
        ];
        for (names, weights) in cases {
            assert_eq!(of(names).as_deref(), weights, "{names:?}");
        }
    }
}
