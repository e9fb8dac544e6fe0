//! Loading a model from files.

use super::decode::Target;
use super::files::WeightFiles;
use super::{LoadError, TensorSource};
use crate::config::LlamaConfig;
use crate::model::Llama;
use crate::source::ModelFiles;
use burn::tensor::{Device, FloatDType, Tensor};
use std::collections::HashSet;

/// Where a model is to live, and in which precision.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The device of the weights.
    pub device: Device,
    /// The dtype of the weights: F32, F16 or BF16, whatever they are stored as. On the CPU, F32 is the fast one.
    pub dtype: FloatDType,
}

impl LoadOptions {
    /// That dtype on that device.
    pub fn new(device: &Device, dtype: FloatDType) -> Self {
        Self {
            device: device.clone(),
            dtype,
        }
    }
}

impl Llama {
    /// Loads a model.
    ///
    /// Files are mapped, and each tensor is cast on its way to the device: memory peaks at the final weights plus one tensor.
    /// Every header is checked against the configuration before the first tensor is read.
    ///
    /// # Errors
    /// If a file is damaged or missing, the configuration is not a plain Llama's, or a tensor is missing, superfluous, misshapen or
    /// not made of floats. The message names the file, the tensor, and what was found and expected.
    pub fn load(files: &ModelFiles, options: &LoadOptions) -> Result<Self, LoadError> {
        let config = LlamaConfig::from_file(&files.config)?;
        let target = Target::new(options.dtype).ok_or(LoadError::Target(options.dtype))?;
        let weights = WeightFiles::open(&files.weights)?;
        check(&config, &weights)?;
        let mut source = FileSource {
            weights: &weights,
            device: &options.device,
            target,
        };
        let model = Self::assemble(config, options.dtype, &mut source)?;
        tracing::info!(config = %files.config.display(), files = files.weights.len(), dtype = ?options.dtype, "loaded a model");
        Ok(model)
    }
}

struct FileSource<'a> {
    weights: &'a WeightFiles,
    device: &'a Device,
    target: Target,
}

impl TensorSource for FileSource<'_> {
    type Error = LoadError;

    fn vector(&mut self, name: &str, len: usize) -> Result<Tensor<1>, LoadError> {
        let data = self.weights.read(name, &[len], self.target)?;
        Ok(Tensor::from_data(data, (self.device, self.target.dtype())))
    }

    fn matrix(&mut self, name: &str, shape: [usize; 2]) -> Result<Tensor<2>, LoadError> {
        let data = self.weights.read(name, &shape, self.target)?;
        Ok(Tensor::from_data(data, (self.device, self.target.dtype())))
    }
}

/// Checks that the files hold the tensors of the architecture, all of them and nothing else.
fn check(config: &LlamaConfig, weights: &WeightFiles) -> Result<(), LoadError> {
    let expected = expected_tensors(config);
    for (name, shape) in &expected {
        weights.check(name, shape)?;
    }
    let known: HashSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    for (name, path, found) in weights.iter() {
        if known.contains(name) || is_redundant(name, config) {
            continue;
        }
        let hint = if name.rsplit('.').next() == Some("bias") {
            "; biases are not supported"
        } else {
            ""
        };
        return Err(LoadError::Extra {
            path: path.to_owned(),
            name: name.to_owned(),
            found: found.to_vec(),
            hint,
        });
    }
    Ok(())
}

/// Tensors that old exports carry and nothing needs: RoPE's frequencies, and an unembedding that is the embedding.
fn is_redundant(name: &str, config: &LlamaConfig) -> bool {
    name.ends_with(".rotary_emb.inv_freq")
        || (name == "lm_head.weight" && config.tie_word_embeddings)
}

/// The tensors of the architecture and their shapes.
fn expected_tensors(config: &LlamaConfig) -> Vec<(String, Vec<usize>)> {
    let LlamaConfig {
        vocab_size,
        d_model: d,
        d_mlp,
        n_heads,
        n_kv_heads,
        d_head,
        ..
    } = *config;
    let (q, kv) = (n_heads * d_head, n_kv_heads * d_head);
    let block = [
        ("self_attn.q_proj", vec![q, d]),
        ("self_attn.k_proj", vec![kv, d]),
        ("self_attn.v_proj", vec![kv, d]),
        ("self_attn.o_proj", vec![d, q]),
        ("mlp.gate_proj", vec![d_mlp, d]),
        ("mlp.up_proj", vec![d_mlp, d]),
        ("mlp.down_proj", vec![d, d_mlp]),
        ("input_layernorm", vec![d]),
        ("post_attention_layernorm", vec![d]),
    ];
    let blocks = (0..config.n_layers).flat_map(|layer| {
        block.iter().map(move |(name, shape)| {
            (format!("model.layers.{layer}.{name}.weight"), shape.clone())
        })
    });
    let mut expected = vec![("model.embed_tokens.weight".to_owned(), vec![vocab_size, d])];
    expected.extend(blocks);
    expected.push(("model.norm.weight".to_owned(), vec![d]));
    if !config.tie_word_embeddings {
        expected.push(("lm_head.weight".to_owned(), vec![vocab_size, d]));
    }
    expected
}
