//! From arguments and `cfg.json` to a model, an SAE and rows of tokens.

use crate::UsageError;
use crate::afar;
use crate::bad_rows::Log;
use crate::device::Chosen;
use crate::targets::Targets;
use crate::text_args::TextArgs;
use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use dataset_stream::{
    Budget, Packing, ReadError, SaeLensPacking, SourceError, StreamOptions, StreamState,
    TableMetadata, TextSource, TokenStream, Tokenizer,
};
use llama_hooked::{Llama, LlamaConfig, ModelFiles, ModelSource, Placement};
use sae_core::{LoadOptions, RunDir, Sae, SaeMetadata};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// `--packing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PackingChoice {
    /// One continuous stream: EOS between documents, BOS at the head of each row
    Notebook,
    /// SAELens' `concat_and_batch_sequences`: BOS between documents
    Saelens,
}

impl PackingChoice {
    pub(crate) fn packing(self) -> Packing {
        match self {
            Self::Notebook => Packing::Notebook,
            Self::Saelens => Packing::SaeLens(SaeLensPacking::default()),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Notebook => "notebook",
            Self::Saelens => "saelens",
        }
    }
}

/// Where the model is: `--model`, or what the SAE's configuration names.
pub(crate) fn model_source(
    given: Option<&str>,
    metadata: Option<&SaeMetadata>,
) -> Result<(String, ModelSource)> {
    let named = metadata.and_then(|m| m.model_name.as_deref());
    let name = given.or(named).ok_or_else(|| {
        UsageError(
            "which model? cfg.json names none (metadata.model_name): give --model DIR or a Hub id"
                .to_owned(),
        )
    })?;
    let source = ModelSource::parse(name).with_context(|| whence(name, given.is_some()))?;
    Ok((name.to_owned(), source))
}

/// Who named a model that cannot be had, and how to name another.
fn whence(name: &str, given: bool) -> String {
    if given {
        format!("--model {name}")
    } else {
        format!("the model that cfg.json names, {name:?}; give --model DIR if it is elsewhere")
    }
}

/// A model whose files are at hand: what to call it and where they are. Nothing is loaded yet.
pub(crate) struct FoundModel {
    pub(crate) name: String,
    pub(crate) files: ModelFiles,
}

/// Finds a model, on disk or on the Hub.
pub(crate) fn find_model(
    given: Option<&str>,
    metadata: Option<&SaeMetadata>,
    quiet: bool,
) -> Result<FoundModel> {
    let (name, source) = model_source(given, metadata)?;
    let files = afar::model(&source, quiet).with_context(|| whence(&name, given.is_some()))?;
    Ok(FoundModel { name, files })
}

impl FoundModel {
    /// Its dimensions.
    pub(crate) fn config(&self) -> Result<LlamaConfig> {
        let config = LlamaConfig::from_file(&self.files.config);
        config.with_context(|| format!("model {}", self.name))
    }

    pub(crate) fn load(&self, on: &Chosen, placement: Placement) -> Result<Llama> {
        let options = llama_hooked::LoadOptions {
            placement,
            ..llama_hooked::LoadOptions::new(&on.device, on.dtype)
        };
        Llama::load(&self.files, &options).with_context(|| format!("model {}", self.name))
    }

    /// The files that may be read.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let ModelFiles {
            config,
            weights,
            tokenizer,
        } = &self.files;
        let index = config.with_file_name("model.safetensors.index.json");
        let tokenizer = tokenizer.as_deref().map(tokenizer_files);
        weights
            .iter()
            .cloned()
            .chain([config.clone(), index])
            .chain(tokenizer.into_iter().flatten())
            .collect()
    }

    pub(crate) fn tokenizer(&self) -> Result<Tokenizer> {
        let path = self.files.tokenizer.as_ref().with_context(|| {
            let folder = self.files.config.parent().unwrap_or(Path::new("."));
            format!(
                "{}: there is no tokenizer.json beside the model's config.json; text needs one",
                folder.display()
            )
        })?;
        Ok(Tokenizer::from_file(path)?)
    }

    pub(crate) fn describe(&self, model: &Llama, on: &Chosen) -> Value {
        let config = model.config();
        json!({
            "name": self.name,
            "n_layers": config.n_layers,
            "d_model": config.d_model,
            "vocab_size": config.vocab_size,
            "device": on.name,
            "dtype": on.dtype_name(),
        })
    }
}

