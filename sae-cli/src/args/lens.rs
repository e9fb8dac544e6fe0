//! The arguments of `sae lens`.

use super::memory::MemoryArgs;
use super::sheet::SheetArgs;

/// Show what the model would say if it stopped at each layer: the logit lens
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae lens 'The capital of France is' --answer Paris --model model/ --page lens.html
  sae lens 'The capital of France is' --model model/ --hook blocks.3.hook_mlp_out --json

Each activation goes through the final norm, with its own norm, and the unembedding. Ranks count from 0.")]
pub(crate) struct Args {
    /// The prompt
    #[arg(allow_hyphen_values = true)]
    pub(crate) text: String,
    /// The model: a folder or a Hub id
    #[arg(long, value_name = "DIR|ID")]
    pub(crate) model: String,
    /// A hook to look at, repeatable; by default hook_resid_pre of every layer and the last hook_resid_post
    #[arg(long, value_name = "NAME")]
    pub(crate) hook: Vec<String>,
    /// A token to follow: its rank and probability everywhere. A space is put before it if it has none
    #[arg(long, value_name = "STR", allow_hyphen_values = true)]
    pub(crate) answer: Option<String>,
    /// Likeliest tokens listed at each place
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) top: u16,
    /// Do not put BOS before the prompt
    #[arg(long)]
    pub(crate) no_bos: bool,
    #[command(flatten)]
    pub(crate) sheet: SheetArgs,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
}
