//! The options that say where an SAE belongs.

use super::files::FilesArgs;

/// Where the SAE belongs, if not where `cfg.json` says.
#[derive(Debug, clap::Args)]
pub(crate) struct PlaceArgs {
    /// The model: a folder or a Hub id; by default what cfg.json names
    #[arg(long, value_name = "DIR|ID")]
    pub(crate) model: Option<String>,
    /// The hook the SAE reads at, and writes at unless cfg.json has hook_name_out; by default what cfg.json names. Of a crosscoder or a cross-layer transcoder one for each layer, separated by commas
    #[arg(long, value_name = "NAME")]
    pub(crate) hook: Option<String>,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
}
