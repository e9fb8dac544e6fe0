//! The arguments of `sae eval`.

use super::input::InputArgs;
use super::masking::MaskingArgs;
use std::path::PathBuf;

/// Measure an SAE as SAELens does: every metric, from one pass below the hook
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae eval --sae RUN --dataset 'pile/*.jsonl.zst' --sequences 128 --json metrics.json
  sae eval --sae RUN --model model/ --tokens tokens.safetensors --keep-all-tokens \\
      --csv metrics.csv

Conventions are SAELens': positions of special tokens (BOS, EOS, PAD, SEP) count in nothing and keep their activation, zero ablation \
zeroes every position, and the reconstruction is decode(encode(x)). Figures do not depend on the batch size.")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Stop after this many rows; 128 of text by default, all of a file of tokens
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) sequences: Option<u64>,
    #[command(flatten)]
    pub(crate) masking: MaskingArgs,
    /// Save progress in this file, and resume from it after an interruption
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
    /// With --resume, save the state every N rows
    #[arg(long, value_name = "N", default_value_t = 256, requires = "resume", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) checkpoint_every: u64,
    /// Also write the metrics as CSV (group, metric, value); with -, to stdout in place of the table
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
}
