//! Loading a model from files.

use super::decode::Target;
use super::files::WeightFiles;
use super::tensors::{EMBEDDING, UNEMBEDDING, check};
use super::{LlamaLoadError, StreamedWeights, TensorSource};
use crate::config::LlamaConfig;
use crate::model::Llama;
use crate::source::ModelFiles;
use burn::tensor::{Device, FloatDType, Tensor};

/// Where a model is to live, and in which precision.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LlamaLoadOptions {
    /// The device of the weights.
    pub device: Device,
    /// The dtype of the weights: F32, F16 or BF16, whatever they are stored as. On the CPU, F16 is slow, and BF16 faster than F32
    /// where the processor has the instructions ([`sae_backend::has_bf16_products`]).
    pub dtype: FloatDType,
    /// Where the weights are while the model runs.
    pub placement: Placement,
    /// Load only so many of the first blocks, and no unembedding of its own: enough for activations below. The model then has that many
    /// layers, and its logits mean nothing.
    pub layers: Option<usize>,
}

/// Where a model's weights are while it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Placement {
    /// All on the device.
    #[default]
    Resident,
    /// In their files, mapped and as they are stored; one block at a time comes to the device while the next is read. A model may
    /// then be larger than memory, and the more tokens go through a block at once the less it costs. On a GPU the unembedding is
    /// resident.
    Streamed,
}

impl LlamaLoadOptions {
    /// Weights that are all on the device.
    pub fn new(device: &Device, dtype: FloatDType) -> Self {
        Self {
            device: device.clone(),
            dtype,
            placement: Placement::Resident,
            layers: None,
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
    /// If a file is damaged or missing, the configuration is not a plain Llama's, or a tensor is missing, misshapen, not made of floats, or
    /// of a part that a Llama does not have. The message names the file, the tensor, and what was found and expected.
    ///
    /// # Warnings
    /// Of tensors that are not used: those outside the blocks, those of blocks beyond the configuration's, and empty ones.
    pub fn load(files: &ModelFiles, options: &LlamaLoadOptions) -> Result<Self, LlamaLoadError> {
        let mut config = LlamaConfig::from_file(&files.config)?;
        let target = Target::new(options.dtype).ok_or(LlamaLoadError::Target(options.dtype))?;
        let weights = WeightFiles::open(&files.weights)?;
        if unties(&config, &weights) {
            tracing::warn!(
                "{}: says tie_word_embeddings, but the files hold an lm_head.weight that differs from the embedding: it is used, as \
                 transformers does",
                files.config.display()
            );
            config.tie_word_embeddings = false;
        }
        check(&config, &weights)?;
        if let Some(layers) = options.layers {
            config.n_layers = config.n_layers.min(layers);
            config.tie_word_embeddings = true;
        }
        let mut source = FileSource {
            weights: &weights,
            device: &options.device,
            target,
        };
        let model = match options.placement {
            Placement::Resident => Self::assemble(config, options.dtype, &mut source)?,
            Placement::Streamed => {
                let ln_final = source.vector("model.norm.weight", config.d_model)?;
                let files = StreamedWeights::new(weights, &config, options.device.clone(), target);
                Self::assemble_streamed(config, options.dtype, ln_final, files)
            }
        };
        tracing::info!(config = %files.config.display(), files = files.weights.len(), dtype = ?options.dtype, "loaded a model");
        Ok(model)
    }
}

impl LlamaConfig {
    /// The configuration of a model as its weights have it: untied where the files hold an unembedding of their own. Headers are read,
    /// and no tensors but the two that may be tied.
    ///
    /// # Errors
    /// If the configuration or a file of weights cannot be read.
    pub fn from_files(files: &ModelFiles) -> Result<Self, LlamaLoadError> {
        let mut config = Self::from_file(&files.config)?;
        if config.tie_word_embeddings {
            config.tie_word_embeddings = !unties(&config, &WeightFiles::open(&files.weights)?);
        }
        Ok(config)
    }
}

/// Whether the files hold an unembedding that differs from the embedding it is said to be tied to.
fn unties(config: &LlamaConfig, weights: &WeightFiles) -> bool {
    config.tie_word_embeddings && weights.differ(EMBEDDING, UNEMBEDDING)
}

struct FileSource<'a> {
    weights: &'a WeightFiles,
    device: &'a Device,
    target: Target,
}

impl TensorSource for FileSource<'_> {
    type Error = LlamaLoadError;

    fn vector(&mut self, name: &str, len: usize) -> Result<Tensor<1>, LlamaLoadError> {
        let data = self.weights.read(name, &[len], self.target)?;
        Ok(Tensor::from_data(data, (self.device, self.target.dtype())))
    }

    fn matrix(&mut self, name: &str, shape: [usize; 2]) -> Result<Tensor<2>, LlamaLoadError> {
        let data = self.weights.read(name, &shape, self.target)?;
        Ok(Tensor::from_data(data, (self.device, self.target.dtype())))
    }
}
