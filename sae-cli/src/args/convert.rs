//! The arguments of `sae convert`.

use super::files::FilesArgs;
use clap::ValueEnum;
use std::path::PathBuf;

/// Write an SAE of any format that is read here as SAELens saves one
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae convert Llama3_1-8B-Base-L15R-8x l15r
  sae convert sparsify/layers.15.mlp out --json
  sae convert transcoders/ out --layer 12
  sae convert sae_weights.pt out --activation topk:32 --hook blocks.15.hook_resid_post

Scales of activations and norms of decoder rows are folded into the weights where the format asks for it, and the output says so. \
The folder gets cfg.json and sae_weights.safetensors; SAELens loads it.")]
pub(crate) struct Args {
    /// The SAE: a folder or a file of any format, or on the Hub organisation/name[@revision][:folder]
    #[arg(value_name = "IN")]
    pub(crate) run: PathBuf,
    /// The folder to write, which must not hold an SAE yet
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// The format to write
    #[arg(long, value_enum, default_value = "saelens")]
    pub(crate) to: Target,
    /// The hook the SAE reads at, in place of the one that its files name
    #[arg(long, value_name = "NAME")]
    pub(crate) hook: Option<String>,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// SAELens 6: cfg.json and sae_weights.safetensors
    Saelens,
}
