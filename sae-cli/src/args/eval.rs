//! The arguments of `sae eval`.

use super::input::InputArgs;
use super::masking::MaskingArgs;
use super::several::SeveralArgs;
use std::path::PathBuf;

/// Measure an SAE as SAELens does: every metric, from one pass below the hook
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae eval --sae RUN --dataset 'pile/*.jsonl.zst' --sequences 128 --json metrics.json
  sae eval --sae RUN --tokens tokens/ --shard auto --parts parts/
  sae eval --sae RUN --model model/ --tokens tokens.safetensors --keep-all-tokens \\
      --csv metrics.csv
  sae eval --sae 'runs/l{layer}' --layers 0..16 --dataset text/ --page layers.html
  sae eval --sae runs/l8 --sae runs/l12 --dataset text/ --together
  sae eval --sae 'llama_scope_lxr_8x/*' --dataset text/ --sequences 512 --reconstruction-sequences 32
  sae eval --sae transcoders/ --dataset text/ --together
  sae eval --sae RUN --dataset text/ --context-size 128 --batch-size 16 --saebench core/

Conventions are SAELens': positions of special tokens (BOS, EOS, PAD, SEP) count in nothing and keep their activation, zero ablation \
zeroes every position, and the reconstruction is decode(encode(x)), with a transcoder's skip connection. A set of transcoders stands for all its layers; the layers of a cross-layer transcoder or a crosscoder are measured like several SAEs. Figures do not depend on the batch size. Several SAEs share one run of the model, and each has the figures that it has alone.")]
pub(crate) struct Args {
    /// The SAE's run, a folder or on the Hub organisation/name[@revision][:folder]; several times for several SAEs, each at its own hook
    #[arg(long, value_name = "DIR|ID", required = true)]
    pub(crate) sae: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) several: SeveralArgs,
    /// Also write one HTML file: the figures of all SAEs, and how they go over the layers
    #[arg(long, value_name = "FILE")]
    pub(crate) page: Option<PathBuf>,
    /// Also write SAEBench's files of its evaluation core into this folder, one for each SAE
    #[arg(long, value_name = "DIR", conflicts_with_all = ["keep_all_tokens", "exclude_tokens"])]
    pub(crate) saebench: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Stop after this many rows; 128 of text by default, all of a file of tokens
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) sequences: Option<u64>,
    /// Measure losses on the first N rows only, sparsity and variance on all. By default on all; losses settle sooner, and cost most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) reconstruction_sequences: Option<u64>,
    #[command(flatten)]
    pub(crate) masking: MaskingArgs,
    /// Save progress in this file, and resume from it after an interruption
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
    /// Write what was measured as a part in this folder, for sae merge; one that is there already is kept
    #[arg(long, value_name = "DIR", conflicts_with_all = ["csv", "page", "together", "saebench", "reconstruction_sequences"])]
    pub(crate) parts: Option<PathBuf>,
    /// With --resume, save the state every N rows
    #[arg(long, value_name = "N", default_value_t = 256, requires = "resume", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) checkpoint_every: u64,
    /// Also write the metrics as CSV (group, metric, value; of several SAEs with sae and hook before); with -, to stdout in place of the table
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
}
