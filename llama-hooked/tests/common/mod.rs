//! A tiny model directory that tests write and then damage.

#![allow(dead_code, clippy::unwrap_used)] // each test file uses its part; clippy sees only #[test] functions as tests

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A configuration of one block: width 8, 2 heads of 4, 1 key/value head, 12 in the MLP, 10 tokens.
pub(crate) fn config() -> Value {
    json!({
        "model_type": "llama",
        "vocab_size": 10,
        "hidden_size": 8,
        "intermediate_size": 12,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 32,
        "rope_theta": 10000.0,
        "tie_word_embeddings": false,
    })
}

/// A tensor to be written.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl Stored {
    pub(crate) fn f32(shape: &[usize], values: impl Iterator<Item = f32>) -> Self {
        let n = shape.iter().product();
        let bytes = values.take(n).flat_map(f32::to_le_bytes).collect();
        Self {
            dtype: Dtype::F32,
            shape: shape.to_vec(),
            bytes,
        }
    }

    /// Zeros of any dtype.
    pub(crate) fn zeros(dtype: Dtype, shape: &[usize]) -> Self {
        let bits = shape.iter().product::<usize>() * dtype.bitsize();
        Self {
            dtype,
            shape: shape.to_vec(),
            bytes: vec![0; bits / 8],
        }
    }
}

pub(crate) type Tensors = BTreeMap<String, Stored>;

/// The tensors of [`config`]: each element a different multiple of 1/64, which every float dtype here holds exactly.
pub(crate) fn tensors() -> Tensors {
    let block = [
        ("self_attn.q_proj", vec![8, 8]),
        ("self_attn.k_proj", vec![4, 8]),
        ("self_attn.v_proj", vec![4, 8]),
        ("self_attn.o_proj", vec![8, 8]),
        ("mlp.gate_proj", vec![12, 8]),
        ("mlp.up_proj", vec![12, 8]),
        ("mlp.down_proj", vec![8, 12]),
        ("input_layernorm", vec![8]),
        ("post_attention_layernorm", vec![8]),
    ];
    let block = block
        .into_iter()
        .map(|(name, shape)| (format!("model.layers.0.{name}.weight"), shape));
    let ends = [
        ("model.embed_tokens.weight", vec![10, 8]),
        ("model.norm.weight", vec![8]),
        ("lm_head.weight", vec![10, 8]),
    ];
    let ends = ends
        .into_iter()
        .map(|(name, shape)| (name.to_owned(), shape));
    let values =
        |seed: usize| (0..).map(move |i: usize| ((i * 37 + seed * 11) % 129) as f32 / 64.0 - 1.0);
    block
        .chain(ends)
        .enumerate()
        .map(|(seed, (name, shape))| (name, Stored::f32(&shape, values(seed))))
        .collect()
}

pub(crate) fn serialize(tensors: &Tensors) -> Vec<u8> {
    let views = tensors.iter().map(|(name, tensor)| {
        (
            name.clone(),
            TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes).unwrap(),
        )
    });
    safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap()
}

/// Writes a model directory with one file of weights.
pub(crate) fn write(dir: &Path, config: &Value, tensors: &Tensors) -> PathBuf {
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
    let weights = dir.join("model.safetensors");
    fs::write(&weights, serialize(tensors)).unwrap();
    weights
}
