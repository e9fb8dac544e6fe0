//! Temporal SAEs as `canrager/temporalSAEs` has them: `conf.yaml` and `latest_ckpt.safetensors`.
//!
//! `D [d_sae, d_in]` is the decoder, `b` its bias, `E [d_in, d_sae]` the encoder where it is not tied; `attn_layers.*` are called as `SAELens` calls them. The layer
//! is in the folder's path, as in `layer_15/temporal`, and the place is the output of the block.

use super::circuit_tracer::yaml;
use super::detect::Found;
use super::foreign::{Foreign, Theirs};
use super::place::Site;
use super::{Format, FormatError};
use crate::architecture::{Architecture, Temporal};
use crate::config::{NormalizeActivations, SaeConfig};

pub(super) fn read(found: &Found) -> Result<SaeConfig, FormatError> {
    let path = found
        .config
        .clone()
        .unwrap_or_else(|| found.folder.join("conf.yaml"));
    let keys = yaml(&path)?;
    let (llm, sae) = (keys.object("llm")?, keys.object("sae")?);
    let d_in = llm.size("dimin")?;
    let d_sae = d_in as f64 * sae.positive("exp_factor")?;
    if !(1.0..268_435_456.0).contains(&d_sae) {
        return Err(sae.wrong("exp_factor", "a number that makes 1 to 2^28 features"));
    }
    let tied_weights = sae.flag("tied_weights", true)?;
    let k = match sae.optional_text("sae_diff_type")?.unwrap_or("topk") {
        "topk" if sae.has("kval_topk") => Some(sae.size("kval_topk")?),
        "topk" | "relu" => None,
        _ => return Err(sae.wrong("sae_diff_type", "topk or relu")),
    };
    let temporal = Temporal {
        n_heads: sae.size("n_heads")?,
        n_attn_layers: sae.size("n_attn_layers")?,
        bottleneck_factor: sae.size("bottleneck_factor")?,
        k,
        tied_weights,
        activation_normalization_factor: sae.positive("scaling_factor")?,
    };
    let mut cfg = SaeConfig::new(Architecture::Temporal(temporal), d_in, d_sae as usize);
    cfg.normalize_activations = NormalizeActivations::ConstantScalarRescale;
    let full = found
        .folder
        .canonicalize()
        .unwrap_or_else(|_| found.folder.clone());
    let mut parts = full.iter().rev().map(|part| part.to_string_lossy());
    let layer = parts.find_map(|part| part.strip_prefix("layer_")?.parse().ok());
    cfg.metadata.hook_name = layer.map(|layer| Site::Block(layer).output());
    let cfg = cfg.checked().map_err(|problem| FormatError::Syntax {
        path: path.clone(),
        reason: problem.to_string(),
    })?;
    let as_is = |name: &str| Theirs::AsIs(name.to_owned());
    let mut foreign = Foreign::new(Format::Temporal, Some(&path))
        .part("W_dec", as_is("D"))
        .part("b_dec", as_is("b"));
    if !tied_weights {
        foreign = foreign.part("W_enc", as_is("E"));
    }
    Ok(foreign.into(cfg))
}
