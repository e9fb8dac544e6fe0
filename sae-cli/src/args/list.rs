//! The arguments of `sae list`.

/// List SAEs that were published for Llama, by the names that commands take for a run
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae list
  sae list --model llama-3.1-8b
  sae list llama_scope_lxr_8x
  sae list 'llama_scope_lxr_8x/l1*' --json

The names are SAELens', release/sae_id. Nothing is downloaded.")]
pub(crate) struct Args {
    /// A release, whose SAEs are listed; or release/sae_id, in which * stands for anything
    #[arg(value_name = "RELEASE")]
    pub(crate) release: Option<String>,
    /// Only those for this model: a part of its name
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
}
