//! The options that say what an SAE's files do not.

use sae_core::{Format, GivenActivation, RunOptions};

/// Whose files the SAE is in, and what they do not say.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct FilesArgs {
    /// The format of the SAE's files, if they are not to be told by what they are: saelens, llama_scope, open_moss, sparsify,
    /// dictionary_learning, goodfire, qresearch, circuit_tracer, gemma_scope, gemma_scope_2, temporal or state_dict
    #[arg(long, value_name = "NAME", help_heading = "SAEs in other formats")]
    pub(crate) sae_format: Option<Format>,
    /// The activation of an SAE whose files do not say it: relu, jumprelu or topk:K
    #[arg(long, value_name = "NAME", help_heading = "SAEs in other formats")]
    pub(crate) activation: Option<GivenActivation>,
    /// The layer of a set of transcoders
    #[arg(long, value_name = "N", help_heading = "SAEs in other formats")]
    pub(crate) layer: Option<usize>,
}

impl FilesArgs {
    pub(crate) fn options(&self) -> RunOptions {
        let mut options = RunOptions::default();
        options.format = self.sae_format;
        options.activation = self.activation;
        options.layer = self.layer;
        options
    }
}
