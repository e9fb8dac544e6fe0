//! The arguments of `sae prompt`.

use super::memory::MemoryArgs;
use super::place::PlaceArgs;
use clap::ArgGroup;
use std::path::PathBuf;

/// Ask for the next token after a prompt, plain and through an SAE: the notebook's prompt check
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("who").args(["sae", "model"]).multiple(true).required(true))]
#[command(after_help = "Examples:
  sae prompt 'When John and Mary went to the shops, John gave the bag to' --answer ' Mary' \\
      --sae RUN
  sae prompt 'The capital of France is' --answer Paris --model model/

A space is put before the answer if it has none. Ranks count from 0. The SAE's full forward pass replaces the activation.")]
pub(crate) struct Args {
    /// The prompt
    #[arg(allow_hyphen_values = true)]
    pub(crate) text: String,
    /// The token or text that should come next
    #[arg(long, value_name = "STR", allow_hyphen_values = true)]
    pub(crate) answer: String,
    /// The SAE's run: a folder, or on the Hub organisation/name[@revision][:folder]
    #[arg(long, value_name = "DIR|ID")]
    pub(crate) sae: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
    /// Do not put BOS before the prompt
    #[arg(long)]
    pub(crate) no_bos: bool,
}
