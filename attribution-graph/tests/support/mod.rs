//! A small model with norms that do something, and transcoders of every kind with weights of every kind.

#![allow(dead_code, reason = "not every test uses all of it")]

use burn::tensor::{Device, FloatDType};
use llama_hooked::{Llama, LlamaConfig};
use sae_attribution_graph::Transcoders;
use sae_core::{Architecture, Sae, SaeConfig, SaeLoadOptions, Transcoder};
use safetensors::tensor::{Dtype, TensorView};
use std::path::Path;

pub(crate) const D: usize = 24;
pub(crate) const D_SAE: usize = 40;

/// Numbers that are the same everywhere: `SplitMix64`, made nearly normal.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum: u64 = (0..4).map(|i| (bits >> (16 * i)) & 0xFFFF).sum();
        (sum as f32 / 65_536.0 - 2.0) * 3.0_f32.sqrt()
    }

    pub(crate) fn values(&mut self, n: usize, deviation: f32) -> Vec<f32> {
        (0..n).map(|_| deviation * self.normal()).collect()
    }
}

/// Grouped queries, three blocks; norm weights are not 1.
pub(crate) fn config(n_layers: usize) -> LlamaConfig {
    LlamaConfig::from_json(&format!(
        r#"{{"vocab_size": 60, "hidden_size": {D}, "intermediate_size": 48, "num_hidden_layers": {n_layers}, "num_attention_heads": 6,
        "num_key_value_heads": 2, "head_dim": 6, "rms_norm_eps": 1e-5, "tie_word_embeddings": false}}"#
    ))
    .unwrap()
}

pub(crate) fn model(n_layers: usize, seed: u64) -> Llama {
    Llama::random(config(n_layers), seed, &Device::flex(), FloatDType::F32)
}

pub(crate) fn cfg(layer: usize, read: &str, kind: Transcoder, d: usize) -> SaeConfig {
    let mut cfg = SaeConfig::new(Architecture::Transcoder(kind), d, D_SAE);
    cfg.metadata.hook_name = Some(format!("blocks.{layer}.{read}"));
    cfg.metadata.hook_name_out = Some(format!("blocks.{layer}.hook_mlp_out"));
    cfg
}

/// A transcoder with random weights and biases.
pub(crate) fn transcoder(layer: usize, read: &str, kind: Transcoder, random: &mut Random) -> Sae {
    let mut tensors = vec![
        ("W_enc", vec![D, D_SAE], 0.3),
        ("b_enc", vec![D_SAE], 0.2),
        ("W_dec", vec![D_SAE, D], 0.15),
        ("b_dec", vec![D], 0.3),
    ];
    if kind.jump_relu {
        tensors.push(("threshold", vec![D_SAE], 0.3));
    }
    if kind.skip {
        tensors.push(("W_skip", vec![D, D], 0.1));
    }
    let values: Vec<(&str, Vec<usize>, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, shape, deviation)| {
            let values = random.values(shape.iter().product(), deviation);
            let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            (name, shape, bytes)
        })
        .collect();
    let views = values.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap();
        (*name, view)
    });
    let file = safetensors::serialize(views, None).unwrap();
    let options = SaeLoadOptions::new(&Device::flex());
    Sae::from_bytes(
        cfg(layer, read, kind, D),
        &file,
        Path::new("random"),
        &options,
    )
    .unwrap()
}

/// One of each kind, at each place that can be read.
pub(crate) fn saes(seed: u64) -> Vec<Sae> {
    let mut random = Random(seed);
    let kinds = [
        ("mlp.hook_in", false, false),
        ("ln2.hook_normalized", true, true),
        ("hook_resid_mid", false, true),
    ];
    let mut saes = Vec::new();
    for (layer, (read, skip, jump_relu)) in kinds.into_iter().enumerate() {
        let kind = Transcoder { skip, jump_relu };
        saes.push(transcoder(layer, read, kind, &mut random));
    }
    saes
}

pub(crate) fn transcoders(seed: u64, model: &Llama) -> Transcoders {
    Transcoders::loaded(saes(seed), model.config()).unwrap()
}

/// Llama 3's proportions.
pub(crate) fn llama(
    vocab_size: usize,
    d: usize,
    d_mlp: usize,
    n_layers: usize,
    heads: usize,
    kv: usize,
) -> LlamaConfig {
    LlamaConfig::from_json(&format!(
        r#"{{"model_type": "llama", "vocab_size": {vocab_size}, "hidden_size": {d}, "intermediate_size": {d_mlp}, "num_hidden_layers": {n_layers},
        "num_attention_heads": {heads}, "num_key_value_heads": {kv}, "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "tie_word_embeddings": false,
        "max_position_embeddings": 8192}}"#
    ))
    .unwrap()
}

/// A transcoder for each block that reads after the norm's weight.
pub(crate) fn configs(n_layers: usize, d: usize, d_sae: usize) -> impl Iterator<Item = SaeConfig> {
    (0..n_layers).map(move |layer| {
        let kind = Transcoder {
            skip: false,
            jump_relu: false,
        };
        let mut cfg = cfg(layer, "mlp.hook_in", kind, d);
        cfg.d_sae = d_sae;
        cfg
    })
}
