//! Transcoders for the demo's model, with random weights.

use super::Scratch;
use serde_json::json;
use std::path::Path;

impl Scratch {
    /// One for each of the demo's blocks, `t/layer_0` to `t/layer_3`.
    pub(crate) fn transcoders(&self) {
        for layer in 0..4 {
            transcoder(&self.path(&format!("t/layer_{layer}")), layer, 128);
        }
    }
}

/// A transcoder of so many dimensions, as SAELens saves it.
pub(crate) fn transcoder(folder: &Path, layer: usize, d: usize) {
    let d_sae = 96;
    let mut state = 7 + layer as u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let mut values = |n: usize, scale: f32| -> Vec<u8> {
        (0..n)
            .flat_map(|_| (scale * next()).to_le_bytes())
            .collect()
    };
    let tensors = [
        ("W_enc", vec![d, d_sae], values(d * d_sae, 0.4)),
        ("b_enc", vec![d_sae], values(d_sae, 0.1)),
        ("W_dec", vec![d_sae, d], values(d * d_sae, 0.4)),
        ("b_dec", vec![d], values(d, 0.1)),
    ];
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let dtype = safetensors::Dtype::F32;
        let view = safetensors::tensor::TensorView::new(dtype, shape.clone(), bytes);
        (*name, view.unwrap())
    });
    std::fs::create_dir_all(folder).unwrap();
    let file = safetensors::serialize(views, None).unwrap();
    std::fs::write(folder.join("sae_weights.safetensors"), file).unwrap();
    let cfg = json!({
        "architecture": "transcoder", "d_in": d, "d_out": d, "d_sae": d_sae, "dtype": "float32", "apply_b_dec_to_input": false,
        "normalize_activations": "none", "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": "6.54.12", "hook_name": format!("blocks.{layer}.mlp.hook_in"),
            "hook_name_out": format!("blocks.{layer}.hook_mlp_out"),
        },
    });
    std::fs::write(folder.join("cfg.json"), cfg.to_string()).unwrap();
}
