//! The arguments of `sae activations`.

use super::memory::MemoryArgs;
use activation_cache::CacheDtype;
use clap::ValueEnum;
use llama_hooked::Positions;
use std::path::PathBuf;
use std::str::FromStr;

/// Run a model on rows of tokens and keep the activations at some hooks
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae activations --model model/ --tokens tokens.safetensors --hook blocks.15.hook_resid_pre \\
      --out acts.safetensors
  sae activations --model model/ --tokens tokens.safetensors --hook blocks.0.attn.hook_pattern \\
      --positions -1 --out last.safetensors
  sae activations --model model/ --tokens tokens.safetensors --loss --out loss.safetensors
  sae activations --model model/ --tokens tokens.safetensors --hook blocks.15.hook_resid_pre \\
      --shards --activation-dtype bf16 --out acts/

Layers above the highest hook do not run unless --logits or --loss needs them. Tensors are named as the hooks, with the rows of \
tokens as their first axis; logits is [rows, positions, vocabulary], loss is [rows, positions - 1] in nats. With --shards, --out is a folder to \
train from, and the same call goes on after an interruption.")]
pub(crate) struct Args {
    /// The model: a folder or a Hub id
    #[arg(long, value_name = "DIR|ID")]
    pub(crate) model: String,
    /// Rows of token ids, as `sae tokenize` writes them: .safetensors, .parquet, or a folder of shards
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) tokens: PathBuf,
    /// A hook point, by TransformerLens' name; may be given again
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub(crate) hook: Vec<String>,
    /// Also keep the logits
    #[arg(long)]
    pub(crate) logits: bool,
    /// Also keep the loss of each next token
    #[arg(long)]
    pub(crate) loss: bool,
    /// The first block not to run; negative counts from the end
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) stop_at_layer: Option<isize>,
    /// Positions to keep of every hook, as Python slices them: A:B, :B, A: or A
    #[arg(long, value_name = "A:B", allow_hyphen_values = true)]
    pub(crate) positions: Option<Span>,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
    /// Stop after this many rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) sequences: Option<u64>,
    /// Rows per forward pass
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch_size: Option<u32>,
    /// Write a folder of shards to train from, with all positions of the hooks and the token ids
    #[arg(long, requires = "hook", conflicts_with_all = ["logits", "loss", "stop_at_layer", "positions"])]
    pub(crate) shards: bool,
    /// Number format of the shards [default: f32]
    #[arg(long, value_enum, requires = "shards")]
    pub(crate) activation_dtype: Option<ActivationDtype>,
    /// Tokens in a shard, in whole rows; some 256 MiB by default
    #[arg(long, value_name = "N", requires = "shards", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) shard_tokens: Option<u64>,
    /// The file to write, with --shards the folder
    #[arg(long, value_name = "FILE.safetensors|DIR")]
    pub(crate) out: PathBuf,
}

/// `--activation-dtype`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ActivationDtype {
    /// 32 bits, as the model gives them
    F32,
    /// 16 bits with the range of f32
    Bf16,
    /// 8 bits, with a scale for each token at each hook
    Int8,
}

impl From<ActivationDtype> for CacheDtype {
    fn from(dtype: ActivationDtype) -> Self {
        match dtype {
            ActivationDtype::F32 => Self::F32,
            ActivationDtype::Bf16 => Self::Bf16,
            ActivationDtype::Int8 => Self::Int8,
        }
    }
}

/// `--positions`, with what was typed.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) text: String,
    pub(crate) positions: Positions,
}

impl FromStr for Span {
    type Err = <Positions as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self {
            text: text.to_owned(),
            positions: text.parse()?,
        })
    }
}
