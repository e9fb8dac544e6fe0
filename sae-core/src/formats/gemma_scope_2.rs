//! Gemma Scope 2: `config.json` and `params.safetensors`.
//!
//! `w_enc [d_in, d_sae]`, `w_dec [d_sae, d_out]`, `b_enc`, `b_dec`, `threshold [d_sae]`; of transcoders perhaps `affine_skip_connection [d_in, d_out]`, which the input
//! is multiplied by from the left. JumpReLU; `b_dec` is not subtracted from the input. `hf_hook_point_in` and `hf_hook_point_out` are modules of the
//! Hugging Face model. A layer of a cross-layer transcoder has three axes in `w_dec`: circuit-tracer's `config.yaml` lists these.

use super::detect::Found;
use super::foreign::{Foreign, Theirs};
use super::keys::Keys;
use super::{Format, FormatError};
use crate::architecture::{Architecture, Transcoder};
use crate::config::{ReshapeActivations, SaeConfig};
use crate::weights::peek;

const SKIP: &str = "affine_skip_connection";

pub(super) fn read(found: &Found) -> Result<SaeConfig, FormatError> {
    let path = found
        .config
        .clone()
        .unwrap_or_else(|| found.folder.join("config.json"));
    let keys = Keys::json(&path)?;
    if keys.text("architecture")? != "jump_relu" {
        return Err(keys.wrong("architecture", "jump_relu"));
    }
    if !found.weights.is_file() {
        return Err(FormatError::NoWeights {
            path: found.weights.clone(),
            format: Format::GemmaScope2,
        });
    }
    let weights = peek(&found.weights)?;
    if weights.shape("w_dec").is_some_and(|shape| shape.len() == 3) {
        return Err(FormatError::Unsupported {
            path: found.weights.clone(),
            what: "is a layer of a cross-layer transcoder: put all layers into a folder with circuit-tracer's config.yaml, which lists them as \
                   transcoders"
                .to_owned(),
        });
    }
    let [d_in, d_sae] = weights.matrix("w_enc")?;
    let [_, d_out] = weights.matrix("w_dec")?;
    let read = hook(&keys, "hf_hook_point_in")?;
    let written = keys
        .has("hf_hook_point_out")
        .then(|| hook(&keys, "hf_hook_point_out"))
        .transpose()?;
    let skip = weights.shape(SKIP).is_some();
    let architecture = if written.is_some() {
        Architecture::Transcoder(Transcoder {
            skip,
            jump_relu: true,
        })
    } else {
        Architecture::JumpRelu
    };
    let mut cfg = SaeConfig::new(architecture, d_in, d_sae);
    cfg.d_out = d_out;
    cfg.apply_b_dec_to_input = false;
    if read.ends_with("hook_z") {
        cfg.reshape_activations = ReshapeActivations::HookZ;
    }
    cfg.metadata.hook_name = Some(read);
    let transcodes = written.is_some();
    cfg.metadata.hook_name_out = written;
    cfg.metadata.model_name = keys.optional_text("model_name")?.map(str::to_owned);
    let as_is = |name: &str| Theirs::AsIs(name.to_owned());
    let mut foreign = Foreign::new(Format::GemmaScope2, Some(&path))
        .part("W_enc", as_is("w_enc"))
        .part("W_dec", as_is("w_dec"))
        .same(&["b_enc", "b_dec", "threshold"]);
    if skip && transcodes {
        foreign = foreign.part("W_skip", Theirs::Transposed(SKIP.to_owned()));
    }
    Ok(foreign.into(cfg))
}

/// The hook of a module such as `model.layers.12.output`.
fn hook(keys: &Keys, key: &str) -> Result<String, FormatError> {
    let place = keys.text(key)?;
    let rest = place
        .strip_prefix("model.")
        .and_then(|rest| rest.strip_prefix("layers."));
    let parts = rest.and_then(|rest| {
        let (layer, part) = rest.split_once('.')?;
        Some((layer.parse::<usize>().ok()?, part))
    });
    let hook = parts.and_then(|(layer, part)| {
        let name = match part {
            "output" => "hook_resid_post",
            "self_attn.o_proj.input" => "attn.hook_z",
            "pre_feedforward_layernorm.output" | "mlp.input" => "mlp.hook_in",
            "post_feedforward_layernorm.output" | "mlp.output" => "hook_mlp_out",
            _ => return None,
        };
        Some(format!("blocks.{layer}.{name}"))
    });
    hook.ok_or_else(|| {
        keys.wrong(
            key,
            "a module such as model.layers.12.output, self_attn.o_proj.input or post_feedforward_layernorm.output of a layer",
        )
    })
}
