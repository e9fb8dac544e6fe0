//! The arguments of `sae train`.

use super::memory::MemoryArgs;
use super::packing::{PackingChoice, context_sizes};
use super::settings::Settings;
use super::text::TrainText;
use clap::ArgGroup;
use std::path::PathBuf;

/// Train an SAE or a transcoder on a model's activations
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("data").args(["dataset", "tokens"]))]
#[command(group = ArgGroup::new("rows").args(["dataset", "activations"]))]
#[command(after_help = "Examples:
  sae train --model model/ --dataset 'pile/*.jsonl.zst' --hook blocks.15.hook_resid_pre \\
      --architecture topk --k 64 --d-sae 16384 --training-tokens 10000000 --out runs/topk
  sae train --config runner_cfg.json --out runs/again
  sae train --model model/ --tokens tokens.safetensors --hook blocks.8.hook_resid_pre \\
      --hook blocks.16.hook_resid_pre --d-sae 8192 --sweep l1_coefficient=1,2.5,5 --out runs/sweep
  sae train --activations acts/ --d-sae 8192 --training-tokens 10000000 --out runs/cached
  sae train ... --out runs/topk --resume       go on after an interruption

Settings have SAELens' names and defaults (--l1-coefficient, --lr, --train-batch-size-tokens ...). RUN/ gets final_sae/, \
sparsity.safetensors, runner_cfg.json, metrics.jsonl, training.html and checkpoints/; `sae analyze RUN` and SAELens read it.")]
pub(crate) struct Args {
    /// Settings in a file: SAELens' runner_cfg.json, or the same keys in TOML; what is given here beside it counts more
    #[arg(id = "settings", long = "config", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The model: a folder or a Hub id
    #[arg(long, value_name = "DIR|ID")]
    pub(crate) model: Option<String>,
    /// Text: a file, a folder or a pattern, or a data set on the Hub
    #[arg(long, value_name = "SRC")]
    pub(crate) dataset: Option<String>,
    /// Rows of token ids, as `sae tokenize` writes them: .safetensors, .parquet, or a folder of shards
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) tokens: Option<PathBuf>,
    /// Activations that `sae activations --shards` has written, in place of a model; --model and --tokens are then for the evaluation
    #[arg(long, value_name = "DIR")]
    pub(crate) activations: Option<PathBuf>,
    /// The hook to train at, by TransformerLens' name; given again, an SAE for each
    #[arg(long, value_name = "NAME")]
    pub(crate) hook: Vec<String>,
    /// The hook that a transcoder writes
    #[arg(long, value_name = "NAME")]
    pub(crate) hook_out: Option<String>,
    /// The folder to write: a run, or one folder for each of several
    #[arg(long, value_name = "RUN")]
    pub(crate) out: PathBuf,
    /// Go on from the last checkpoint in RUN, if there is one
    #[arg(long)]
    pub(crate) resume: bool,
    /// Train one SAE for each value of a setting, on the same activations: KEY=A,B,C; given again, for each combination
    #[arg(long, value_name = "KEY=A,B")]
    pub(crate) sweep: Vec<String>,
    /// Save a checkpoint every so many tokens; a tenth of the run by default, 0 for none
    #[arg(long, value_name = "TOKENS")]
    pub(crate) checkpoint_every: Option<u64>,
    /// Checkpoints to keep
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) keep_checkpoints: u16,
    /// Times that the data may be read before the run stops short; as often as it takes by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) epochs: Option<u64>,
    /// Tokens that the buffer mixes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) buffer_tokens: Option<u64>,
    /// Rows kept out of training to evaluate on; 0 for no evaluation
    #[arg(long, value_name = "ROWS")]
    pub(crate) eval_sequences: Option<u64>,
    /// Evaluate every so many steps
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) eval_every: Option<u64>,
    /// Tokens in a row
    #[arg(long, value_name = "N", conflicts_with_all = ["tokens", "activations"], value_parser = context_sizes())]
    pub(crate) context_size: Option<usize>,
    /// How documents become rows
    #[arg(long, value_enum, default_value = "saelens", conflicts_with_all = ["tokens", "activations"])]
    pub(crate) packing: PackingChoice,
    #[command(flatten)]
    pub(crate) text: TrainText,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
    #[command(flatten)]
    pub(crate) settings: Settings,
}
