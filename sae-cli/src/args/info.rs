//! The arguments of `sae info`.

use super::files::FilesArgs;
use std::path::PathBuf;

/// Show what a training run left behind: configuration and recorded sparsity, no weights loaded
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sae info runs/20251213_174540_llama3_8b\n  sae info RUN/final_sae --json\n  sae info organisation/saes:layers.15\n  sae info transcoders/layer_12.safetensors\n  sae info clt/"
)]
pub(crate) struct Args {
    /// The run's folder, its final_sae, files of another format, or on the Hub organisation/name[@revision][:folder]
    pub(crate) run: PathBuf,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
}
