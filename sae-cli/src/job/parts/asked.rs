//! What a part is of, before any weight is loaded.

use crate::args::eval::Args;
use crate::job::masking::masking;
use anyhow::Result;
use sae_backend::ComputeDevice;
use sae_core::RunDir;
use sae_llama::fingerprint;
use sae_llama::resolve::FoundModel;
use serde_json::{Value, json};

/// Everything that the figures of all parts depend on: files by their content, not by their names; text by the name of its data set. The
/// batch size is not among it, since figures do not depend on it, nor is a device's number.
pub(crate) fn asked(
    args: &Args,
    run: &RunDir,
    found: &FoundModel,
    on: &ComputeDevice,
    context_size: usize,
) -> Result<Value> {
    let sae_cfg: Value = serde_json::from_str(&run.cfg.to_json())?;
    let config = found.config()?;
    let convention = masking(&args.masking, found, &config)?.to_string();
    let input = &args.input;
    let name = on.name();
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "device": name.split(':').next(),
        "dtype": on.dtype_name(),
        "sae_cfg": sae_cfg,
        "sae_weights": fingerprint([&run.weights])?,
        "model_weights": fingerprint(&found.files.weights)?,
        "hook": input.place.hook.as_ref().map(ToString::to_string),
        "tokens": input.tokens.as_ref().map(|path| fingerprint([path])).transpose()?,
        "dataset": input.dataset,
        "text": input.text.settings(),
        "packing": input.dataset.is_some().then(|| input.packing.name()),
        "context_size": context_size,
        "convention": convention,
        "sequences": args.sequences,
        "max_tokens": input.max_tokens,
        "reconstruction_sequences": args.reconstruction_sequences,
    }))
}
