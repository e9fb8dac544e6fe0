//! Sets of transcoders for circuit-tracer: `config.yaml` and `layer_N.safetensors`.
//!
//! `W_enc` is `[d_transcoder, d_model]`, `W_dec` `[d_transcoder, d_model]`; ReLU, or JumpReLU where there is an
//! `activation_function.threshold`; `x·W_skipᵀ` is added where there is a `W_skip`.

use super::detect::Found;
use super::foreign::{Foreign, Theirs};
use super::keys::{Keys, text};
use super::layout::layer_of;
use super::{Format, FormatError};
use crate::architecture::{Architecture, Transcoder};
use crate::config::SaeConfig;
use crate::weights::peek;
use serde_json::Value;
use std::path::Path;

const THRESHOLD: &str = "activation_function.threshold";

/// The layers that a folder has files of, in order.
pub(super) fn layers(folder: &Path) -> Vec<usize> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let layers = entries.filter_map(|entry| layer_of(&entry.file_name().to_string_lossy()));
    let mut layers: Vec<usize> = layers.collect();
    layers.sort_unstable();
    layers
}

/// The files of one layer of a set.
pub(super) fn layer(
    folder: &Path,
    config: &Path,
    layer: Option<usize>,
) -> Result<Found, FormatError> {
    let undecided = |missing: String| FormatError::Undecided {
        path: folder.to_owned(),
        missing,
    };
    let layers = layers(folder);
    let range = match (layers.first(), layers.last()) {
        (Some(first), Some(last)) => format!("layers {first} to {last}"),
        _ => "no layers yet (layer_0.safetensors and so on)".to_owned(),
    };
    let Some(layer) = layer else {
        return Err(undecided(format!(
            "is a set of transcoders with {range}; give one of them, as {}/layer_{}.safetensors or by --layer",
            folder.display(),
            layers.first().unwrap_or(&0)
        )));
    };
    Ok(Found {
        format: Format::CircuitTracer,
        folder: folder.to_owned(),
        config: Some(config.to_owned()),
        weights: folder.join(format!("layer_{layer}.safetensors")),
    })
}

pub(super) fn read(found: &Found) -> Result<SaeConfig, FormatError> {
    let name = found
        .weights
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let layer = layer_of(&name).unwrap_or_default();
    if !found.weights.is_file() {
        return Err(FormatError::NoWeights {
            path: found.weights.clone(),
            format: Format::CircuitTracer,
        });
    }
    let weights = peek(&found.weights)?;
    let [d_sae, d_in] = weights.matrix("W_enc")?;
    let [rows, d_out] = weights.matrix("W_dec")?;
    if rows != d_sae {
        return Err(FormatError::Archive {
            path: found.weights.clone(),
            problem: format!(
                "W_enc has {d_sae} rows and W_dec {rows}; expected one a feature in each"
            ),
        });
    }
    let (skip, jump_relu) = (
        weights.shape("W_skip").is_some(),
        weights.shape(THRESHOLD).is_some(),
    );
    let mut cfg = SaeConfig::new(
        Architecture::Transcoder(Transcoder { skip, jump_relu }),
        d_in,
        d_sae,
    );
    cfg.d_out = d_out;
    if let Some(config) = &found.config {
        let keys = yaml(config)?;
        let kind = keys
            .optional_text("model_kind")?
            .unwrap_or("transcoder_set");
        if kind != "transcoder_set" {
            return Err(keys.wrong(
                "model_kind",
                "transcoder_set, or with W_enc_N.safetensors cross_layer_transcoder",
            ));
        }
        let hook = |key: &str| -> Result<Option<String>, FormatError> {
            let hook = keys.optional_text(key)?;
            Ok(hook.map(|hook| layer_hook(layer, hook)))
        };
        cfg.metadata.hook_name = hook("feature_input_hook")?;
        cfg.metadata.hook_name_out = hook("feature_output_hook")?;
        cfg.metadata.model_name = keys.optional_text("model_name")?.map(str::to_owned);
    }
    let mut foreign = Foreign::new(Format::CircuitTracer, found.config.as_deref())
        .part("W_enc", Theirs::Transposed("W_enc".to_owned()))
        .same(&["b_enc", "W_dec", "b_dec"]);
    if skip {
        foreign = foreign.same(&["W_skip"]);
    }
    if let Some(shape) = weights.shape(THRESHOLD) {
        let one = shape.iter().product::<usize>() == 1;
        let name = THRESHOLD.to_owned();
        foreign = foreign.part(
            "threshold",
            if one {
                Theirs::Scalar(name)
            } else {
                Theirs::AsIs(name)
            },
        );
    }
    Ok(foreign.into(cfg))
}

/// A hook of `config.yaml` in a layer.
pub(crate) fn layer_hook(layer: usize, hook: &str) -> String {
    // TransformerLens 3's name of the same place.
    let hook = if hook == "mlp.hook_out" {
        "hook_mlp_out"
    } else {
        hook
    };
    format!("blocks.{layer}.{hook}")
}

pub(crate) fn yaml(path: &Path) -> Result<Keys, FormatError> {
    let text = text(path)?;
    let value: Value = serde_saphyr::from_str(&text).map_err(|error| FormatError::Syntax {
        path: path.to_owned(),
        reason: format!(
            "is not YAML: {}",
            error.to_string().lines().next().unwrap_or_default()
        ),
    })?;
    Keys::new(path, value)
}
