//! The arguments of `sae encode`.

use super::files::FilesArgs;
use std::path::PathBuf;

/// Encode activations from a file, and decode them again
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae encode --sae RUN --input acts.safetensors --out features.safetensors
  sae encode --sae RUN --input acts.safetensors --key blocks.15.hook_resid_post \\
      --out features.safetensors

The output holds feature_acts [.., d_sae] (dense), decoded = decode(encode(x)) and forward = the full forward pass, with a \
transcoder's skip connection and a temporal SAE's prediction; all but the last axis are those of the input.")]
pub(crate) struct Args {
    /// The SAE's run: a folder, or on the Hub organisation/name[@revision][:folder]
    #[arg(long, value_name = "DIR|ID")]
    pub(crate) sae: PathBuf,
    /// Activations: [.., d_in], or [.., heads, d_head] for an SAE on hook_z
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) input: PathBuf,
    /// Which tensor of the file; by default acts, or if there is none, the one named after the SAE's hook
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// The file to write
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
}
