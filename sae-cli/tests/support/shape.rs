//! Models and SAEs of any size that take no room: files whose tensors are holes.

use super::Scratch;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// The dimensions of a Llama.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) vocab: usize,
    pub(crate) d: usize,
    pub(crate) d_mlp: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) tied: bool,
}

pub(crate) const LLAMA_3_8B: Shape = Shape {
    vocab: 128_256,
    d: 4096,
    d_mlp: 14_336,
    layers: 32,
    heads: 32,
    kv_heads: 8,
    tied: false,
};

pub(crate) const SMOLLM2_135M: Shape = Shape {
    vocab: 49_152,
    d: 576,
    d_mlp: 1_536,
    layers: 30,
    heads: 9,
    kv_heads: 3,
    tied: true,
};

impl Shape {
    /// Every tensor by name, with its dimensions.
    fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let (d, kv) = (self.d, self.d / self.heads * self.kv_heads);
        let mut tensors = vec![("model.embed_tokens.weight".to_owned(), vec![self.vocab, d])];
        for layer in 0..self.layers {
            let parts = [
                ("self_attn.q_proj", vec![d, d]),
                ("self_attn.k_proj", vec![kv, d]),
                ("self_attn.v_proj", vec![kv, d]),
                ("self_attn.o_proj", vec![d, d]),
                ("mlp.gate_proj", vec![self.d_mlp, d]),
                ("mlp.up_proj", vec![self.d_mlp, d]),
                ("mlp.down_proj", vec![d, self.d_mlp]),
                ("input_layernorm", vec![d]),
                ("post_attention_layernorm", vec![d]),
            ];
            let name = |part| format!("model.layers.{layer}.{part}.weight");
            tensors.extend(parts.map(|(part, dims)| (name(part), dims)));
        }
        tensors.push(("model.norm.weight".to_owned(), vec![d]));
        if !self.tied {
            tensors.push(("lm_head.weight".to_owned(), vec![self.vocab, d]));
        }
        tensors
    }

    /// Bytes of the weights in bf16.
    pub(crate) fn bytes(&self) -> u64 {
        let tensors = self.tensors();
        let sizes = tensors
            .iter()
            .map(|(_, dims)| dims.iter().product::<usize>());
        2 * sizes.sum::<usize>() as u64
    }

    /// Writes the model as `model`, in bf16.
    pub(crate) fn write_model(&self, scratch: &Scratch) {
        let config = json!({
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": self.vocab, "hidden_size": self.d,
            "intermediate_size": self.d_mlp, "num_hidden_layers": self.layers, "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads, "rms_norm_eps": 1e-5, "rope_theta": 500_000.0, "max_position_embeddings": 8192,
            "tie_word_embeddings": self.tied, "bos_token_id": self.vocab - 256, "eos_token_id": self.vocab - 255,
            "torch_dtype": "bfloat16",
        });
        scratch.write("model/config.json", config.to_string());
        write_holes(
            &scratch.path("model/model.safetensors"),
            "BF16",
            &self.tensors(),
        );
    }

    /// Writes a run of an SAE of the architecture for the middle of the model, as `run`, in f32.
    pub(crate) fn write_sae(
        &self,
        scratch: &Scratch,
        architecture: &str,
        d_sae: usize,
        more: &Value,
    ) {
        let mut cfg = json!({
            "architecture": architecture, "d_in": self.d, "d_sae": d_sae, "dtype": "float32", "device": "cuda",
            "apply_b_dec_to_input": true, "normalize_activations": "none", "reshape_activations": "none",
            "metadata": {"hook_name": format!("blocks.{}.hook_resid_pre", self.layers / 2), "context_size": 256, "prepend_bos": true,
                         "model_name": "a shape"},
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            cfg[key] = value.clone();
        }
        scratch.write("run/final_sae/cfg.json", cfg.to_string());
        let mut tensors = vec![
            ("W_enc".to_owned(), vec![self.d, d_sae]),
            ("W_dec".to_owned(), vec![d_sae, self.d]),
            ("b_enc".to_owned(), vec![d_sae]),
            ("b_dec".to_owned(), vec![self.d]),
        ];
        if architecture == "jumprelu" {
            tensors.push(("threshold".to_owned(), vec![d_sae]));
        }
        write_holes(
            &scratch.path("run/final_sae/sae_weights.safetensors"),
            "F32",
            &tensors,
        );
    }

    /// Writes rows of tokens as `tokens.safetensors`.
    pub(crate) fn write_tokens(&self, scratch: &Scratch, rows: usize, width: usize) {
        let bos = self.vocab - 256;
        let ids = (0..rows * width).map(|i| match i % width {
            0 => bos as i64,
            at => ((i / width * 31 + at * 7) % bos) as i64,
        });
        let bytes: Vec<u8> = ids.flat_map(i64::to_le_bytes).collect();
        let view = safetensors::tensor::TensorView::new(
            safetensors::Dtype::I64,
            vec![rows, width],
            &bytes,
        );
        let file = safetensors::serialize([("tokens", view.unwrap())], None).unwrap();
        scratch.write("tokens.safetensors", file);
    }
}

/// A file of the tensors, all zero: only its header takes room.
fn write_holes(path: &Path, dtype: &str, tensors: &[(String, Vec<usize>)]) {
    let size = if dtype == "F32" { 4 } else { 2 };
    let (mut header, mut end) = (Map::new(), 0);
    for (name, dims) in tensors {
        let start = end;
        end += size * dims.iter().product::<usize>();
        header.insert(
            name.clone(),
            json!({"dtype": dtype, "shape": dims, "data_offsets": [start, end]}),
        );
    }
    let mut header = serde_json::to_string(&header).unwrap();
    // So that the data begin at a multiple of eight.
    while header.len() % 8 != 0 {
        header.push(' ');
    }
    let mut file = File::create(path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes())
        .unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len((8 + header.len() + end) as u64).unwrap();
}
