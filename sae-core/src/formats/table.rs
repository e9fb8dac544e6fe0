//! What is read, as a table: the one that README and docs/formats.md have, and that a test holds them to.

use super::Format;

/// A format of files, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FormatInfo {
    /// The format.
    pub format: Format,
    /// What it is called; empty for what belongs to the one before.
    pub people: &'static str,
    /// Its files.
    pub files: &'static str,
    /// The architectures that come of it.
    pub becomes: &'static str,
    /// What loading folds into the weights; empty if nothing.
    pub folded: &'static str,
}

const fn row(
    format: Format,
    people: &'static str,
    files: &'static str,
    becomes: &'static str,
    folded: &'static str,
) -> FormatInfo {
    FormatInfo {
        format,
        people,
        files,
        becomes,
        folded,
    }
}

/// Every format of other people's that is read, in the order of the documents; some have more than one kind of files.
pub const FORMATS: [FormatInfo; 16] = [
    row(
        Format::LlamaScope,
        "Llama Scope",
        "`hyperparams.json`, `checkpoints/final.safetensors`",
        "jumprelu, topk, standard; transcoder",
        "scales of activations, norms of decoder rows",
    ),
    row(
        Format::OpenMoss,
        "Llama-Scope-R1-Distill and OpenMOSS 2",
        "`config.json`, `sae_weights.safetensors` or `.pt`",
        "the same",
        "the same",
    ),
    row(
        Format::OpenMoss,
        "",
        "the same with `sae_type` `clt` or `crosscoder`, in safetensors",
        "cross_layer_transcoder, crosscoder",
        "the same, into thresholds",
    ),
    row(
        Format::Sparsify,
        "sparsify",
        "`cfg.json`, `sae.safetensors`",
        "topk, groupmax, topk_transcoder and its kin",
        "`b_dec` of an SAE with a skip connection",
    ),
    row(
        Format::DictionaryLearning,
        "dictionary_learning",
        "`config.json`, `ae.pt`",
        "standard, gated, topk, jumprelu",
        "",
    ),
    row(
        Format::DictionaryLearning,
        "",
        "the same of `CrossCoder` or `BatchTopKCrossCoder`",
        "crosscoder",
        "the code normalisation",
    ),
    row(
        Format::Goodfire,
        "Goodfire",
        "one `.pt` or `.pth`",
        "standard",
        "",
    ),
    row(
        Format::Qresearch,
        "qresearch",
        "one `.pt` or `.pth`",
        "standard",
        "",
    ),
    row(
        Format::CircuitTracer,
        "circuit-tracer's sets of transcoders and cross-layer transcoders",
        "`config.yaml`, `layer_N.safetensors`",
        "transcoder and its kin",
        "",
    ),
    row(
        Format::CircuitTracer,
        "",
        "`config.yaml`, `W_enc_N.safetensors`, `W_dec_N.safetensors`",
        "cross_layer_transcoder",
        "",
    ),
    row(
        Format::GemmaScope,
        "Gemma Scope",
        "`params.npz`",
        "jumprelu",
        "",
    ),
    row(
        Format::GemmaScope,
        "",
        "`config.yaml` that lists `transcoders` of Gemma Scope 2",
        "cross_layer_transcoder",
        "",
    ),
    row(
        Format::GemmaScope2,
        "Gemma Scope 2",
        "`config.json`, `params.safetensors`",
        "jumprelu, jumprelu_transcoder and its kin",
        "",
    ),
    row(
        Format::Temporal,
        "temporal SAEs as they were released",
        "`conf.yaml`, `latest_ckpt.safetensors`",
        "temporal",
        "",
    ),
    row(
        Format::StateDict,
        "pickled state dictionaries",
        "one `.pt`, `.pth` or `.bin`",
        "what `--activation` says",
        "",
    ),
    row(
        Format::SaeLens,
        "",
        "`cfg.json`, `sae_weights.safetensors`",
        "every architecture",
        "",
    ),
];
