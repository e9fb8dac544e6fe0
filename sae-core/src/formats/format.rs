//! The formats by name.

use std::fmt;
use std::str::FromStr;

/// Whose files an SAE is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// `SAELens`, and this crate.
    SaeLens,
    /// Llama Scope, of 2024: `hyperparams.json` and `checkpoints/final.safetensors`.
    LlamaScope,
    /// What followed it: `config.json` and `sae_weights.safetensors`, of Llama-Scope-R1-Distill and of Language-Model-SAEs 2.
    OpenMoss,
    /// `EleutherAI`'s sparsify: `cfg.json` and `sae.safetensors`.
    Sparsify,
    /// `dictionary_learning`: `config.json` and `ae.pt`.
    DictionaryLearning,
    /// Goodfire's two Llamas: one pickled file.
    Goodfire,
    /// qresearch's: one pickled file. `SAELens` calls the loader `deepseek_r1`.
    Qresearch,
    /// A layer of a set of transcoders for circuit-tracer: `config.yaml` and `layer_N.safetensors`.
    CircuitTracer,
    /// Gemma Scope: `params.npz`.
    GemmaScope,
    /// Gemma Scope 2: `config.json` and `params.safetensors`.
    GemmaScope2,
    /// Temporal SAEs as they were released: `conf.yaml` and `latest_ckpt.safetensors`.
    Temporal,
    /// A pickled state dictionary and nothing else.
    StateDict,
}

/// One table for reading, writing and messages.
const NAMES: [(&str, Format); 12] = [
    ("saelens", Format::SaeLens),
    ("llama_scope", Format::LlamaScope),
    ("open_moss", Format::OpenMoss),
    ("sparsify", Format::Sparsify),
    ("dictionary_learning", Format::DictionaryLearning),
    ("goodfire", Format::Goodfire),
    ("qresearch", Format::Qresearch),
    ("circuit_tracer", Format::CircuitTracer),
    ("gemma_scope", Format::GemmaScope),
    ("gemma_scope_2", Format::GemmaScope2),
    ("temporal", Format::Temporal),
    ("state_dict", Format::StateDict),
];

impl Format {
    /// Every format, in the order in which they are documented.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.into_iter().map(|(_, format)| format)
    }

    /// The name, as `--format` takes it.
    pub fn name(self) -> &'static str {
        let entry = NAMES.iter().find(|(_, format)| *format == self);
        entry.map_or("unknown", |(name, _)| *name)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no format has.
#[derive(Debug, Clone, thiserror::Error)]
#[error("there is no format {found:?}; expected one of {}", NAMES.map(|(name, _)| name).join(", "))]
pub struct UnknownFormat {
    found: String,
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let entry = NAMES.iter().find(|(known, _)| *known == name);
        entry
            .map(|(_, format)| *format)
            .ok_or_else(|| UnknownFormat {
                found: name.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::Format;

    #[test]
    fn names_are_read_as_they_are_written() {
        for format in Format::all() {
            assert_eq!(format.name().parse::<Format>().unwrap(), format);
        }
        let message = "sparsifi".parse::<Format>().unwrap_err().to_string();
        assert!(
            message.starts_with(
                "there is no format \"sparsifi\"; expected one of saelens, llama_scope"
            )
        );
    }
}
