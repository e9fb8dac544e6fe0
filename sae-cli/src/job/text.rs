//! The text: `--dataset`, or the one that the SAE's configuration names.

use super::bad_rows::Log;
use super::targets::Targets;
use crate::args::text::TextArgs;
use crate::error::UsageError;
use crate::terminal::interrupt;
use anyhow::{Result, anyhow, bail};
use dataset_stream::{
    Budget, ReadError, SourceError, StreamOptions, StreamProgress, StreamState, TableMetadata,
    TextSource, TokenStream, Tokenizer,
};
use sae_core::SaeMetadata;
use sae_llama::resolve::tokenizer_files;

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
    /// `targets` must not be among the files that are read. Rows that are left out go into the log.
    pub(crate) fn open(
        &self,
        tokenizer: &Tokenizer,
        targets: &Targets,
    ) -> Result<(TokenStream, Log)> {
        self.open_at(None, tokenizer, targets)
    }

    /// As [`open`](Self::open), resuming from a state.
    pub(crate) fn open_at(
        &self,
        state: Option<StreamState>,
        tokenizer: &Tokenizer,
        targets: &Targets,
    ) -> Result<(TokenStream, Log)> {
        let source = {
            let _at_once = interrupt::at_once();
            TextSource::open(&self.dataset, &self.text.source()?).map_err(in_flags)?
        };
        targets.spare(source.files())?;
        targets.spare(tokenizer_files(tokenizer.path()))?;
        let log = Log::new(&self.text.on_bad_row())?;
        let sink = log.clone();
        let options = self.options();
        let stream = match state {
            None => TokenStream::new(source, tokenizer, &options)?,
            Some(state) => TokenStream::resume(source, tokenizer, &options, state)?,
        };
        let stream = stream
            .with_bad_rows(move |bad| sink.push(bad))
            .with_observer(|_: &StreamProgress| interrupt::flow());
        Ok((stream, log))
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

    /// An error for text that gives no row.
    pub(crate) fn too_short(&self) -> anyhow::Error {
        too_short(&self.dataset, self.options.context_size)
    }
}

/// An error for text that gives no row.
pub(crate) fn too_short(dataset: &str, context_size: usize) -> anyhow::Error {
    anyhow!(
        "{dataset}: the text gives not one row of {context_size} tokens; give more text or a smaller --context-size"
    )
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

/// Rows that a budget allows, if it limits them.
pub(crate) fn rows_of(budget: Budget, context_size: usize) -> Option<u64> {
    match budget {
        Budget::Sequences(n) => Some(n),
        Budget::Tokens(n) => Some(n / context_size as u64),
        Budget::Everything => None,
    }
}

/// The data set: `--dataset`, or the one that the SAE's configuration names, here or on the Hub.
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

/// The context size: given, or the configuration's.
pub(crate) fn context_size(given: Option<usize>, metadata: &SaeMetadata) -> Result<usize> {
    given.or(metadata.context_size).ok_or_else(|| {
        UsageError(
            "how long are the rows? cfg.json has no context_size: give --context-size N".to_owned(),
        )
        .into()
    })
}
