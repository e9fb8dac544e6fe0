//! What followed Llama Scope: `config.json` and `sae_weights.safetensors` (or `.pt`).
//!
//! Two generations. Llama-Scope-R1-Distill keeps the tensors of Llama Scope and a `log_jumprelu_threshold` of each feature. Language-Model-SAEs
//! 2 has `sae_type` in its configuration and `W_E [d_model, d_sae]`, `b_E`, `W_D [d_sae, d_model]`, `b_D`,
//! `activation_function.log_jumprelu_threshold`; its decoder's bias is never subtracted from the input.

use super::FormatError;
use super::detect::{Found, SEVERAL_LAYERS};
use super::foreign::Theirs;
use super::keys::Keys;
use super::llama_scope::{Settings, config, unsupported, with_gate};
use crate::config::SaeConfig;

pub(super) fn read(found: &Found) -> Result<SaeConfig, FormatError> {
    let keys = Keys::json(&match &found.config {
        Some(path) => path.clone(),
        None => config(found).with_file_name("config.json"),
    })?;
    let Some(kind) = keys.optional_text("sae_type")?.map(str::to_lowercase) else {
        return super::llama_scope::read(found);
    };
    if kind != "sae" && kind != "transcoder" {
        let what = match kind.as_str() {
            "clt" | "crosscoder" => SEVERAL_LAYERS,
            _ => "only sae, transcoder, clt and crosscoder are read",
        };
        return Err(unsupported(&keys, &format!("sae_type is {kind:?}: {what}")));
    }
    let Settings {
        mut cfg,
        foreign,
        gate,
        has_decoder_bias,
    } = Settings::read(&keys, found)?;
    cfg.apply_b_dec_to_input = false;
    let as_is = |name: &str| Theirs::AsIs(name.to_owned());
    let foreign = foreign
        .part("W_enc", as_is("W_E"))
        .part("b_enc", as_is("b_E"))
        .part("W_dec", as_is("W_D"))
        .part(
            "b_dec",
            if has_decoder_bias {
                as_is("b_D")
            } else {
                Theirs::Fill(0.0)
            },
        )
        .ignore(&["dataset_average_activation_norm.*"]);
    Ok(with_gate(foreign, gate, "activation_function.log_jumprelu_threshold").into(cfg))
}
