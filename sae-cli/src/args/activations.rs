//! The arguments of `sae activations`.

use super::memory::MemoryArgs;
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

Layers above the highest hook do not run unless --logits or --loss needs them. Tensors are named as the hooks, with the rows of \
tokens as their first axis; logits is [rows, positions, vocabulary], loss is [rows, positions - 1] in nats.")]
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
    /// The file to write
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) out: PathBuf,
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
