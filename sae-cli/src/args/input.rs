//! The arguments that `sae eval`, `sae dashboard` and `sae serve` share: a model and rows.

use super::memory::MemoryArgs;
use super::packing::{PackingChoice, context_sizes};
use super::place::PlaceArgs;
use super::text::TextArgs;
use clap::ArgGroup;
use std::path::PathBuf;

/// What is measured, and on what.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("data").args(["dataset", "tokens"]).required(true))]
pub(crate) struct InputArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
    /// Text: a file, a folder or a pattern (.jsonl, .json, .txt, each also .gz or .zst; .parquet, .arrow), or a data set on the Hub
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
    /// Stop before the rows exceed this many tokens in all
    #[arg(long, value_name = "N", conflicts_with = "sequences", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_tokens: Option<u64>,
}
