//! Weights of models.

use crate::scratch;
use burn::tensor::{Device, FloatDType};
use llama_hooked::{Llama, LlamaLoadOptions, ModelFiles, ModelSource, Placement};

/// A Llama whose weights are a few hundred bytes.
const CONFIG: &str = r#"{"vocab_size": 4, "hidden_size": 4, "intermediate_size": 4, "num_hidden_layers": 1,
    "num_attention_heads": 2, "num_key_value_heads": 1, "tie_word_embeddings": true}"#;

/// `model.safetensors` of that Llama.
pub(crate) fn weights(data: &[u8]) {
    let files = ModelFiles {
        config: scratch::file("config.json", CONFIG.as_bytes()),
        weights: vec![scratch::file("model.safetensors", data)],
        tokenizer: None,
    };
    let mut options = LlamaLoadOptions::new(&Device::flex(), FloatDType::F32);
    for placement in [Placement::Resident, Placement::Streamed] {
        options.placement = placement;
        std::hint::black_box(Llama::load(&files, &options).is_ok());
    }
}

/// `model.safetensors.index.json`.
pub(crate) fn index(data: &[u8]) {
    let names = &["model.safetensors.index.json", "config.json"];
    let folder = scratch::files("model", &names[..1], data);
    std::fs::write(folder.join(names[1]), CONFIG).expect("a temporary file can be written");
    let _ = ModelSource::Dir(folder).resolve();
}
