//! The arguments of `sae devices`.

/// List where computations can run
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sae devices\n  sae devices --json")]
pub(crate) struct Args {}
