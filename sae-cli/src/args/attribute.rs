//! The arguments of `sae attribute`.

use super::memory::MemoryArgs;
use super::place::PlaceArgs;
use super::sheet::SheetArgs;
use clap::ArgGroup;
use sae_interventions::Method;
use std::path::PathBuf;

/// Find what made the model answer as it does: features, heads and MLPs, ranked
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("who").args(["sae", "model"]).multiple(true).required(true))]
#[command(after_help = "Examples:
  sae attribute 'The capital of France is' --answer Paris --against Rome --sae RUN --page why.html
  sae attribute 'The capital of France is' --corrupted 'The capital of Italy is' \\
      --answer Paris --against Rome --sae RUN --method integrated:32

Methods: gradient (activation times gradient; with --corrupted attribution patching), integrated:N (the
mean gradient at N points on the way, which adds up), ablate (each of the strongest by itself, exactly),
direct (straight through the residual stream at the last position).")]
pub(crate) struct Args {
    /// The prompt
    #[arg(allow_hyphen_values = true)]
    pub(crate) text: String,
    /// The token whose logit or probability is explained
    #[arg(long, value_name = "STR", allow_hyphen_values = true)]
    pub(crate) answer: String,
    /// The token it is compared with
    #[arg(long, value_name = "STR", allow_hyphen_values = true)]
    pub(crate) against: Option<String>,
    /// Another prompt of as many tokens: effects are those of the difference
    #[arg(long, value_name = "STR", allow_hyphen_values = true)]
    pub(crate) corrupted: Option<String>,
    /// An SAE's run, repeatable, each at its own hook: a folder, or on the Hub organisation/name[@revision][:folder]
    #[arg(long, value_name = "DIR|ID")]
    pub(crate) sae: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// How effects are found: gradient, integrated[:N], ablate or direct
    #[arg(long, value_name = "METHOD", default_value = "gradient")]
    pub(crate) method: Method,
    /// Features listed of each SAE
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) top: u32,
    /// Leave heads and MLPs out
    #[arg(long)]
    pub(crate) no_components: bool,
    /// Do not put BOS before the prompt
    #[arg(long)]
    pub(crate) no_bos: bool,
    #[command(flatten)]
    pub(crate) sheet: SheetArgs,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
}