/// Loads the SAE of a run, in f32 or in the dtype that was asked for.
pub(crate) fn load_sae(run: &RunDir, on: &Chosen) -> Result<Sae> {
    let options = LoadOptions {
        device: on.device.clone(),
        dtype: on.dtype,
    };
    Ok(Sae::load_weights(run.cfg.clone(), &run.weights, &options)?)
}

/// What `sae info` says of a run, as JSON.
pub(crate) fn describe_run(run: &RunDir) -> Value {
    let (cfg, meta) = (&run.cfg, &run.cfg.metadata);
    json!({
        "architecture": cfg.architecture.name(),
        "d_in": cfg.d_in,
        "d_sae": cfg.d_sae,
        "d_out": cfg.d_out,
        "hook_name": meta.hook_name,
        "hook_name_out": meta.write_hook(),
        "hook_head_index": meta.hook_head_index,
        "model_name": meta.model_name,
        "dataset_path": meta.dataset_path,
        "context_size": meta.context_size,
        "prepend_bos": meta.prepend_bos,
        "dtype": cfg.dtype,
        "apply_b_dec_to_input": cfg.apply_b_dec_to_input,
        "normalize_activations": cfg.normalize_activations.name(),
        "reshape_activations": cfg.reshape_activations.name(),
        "sae_lens_version": meta.sae_lens_version,
        "mean_log_sparsity": run.mean_log_sparsity(),
        "dead_fraction": run.dead_fraction(),
        "path": run.dir,
    })
}

/// The files of a run that may be read.
pub(crate) fn run_files(run: &RunDir) -> Vec<PathBuf> {
    let beside = |folder: &Path| folder.join("sparsity.safetensors");
    let above = run.dir.canonicalize().ok();
    let above = above.as_deref().and_then(Path::parent).map(beside);
    [
        run.dir.join("cfg.json"),
        run.weights.clone(),
        beside(&run.dir),
    ]
    .into_iter()
    .chain(above)
    .collect()
}

/// A tokenizer's file, and those beside it that say what its special tokens are.
fn tokenizer_files(path: &Path) -> [PathBuf; 4] {
    let beside = |name: &str| path.with_file_name(name);
    [
        path.to_owned(),
        beside("tokenizer_config.json"),
        beside("special_tokens_map.json"),
        beside("config.json"),
    ]
}

/// A data set and how to make rows of it.
#[derive(Debug, Clone)]
pub(crate) struct TextInput {
    pub(crate) dataset: String,
    pub(crate) text: TextArgs,
    pub(crate) options: StreamOptions,
}

impl TextInput {
    /// Starts streaming.
    ///
    /// `targets` must not be among the files that are read. What is left out of the rows goes into the log.
    pub(crate) fn open(
        &self,
        tokenizer: &Tokenizer,
        targets: &Targets,
    ) -> Result<(TokenStream, Log)> {
        self.open_at(None, tokenizer, targets)
    }

    /// As [`open`](Self::open), going on from a state.
    pub(crate) fn open_at(
        &self,
        state: Option<StreamState>,
        tokenizer: &Tokenizer,
        targets: &Targets,
    ) -> Result<(TokenStream, Log)> {
        let source = TextSource::open(&self.dataset, &self.text.source()?).map_err(in_flags)?;
        targets.spare(source.files())?;
        targets.spare(tokenizer_files(tokenizer.path()))?;
        let log = self.text.on_bad_row().log()?;
        let sink = log.clone();
        let options = self.options();
        let stream = match state {
            None => TokenStream::new(source, tokenizer, &options)?,
            Some(state) => TokenStream::resume(source, tokenizer, &options, state)?,
        };
        Ok((stream.with_bad_rows(move |bad| sink.push(bad)), log))
    }

