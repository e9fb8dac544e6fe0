//! The arguments that `sae dashboard` and `sae serve` share: what `sae eval` takes as well, and where the work is kept.

use super::input::InputArgs;
use super::masking::MaskingArgs;
use crate::error::UsageError;
use anyhow::{Result, bail};
use std::path::PathBuf;

/// What is common to both commands.
#[derive(Debug, clap::Args)]
pub(crate) struct SourceArgs {
    /// The SAE's run: a folder, or on the Hub organisation/name[@revision][:folder]
    #[arg(long, value_name = "DIR|ID")]
    pub(crate) sae: PathBuf,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Stop after this many rows; 2048 of text by default, all of a file of tokens
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) sequences: Option<u64>,
    #[command(flatten)]
    pub(crate) masking: MaskingArgs,
    /// Keep tokens and activations in this folder, and resume from it after an interruption
    #[arg(long, value_name = "DIR")]
    pub(crate) work: Option<PathBuf>,
}

impl SourceArgs {
    /// Refuses options that contradict each other.
    pub(crate) fn check(&self) -> Result<()> {
        if self.input.tokens.is_some() {
            self.input.text.none_but_shard()?;
        } else if self.input.text.shard.is_some() {
            bail!(UsageError(
                "--shard: give the rows by --tokens, so that all workers speak of the same ones"
                    .to_owned()
            ));
        }
        Ok(())
    }
}
