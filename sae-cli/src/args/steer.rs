//! The options that steer.

use super::files::FilesArgs;
use clap::ValueEnum;
use sae_interventions::SteerSpec;
use std::path::PathBuf;

/// SAEs in their places, and what is done to their features.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Steering")]
pub(crate) struct SteerArgs {
    /// An SAE's run, a folder or on the Hub organisation/name[@revision][:folder]; several times for several SAEs, each at its own hook
    #[arg(long, value_name = "DIR|ID")]
    pub(crate) sae: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
    /// Edit a feature: FEATURE=EDIT, or RUN:FEATURE=EDIT with several SAEs; EDIT is add:S, add-raw:S, clamp:C, min-clamp:C, scale:A, ablate,
    /// mean, mean:M, orthogonal, orthogonal:C or cap:C, where 2x is twice the feature's maximum; may be repeated
    #[arg(
        long,
        value_name = "SPEC",
        requires = "sae",
        allow_hyphen_values = true
    )]
    pub(crate) steer: Vec<SteerSpec>,
    /// What sae dashboard wrote of the SAE, for maxima and means: pages, or features.parquet; once for each --sae
    #[arg(
        long,
        visible_alias = "dashboard",
        value_name = "DIR|FILE",
        requires = "sae"
    )]
    pub(crate) figures: Vec<PathBuf>,
    /// Put the SAE's whole output in the activation's place, without what it does not reconstruct
    #[arg(long, requires = "sae")]
    pub(crate) no_error_term: bool,
    /// Steer special tokens, too: BOS, and the marks of a chat template
    #[arg(long, requires = "sae")]
    pub(crate) steer_special_tokens: bool,
    /// Which tokens are steered
    #[arg(
        long,
        value_enum,
        value_name = "PART",
        default_value = "all",
        requires = "sae"
    )]
    pub(crate) steer_part: PartChoice,
    /// Show the continuation without steering beside the steered one, and how much each of its tokens changes
    #[arg(long, requires = "sae")]
    pub(crate) compare: bool,
}

/// A part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PartChoice {
    /// The prompt and what is generated
    All,
    /// The prompt alone
    Prompt,
    /// What is generated alone
    Generated,
}