    /// How rows are made of it, its order and shard included.
    fn options(&self) -> StreamOptions {
        self.text.order(&self.options)
    }

    pub(crate) fn metadata(&self, tokenizer: &Tokenizer) -> TableMetadata {
        TableMetadata {
            original_dataset: Some(self.dataset.clone()),
            original_column_name: self.text.column().map(str::to_owned),
            ..TableMetadata::new(&self.options(), tokenizer)
        }
    }
}

/// A source's message, with the option that helps.
fn in_flags(error: SourceError) -> anyhow::Error {
    match error {
        SourceError::Read(error @ ReadError::NoTextColumn { .. }) => {
            anyhow!("{error}: --column COLUMN")
        }
        error @ SourceError::Remote { .. } => anyhow::Error::new(error).context(
            "the data set; give --dataset if it is elsewhere, for instance --dataset 'pile/*.jsonl.zst'",
        ),
        other => other.into(),
    }
}

/// The budget that `--sequences` or `--max-tokens` gives.
pub(crate) fn budget(sequences: Option<u64>, max_tokens: Option<u64>) -> Budget {
    match (sequences, max_tokens) {
        (Some(n), _) => Budget::Sequences(n),
        (None, Some(n)) => Budget::Tokens(n),
        (None, None) => Budget::Everything,
    }
}

/// The data set: `--dataset`, or what the SAE's configuration names, here or on the Hub.
pub(crate) fn dataset(given: Option<&str>, metadata: &SaeMetadata) -> Result<String> {
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    let Some(named) = &metadata.dataset_path else {
        let message = "which data set? cfg.json names none (metadata.dataset_path): give --dataset FILE, a folder or a pattern";
        bail!(UsageError(message.to_owned()));
    };
    Ok(named.clone())
}

/// Warns of rows longer than the model was trained for: they run, but what they measure is the model's confusion.
pub(crate) fn warn_if_too_long(context_size: usize, model: &Llama) {
    let trained = model.config().max_position_embeddings;
    if context_size > trained {
        tracing::warn!(
            "rows of {context_size} tokens are longer than the {trained} that the model was trained for"
        );
    }
}

/// What `--context-size` may say: what rows of text can have.
pub(crate) fn context_sizes() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=1 << 24)
}

/// The context size: given, or the configuration's.
pub(crate) fn context_size(given: Option<usize>, metadata: &SaeMetadata) -> Result<usize> {
    given.or(metadata.context_size).ok_or_else(|| {
        UsageError(
            "how long are the rows? cfg.json has no context_size: give --context-size N".to_owned(),
        )
        .into()
    })
}

/// Sequences per batch, such that neither the features nor the model's widest activation of one batch grow beyond 256 MiB.
pub(crate) fn batch_size(given: Option<usize>, context_size: usize, width: usize) -> usize {
    let tokens = ((256 << 20) / (4 * width.max(1))).clamp(1, 4096);
    given.unwrap_or_else(|| (tokens / context_size.max(1)).max(1))
}

/// A tokenizer by file, by folder, or by a model's Hub id.
pub(crate) fn tokenizer(spec: &str, quiet: bool) -> Result<(PathBuf, Tokenizer)> {
    let path = PathBuf::from(spec);
    if path.exists() {
        return Ok((path.clone(), Tokenizer::from_file(path)?));
    }
    let found = ModelSource::parse(spec).and_then(|source| afar::tokenizer(&source, quiet));
    let found = found.with_context(|| format!("--tokenizer {spec}: is neither a file, a folder, nor a model that can be had from the Hub"))?;
    let path = found.with_context(|| format!("{spec} has no tokenizer.json"))?;
    Ok((path.clone(), Tokenizer::from_file(path)?))
}
