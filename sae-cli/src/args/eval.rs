//! The arguments of `sae eval`.

use super::masking::MaskingArgs;
use super::memory::MemoryArgs;
use super::packing::{PackingChoice, context_sizes};
use super::place::PlaceArgs;
use super::text::TextArgs;
use clap::ArgGroup;
use std::path::PathBuf;

/// Measure an SAE as SAELens does: every metric, from one pass below the hook
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("data").args(["dataset", "tokens"]).required(true))]
#[command(after_help = "Examples:
  sae eval --sae RUN --dataset 'pile/*.jsonl.zst' --sequences 128 --json metrics.json
  sae eval --sae RUN --model model/ --tokens tokens.safetensors --keep-all-tokens \\
      --csv metrics.csv

Conventions are SAELens': positions of special tokens (BOS, EOS, PAD, SEP) count in nothing and keep their activation, zero ablation \
zeroes every position, and the reconstruction is decode(encode(x)). Figures do not depend on the batch size.")]
pub(crate) struct Args {
    /// The SAE's run: a folder, or on the Hub organisation/name[@revision][:folder]
    #[arg(long, value_name = "DIR|ID")]
    pub(crate) sae: PathBuf,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
    /// Text: a file, a folder or a pattern: .jsonl, .json, .txt (also .gz, .zst), .parquet, .arrow
    #[arg(long, value_name = "SRC")]
    pub(crate) dataset: Option<String>,
    /// Rows of token ids, as `sae tokenize` writes them: .safetensors, .parquet, or a folder of shards
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) tokens: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) text: TextArgs,
    /// Tokens in a row; by default what cfg.json says
    #[arg(long, value_name = "N", conflicts_with = "tokens", value_parser = context_sizes())]
    pub(crate) context_size: Option<usize>,
    /// How documents become rows
    #[arg(
        long,
        value_enum,
        default_value = "notebook",
        conflicts_with = "tokens"
    )]
    pub(crate) packing: PackingChoice,
    /// Rows per forward pass
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch_size: Option<u32>,
    /// Stop after this many rows; 128 of text by default, all of a file of tokens
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) sequences: Option<u64>,
    /// Stop before the rows exceed this many tokens in all
    #[arg(long, value_name = "N", conflicts_with = "sequences", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_tokens: Option<u64>,
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
