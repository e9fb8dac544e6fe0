//! Which positions count.

use crate::args::masking::MaskingArgs;
use crate::error::UsageError;
use anyhow::{Result, bail};
use llama_hooked::LlamaConfig;
use sae_llama::resolve::FoundModel;
use sae_metrics::Masking;

/// Which positions count, for this model.
pub(crate) fn masking(
    args: &MaskingArgs,
    found: &FoundModel,
    config: &LlamaConfig,
) -> Result<Masking> {
    if args.keep_all_tokens {
        return Ok(Masking::none());
    }
    if !args.exclude_tokens.is_empty() {
        let unknown = |id: &&u32| **id as usize >= config.vocab_size;
        if let Some(id) = args.exclude_tokens.iter().find(unknown) {
            bail!(UsageError(format!(
                "--exclude-tokens: {id} is outside the vocabulary ({})",
                config.vocab_size
            )));
        }
        return Ok(Masking::exclude(args.exclude_tokens.iter().copied()));
    }
    if found.files.tokenizer.is_some() {
        return Ok(Masking::exclude(found.tokenizer()?.special().structural()));
    }
    let ids = [config.bos_token_id, config.pad_token_id]
        .into_iter()
        .flatten();
    Ok(Masking::exclude(
        ids.chain(config.eos_token_ids.iter().copied()),
    ))
}
