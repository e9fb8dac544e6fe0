//! The arguments of `sae patch`.

use super::memory::MemoryArgs;
use super::place::PlaceArgs;
use super::sheet::SheetArgs;
use clap::{ArgGroup, ValueEnum};
use std::path::PathBuf;

/// Find where two prompts part ways: one's activations put into the other's run, place by place
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("who").args(["sae", "model"]).multiple(true).required(true))]
#[command(after_help = "Examples:
  sae patch --clean 'When John and Mary went out, John gave a drink to' \\
      --corrupted 'When John and Mary went out, Mary gave a drink to' \\
      --answer Mary --against John --model model/ --page patch.html
  sae patch --clean P --corrupted Q --answer A --against B --site feature --sae RUN

Both prompts need as many tokens. 0 is the corrupted prompt's metric, 1 the clean one's.")]
pub(crate) struct Args {
    /// The prompt whose activations are put in
    #[arg(long, value_name = "STR", allow_hyphen_values = true)]
    pub(crate) clean: String,
    /// The prompt whose run they are put into
    #[arg(long, value_name = "STR", allow_hyphen_values = true)]
    pub(crate) corrupted: String,
    /// The token that should follow the clean prompt
    #[arg(long, value_name = "STR", allow_hyphen_values = true)]
    pub(crate) answer: String,
    /// The token that should not
    #[arg(long, value_name = "STR", allow_hyphen_values = true)]
    pub(crate) against: Option<String>,
    /// What is patched
    #[arg(long, value_enum, default_value = "resid")]
    pub(crate) site: SiteChoice,
    /// What the runs are judged by; by default logit-diff with --against, else log-prob
    #[arg(long, value_enum)]
    pub(crate) metric: Option<MetricChoice>,
    /// Features patched with --site feature: those of which the gradient promises the most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) top: u32,
    /// The SAE's run, for --site feature: a folder, or on the Hub organisation/name[@revision][:folder]
    #[arg(long, value_name = "DIR|ID")]
    pub(crate) sae: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Do not put BOS before the prompts
    #[arg(long)]
    pub(crate) no_bos: bool,
    #[command(flatten)]
    pub(crate) sheet: SheetArgs,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
}

/// `--site`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SiteChoice {
    /// hook_resid_pre, by layer and position
    Resid,
    /// hook_attn_out, by layer and position
    Attn,
    /// hook_mlp_out, by layer and position
    Mlp,
    /// attn.hook_z of one head at all positions, by layer and head
    Head,
    /// A feature of --sae at all positions
    Feature,
}

/// `--metric`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MetricChoice {
    /// The answer's logit less that of --against
    LogitDiff,
    /// The logarithm of the answer's probability
    LogProb,
    /// The divergence from what the clean prompt predicts
    Kl,
}
