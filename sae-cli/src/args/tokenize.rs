//! The arguments of `sae tokenize`.

use super::memory::Size;
use super::packing::{PackingChoice, context_sizes};
use super::text::TextArgs;
use std::path::PathBuf;

/// Turn text into packed rows of token ids
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae tokenize --tokenizer meta-llama/Meta-Llama-3-8B --dataset 'pile/*.jsonl.zst' \\
      --context-size 256 --max-tokens 10000000 --out tokens.safetensors
  sae tokenize --tokenizer model/ --dataset text.txt --context-size 128 --no-bos \\
      --out tokens.safetensors
  sae tokenize --tokenizer model/ --dataset org/name --context-size 1024 --resume --out tokens/

The file holds tokens, u32 [rows, context size], and how they were made, in the words of SAELens' sae_lens.json. A folder holds such \
files as shards and a manifest.json; a name that ends in .parquet is written as Parquet, with a column input_ids.")]
pub(crate) struct Args {
    /// A tokenizer.json, the folder that holds it, or a model's Hub id
    #[arg(long, value_name = "DIR|ID")]
    pub(crate) tokenizer: String,
    /// A file, a folder or a pattern: .jsonl, .json, .txt (also .gz, .zst), .parquet, .arrow
    #[arg(long, value_name = "SRC")]
    pub(crate) dataset: String,
    #[command(flatten)]
    pub(crate) text: TextArgs,
    /// Tokens in a row, BOS included
    #[arg(long, value_name = "N", value_parser = context_sizes())]
    pub(crate) context_size: usize,
    /// How documents become rows
    #[arg(long, value_enum, default_value = "notebook")]
    pub(crate) packing: PackingChoice,
    /// Do not begin rows with BOS
    #[arg(long)]
    pub(crate) no_bos: bool,
    /// Stop before the rows exceed this many token ids in all
    #[arg(long, value_name = "N", conflicts_with = "sequences", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_tokens: Option<u64>,
    /// Stop after this many rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) sequences: Option<u64>,
    /// Save progress in OUT.part and OUT.state.json, and resume from them after an interruption
    #[arg(long)]
    pub(crate) resume: bool,
    /// With --resume, save the position every N rows
    #[arg(long, value_name = "N", default_value_t = 16_384, requires = "resume", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) checkpoint_every: u64,
    /// With a folder as --out, the size of its files; 256 MiB by default
    #[arg(long, value_name = "SIZE")]
    pub(crate) shard_size: Option<Size>,
    /// What to write: FILE.safetensors, FILE.parquet, or a folder of shards (no ending, or / at the end)
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) out: PathBuf,
}
