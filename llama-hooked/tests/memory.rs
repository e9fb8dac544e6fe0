//! Loading needs the final weights and one tensor more, not the file besides and not a second copy.

#![allow(clippy::unwrap_used)]
// clippy sees only the #[test] functions as tests, not the functions they share
// Reads the kernel's own count of this process's memory.
#![cfg(target_os = "linux")]

use burn::tensor::{Device, FloatDType};
use llama_hooked::{Llama, LlamaLoadOptions, ModelSource};
use serde_json::{Map, json};
use std::fs::{self, File};
use std::io::Write;

const LAYERS: usize = 16;
const VOCAB: usize = 8000;
const D: usize = 256;
const D_MLP: usize = 1024;

/// Allocator, stack and code that are touched on the way.
const SLACK: usize = 8 << 20;

/// The highest number of bytes in memory since the last [`forget_peak`].
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim()
        .trim_end_matches(" kB")
        .parse::<usize>()
        .unwrap()
        << 10
}

fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

#[test]
fn peak_is_the_weights_and_one_tensor() {
    let block = [
        ("self_attn.q_proj", vec![D, D]),
        ("self_attn.k_proj", vec![D, D]),
        ("self_attn.v_proj", vec![D, D]),
        ("self_attn.o_proj", vec![D, D]),
        ("mlp.gate_proj", vec![D_MLP, D]),
        ("mlp.up_proj", vec![D_MLP, D]),
        ("mlp.down_proj", vec![D, D_MLP]),
        ("input_layernorm", vec![D]),
        ("post_attention_layernorm", vec![D]),
    ];
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![VOCAB, D]),
        ("model.norm.weight".to_owned(), vec![D]),
    ];
    for layer in 0..LAYERS {
        shapes.extend(
            block.iter().map(|(name, shape)| {
                (format!("model.layers.{layer}.{name}.weight"), shape.clone())
            }),
        );
    }
    let numbers: usize = shapes
        .iter()
        .map(|(_, shape)| shape.iter().product::<usize>())
        .sum();

    // A file of zeros with a hole in it: large for a reader, nothing on the disk.
    let dir = tempfile::tempdir().unwrap();
    let mut header = Map::new();
    let mut end = 0;
    for (name, shape) in shapes {
        let start = end;
        end += 2 * shape.iter().product::<usize>();
        header.insert(
            name,
            json!({"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}),
        );
    }
    let header = serde_json::to_string(&header).unwrap();
    let mut file = File::create(dir.path().join("model.safetensors")).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes())
        .unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len((8 + header.len() + end) as u64).unwrap();
    let config = json!({
        "model_type": "llama", "vocab_size": VOCAB, "hidden_size": D, "intermediate_size": D_MLP, "num_hidden_layers": LAYERS,
        "num_attention_heads": 4, "tie_word_embeddings": true,
    });
    fs::write(dir.path().join("config.json"), config.to_string()).unwrap();

    let files = ModelSource::Dir(dir.path().into()).resolve().unwrap();
    let options = LlamaLoadOptions::new(&Device::flex(), FloatDType::F32);
    forget_peak();
    let before = peak();
    let model = Llama::load(&files, &options).unwrap();
    let grown = peak() - before;
    drop(model);
    let (weights, largest) = (4 * numbers, 4 * VOCAB * D);
    assert!(
        grown >= weights,
        "{grown} bytes cannot hold {weights}: the measurement is broken"
    );
    assert!(
        grown <= weights + largest + SLACK,
        "{grown} bytes for {weights} of weights"
    );
}
