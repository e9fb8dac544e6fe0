//! The options that say which positions count.

use crate::UsageError;
use crate::inputs::FoundModel;
use anyhow::{Result, bail};
use llama_hooked::LlamaConfig;
use sae_metrics::Masking;

/// Positions that are left out, by their tokens.
#[derive(Debug, Clone, clap::Args)]
#[allow(clippy::struct_field_names)] // they are the options' names
pub(crate) struct MaskingArgs {
    /// Leave out the positions of these tokens
    #[arg(long, value_name = "ID,..", value_delimiter = ',', conflicts_with_all = ["exclude_special_tokens", "keep_all_tokens"])]
    exclude_tokens: Vec<u32>,
    /// Leave out the positions of the tokenizer's BOS, EOS, PAD and SEP (the default)
    #[arg(long, conflicts_with = "keep_all_tokens")]
    exclude_special_tokens: bool,
    /// Leave out nothing
    #[arg(long)]
    keep_all_tokens: bool,
}

impl MaskingArgs {
    /// Which positions count, for this model.
    pub(crate) fn masking(&self, found: &FoundModel, config: &LlamaConfig) -> Result<Masking> {
        if self.keep_all_tokens {
            return Ok(Masking::none());
        }
        if !self.exclude_tokens.is_empty() {
            let unknown = |id: &&u32| **id as usize >= config.vocab_size;
            if let Some(id) = self.exclude_tokens.iter().find(unknown) {
                bail!(UsageError(format!(
                    "--exclude-tokens: {id} is no token of the model, whose vocabulary has {}",
                    config.vocab_size
                )));
            }
            return Ok(Masking::exclude(self.exclude_tokens.iter().copied()));
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
}
