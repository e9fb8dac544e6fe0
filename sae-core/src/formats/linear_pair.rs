//! Two linear layers in one pickled file, without a configuration: Goodfire's and qresearch's. `relu(x·W_encᵀ + b_enc)`, and `b_dec` is
//! not subtracted from the input.
//!
//! The sizes are those of the tensors, and the layer is in the file's name, as in `Llama-3.1-8B-Instruct-SAE-l19.pth`.

use super::detect::Found;
use super::foreign::{Foreign, Theirs};
use super::place::{Site, layer_in};
use super::{Format, FormatError};
use crate::architecture::Architecture;
use crate::config::SaeConfig;
use crate::weights::peek;
use std::path::Path;

const GOODFIRE: [&str; 4] = [
    "decoder_linear.bias",
    "decoder_linear.weight",
    "encoder_linear.bias",
    "encoder_linear.weight",
];
const QRESEARCH: [&str; 4] = [
    "decoder.bias",
    "decoder.weight",
    "encoder.bias",
    "encoder.weight",
];

/// Whose a pickled file is, by the names of its tensors.
pub(super) fn sniff(file: &Path) -> Result<Format, FormatError> {
    let names = peek(file)?.names();
    Ok(if names == GOODFIRE {
        Format::Goodfire
    } else if names == QRESEARCH {
        Format::Qresearch
    } else {
        Format::StateDict
    })
}

pub(super) fn read(found: &Found) -> Result<SaeConfig, FormatError> {
    let (encoder, decoder) = match found.format {
        Format::Goodfire => ("encoder_linear", "decoder_linear"),
        _ => ("encoder", "decoder"),
    };
    let weights = peek(&found.weights)?;
    let [d_sae, d_in] = weights.matrix(&format!("{encoder}.weight"))?;
    let mut cfg = SaeConfig::new(Architecture::Standard, d_in, d_sae);
    cfg.apply_b_dec_to_input = false;
    let name = found
        .weights
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if let Some(layer) = layer_in(&name) {
        cfg.metadata.hook_name = Some(Site::Block(layer).output());
    }
    cfg.metadata.model_name = model_in(&name);
    let foreign = Foreign::new(found.format, None)
        .linear_pair(encoder, decoder)
        .part("b_dec", Theirs::AsIs(format!("{decoder}.bias")));
    Ok(foreign.into(cfg))
}

/// The model in a name such as `Llama-3.1-8B-Instruct-SAE-l19`, of the organisations whose models these are.
fn model_in(name: &str) -> Option<String> {
    let (model, _) = name.split_once("-SAE-")?;
    if model.starts_with("DeepSeek-") {
        Some(format!("deepseek-ai/{model}"))
    } else if model.starts_with("Llama-") {
        Some(format!("meta-llama/{model}"))
    } else {
        None
    }
}
