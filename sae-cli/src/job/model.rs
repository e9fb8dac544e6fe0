//! The model: `--model`, or the one that the SAE's configuration names.

use crate::error::UsageError;
use crate::terminal::interrupt;
use crate::terminal::progress::Downloads;
use anyhow::{Context, Result};
use llama_hooked::Llama;
use sae_backend::ComputeDevice;
use sae_core::SaeMetadata;
use sae_llama::resolve::{FoundModel, find_tokenizer};
use sae_report::ModelDescription;
use std::path::Path;

/// Finds a model, on disk or on the Hub. Where `cfg.json` names it, the revision that it was loaded at counts.
pub(crate) fn find_model(
    given: Option<&str>,
    metadata: Option<&SaeMetadata>,
    quiet: bool,
) -> Result<FoundModel> {
    let named = metadata.and_then(|m| m.model_name.as_deref());
    let name = given.or(named).ok_or_else(|| {
        UsageError(
            "which model? cfg.json names none (metadata.model_name): give --model DIR or a Hub id"
                .to_owned(),
        )
    })?;
    let revision = metadata.and_then(SaeMetadata::model_revision);
    let at = match revision.filter(|_| given.is_none() && !name.contains('@')) {
        Some(revision) if !Path::new(name).exists() => format!("{name}@{revision}"),
        _ => name.to_owned(),
    };
    let _at_once = interrupt::at_once();
    let mut bar = Downloads::new(quiet);
    let found = FoundModel::find(&at, &mut bar.observer());
    found.with_context(|| {
        if given.is_some() {
            format!("--model {name}")
        } else {
            not_found(name)
        }
    })
}

/// What is said of a model that `cfg.json` names and that cannot be had.
fn not_found(name: &str) -> String {
    let mut text = format!(
        "the model that cfg.json names, {name:?}, cannot be opened; if it is on this machine, give --model DIR"
    );
    if !Path::new(name).exists()
        && let Ok(here) = std::env::current_dir()
    {
        text += &format!(" (there is no {})", here.join(name).display());
    }
    text
}

/// `--tokenizer`.
pub(crate) fn tokenizer(spec: &str, quiet: bool) -> Result<dataset_stream::Tokenizer> {
    let _at_once = interrupt::at_once();
    let mut bar = Downloads::new(quiet);
    let found = find_tokenizer(spec, &mut bar.observer());
    let (_, tokenizer) = found.with_context(|| format!("--tokenizer {spec}"))?;
    Ok(tokenizer)
}

/// The description of a model in JSON.
pub(crate) fn describe(name: &str, model: &Llama, on: &ComputeDevice) -> ModelDescription {
    let config = model.config();
    let sizes = [config.n_layers, config.d_model, config.vocab_size];
    ModelDescription::new(name, sizes, &on.name(), on.dtype_name())
}

/// Warns about rows longer than the model was trained for: they run, but the figures measure the model's confusion.
pub(crate) fn warn_if_too_long(context_size: usize, model: &Llama) {
    let trained = model.config().max_position_embeddings;
    if context_size > trained {
        tracing::warn!(
            "rows of {context_size} tokens are longer than the {trained} that the model was trained for"
        );
    }
}

/// Warns of figures that are no numbers, which the weights must have made so.
pub(crate) fn warn_if_not_finite(figures: impl IntoIterator<Item = f64>) {
    if figures.into_iter().any(|figure| !figure.is_finite()) {
        tracing::warn!(
            "the model's logits are not finite numbers, and what follows from them is undefined: a weight is NaN, or the dtype overflows"
        );
    }
}
