//! A model whose files are at hand.

use super::tokenizer::tokenizer_files;
use chat_template::{ChatTemplate, ChatTemplateError};
use dataset_stream::{Tokenizer, TokenizerError};
use llama_hooked::generate::{GenerationConfig, GenerationConfigError};
use llama_hooked::{
    Cache, DownloadProgress, HubOptions, Llama, LlamaConfig, LlamaLoadError, LlamaLoadOptions,
    ModelFiles, ModelSource, ModelSourceError, Observer, Placement,
};
use sae_backend::ComputeDevice;
use std::path::{Path, PathBuf};

/// A model that cannot be used: its name, and why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Its files cannot be found.
    #[error(transparent)]
    Source(#[from] ModelSourceError),
    /// Its configuration or its weights are at fault.
    #[error("model {name}")]
    Load {
        /// The model.
        name: String,
        /// The problem.
        source: LlamaLoadError,
    },
    /// It has no tokenizer.
    #[error("{}: there is no tokenizer.json beside the model's config.json; text needs one", .0.display())]
    NoTokenizer(PathBuf),
    /// Its tokenizer is at fault.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// Its chat template is at fault, or it has none.
    #[error(transparent)]
    ChatTemplate(#[from] ChatTemplateError),
    /// What it says of generation is at fault.
    #[error(transparent)]
    Generation(#[from] GenerationConfigError),
}

/// A model whose files are at hand: what it is called, and where they are. Nothing is loaded yet.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FoundModel {
    /// The name that was given.
    pub name: String,
    /// Its files.
    pub files: ModelFiles,
}

impl FoundModel {
    /// Finds a model by folder or by its name on the Hub (`organisation/name[@revision]`), downloading what is not in the cache.
    ///
    /// # Errors
    /// If there is no such model, its files are incomplete or cannot be fetched, or the observer stops a download.
    pub fn find(
        name: &str,
        observer: &mut dyn Observer<DownloadProgress>,
    ) -> Result<Self, ModelError> {
        let source = ModelSource::parse(name)?;
        let files = match &source {
            ModelSource::Dir(_) => source.resolve()?,
            ModelSource::Hub { .. } => {
                let cache = Cache::from_env().ok_or(ModelSourceError::NoCache)?;
                source.resolve_with(&HubOptions::from_env(), &cache, observer)?
            }
        };
        Ok(Self {
            name: name.to_owned(),
            files,
        })
    }

    /// Its dimensions, and whether its unembedding is tied, as the weights have it.
    ///
    /// # Errors
    /// If `config.json` cannot be read or is not of a Llama, or a file of weights cannot be read.
    pub fn config(&self) -> Result<LlamaConfig, ModelError> {
        LlamaConfig::from_files(&self.files).map_err(|source| ModelError::Load {
            name: self.name.clone(),
            source,
        })
    }

    /// Loads the weights, or leaves them in their files.
    ///
    /// # Errors
    /// If a weight is missing, or not as the configuration says.
    pub fn load(&self, on: &ComputeDevice, placement: Placement) -> Result<Llama, ModelError> {
        self.load_layers(on, placement, None)
    }

    /// As [`load`](Self::load), of the first so many blocks only: see [`LlamaLoadOptions::layers`].
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_layers(
        &self,
        on: &ComputeDevice,
        placement: Placement,
        layers: Option<usize>,
    ) -> Result<Llama, ModelError> {
        let mut options = LlamaLoadOptions::new(&on.device, on.dtype);
        options.placement = placement;
        options.layers = layers;
        Llama::load(&self.files, &options).map_err(|source| ModelError::Load {
            name: self.name.clone(),
            source,
        })
    }

    /// Its tokenizer.
    ///
    /// # Errors
    /// If it has none, or one that cannot be read.
    pub fn tokenizer(&self) -> Result<Tokenizer, ModelError> {
        let Some(path) = &self.files.tokenizer else {
            let folder = self.files.config.parent().unwrap_or(Path::new("."));
            return Err(ModelError::NoTokenizer(folder.to_owned()));
        };
        Ok(Tokenizer::from_file(path)?)
    }

    /// How a conversation becomes a text, by the files beside its tokenizer.
    ///
    /// # Errors
    /// If it has no template ([`ChatTemplateError::Missing`]), or one that cannot be read.
    pub fn chat_template(&self) -> Result<ChatTemplate, ModelError> {
        let beside = self.files.tokenizer.as_ref().unwrap_or(&self.files.config);
        let folder = beside.parent().unwrap_or(Path::new("."));
        Ok(ChatTemplate::from_folder(folder)?)
    }

    /// How its makers let it generate. What they ask for and is not done here is warned of.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn generation_config(&self) -> Result<GenerationConfig, ModelError> {
        let config = GenerationConfig::from_files(&self.files)?;
        if !config.unsupported.is_empty() {
            let asked = config.unsupported.join(", ");
            tracing::warn!("generation_config.json asks for {asked}: that is not done here");
        }
        Ok(config)
    }

    /// Every file that may be read.
    pub fn paths(&self) -> Vec<PathBuf> {
        let ModelFiles {
            config,
            weights,
            tokenizer,
            ..
        } = &self.files;
        let index = config.with_file_name("model.safetensors.index.json");
        let generation = config.with_file_name("generation_config.json");
        let template = config.with_file_name("chat_template.jinja");
        let tokenizer = tokenizer.as_deref().map(tokenizer_files);
        weights
            .iter()
            .cloned()
            .chain([config.clone(), index, generation, template])
            .chain(tokenizer.into_iter().flatten())
            .collect()
    }
}
