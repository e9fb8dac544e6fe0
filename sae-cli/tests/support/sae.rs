//! SAEs whose effect is known without training.

use super::Scratch;
use super::tensors::{Numbers, write};
use serde_json::{Value, json};

/// The words of a `cfg.json` for the demo's model.
pub(crate) fn cfg(architecture: &str, d_in: usize, d_sae: usize, hook: &str) -> Value {
    json!({
        "architecture": architecture,
        "d_in": d_in,
        "d_sae": d_sae,
        "dtype": "float32",
        "metadata": {
            "sae_lens_version": "6.54.12",
            "hook_name": hook,
            "context_size": 16,
            "prepend_bos": true,
        },
    })
}

/// An SAE that loses nothing: two features per dimension, one for each sign.
pub(crate) fn perfect(scratch: &Scratch, name: &str, cfg: &Value) {
    let d = cfg["d_in"].as_u64().unwrap() as usize;
    assert_eq!(cfg["d_sae"], 2 * d);
    let one = |at: usize, wanted: usize| if at == wanted { 1.0 } else { 0.0 };
    let w_enc = (0..d).flat_map(|i| (0..2 * d).map(move |j| one(j, i) - one(j, d + i)));
    let w_dec = (0..2 * d).flat_map(|j| (0..d).map(move |i| one(j, i) - one(j, d + i)));
    run(
        scratch,
        name,
        cfg,
        [
            ("W_enc", Numbers::f32(&[d, 2 * d], w_enc)),
            ("W_dec", Numbers::f32(&[2 * d, d], w_dec)),
            ("b_enc", Numbers::zeros(&[2 * d])),
            ("b_dec", Numbers::zeros(&[d])),
        ],
    );
}

/// An SAE whose output is always zero.
pub(crate) fn zero(scratch: &Scratch, name: &str, cfg: &Value) {
    let size = |key: &str| cfg[key].as_u64().map(|n| n as usize);
    let (d_in, d_sae) = (size("d_in").unwrap(), size("d_sae").unwrap());
    let d_out = size("d_out").unwrap_or(d_in);
    run(
        scratch,
        name,
        cfg,
        [
            ("W_enc", Numbers::zeros(&[d_in, d_sae])),
            ("W_dec", Numbers::zeros(&[d_sae, d_out])),
            ("b_enc", Numbers::zeros(&[d_sae])),
            ("b_dec", Numbers::zeros(&[d_out])),
        ],
    );
}

/// A run directory of a configuration and weights.
pub(crate) fn run<'a>(
    scratch: &Scratch,
    name: &str,
    cfg: &Value,
    weights: impl IntoIterator<Item = (&'a str, Numbers)>,
) {
    scratch.write(&format!("{name}/cfg.json"), cfg.to_string());
    write(
        &scratch.path(&format!("{name}/sae_weights.safetensors")),
        weights,
    );
}
