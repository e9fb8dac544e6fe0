//! The arguments of `sae analyze`.

use super::memory::MemoryArgs;
use super::packing::context_sizes;
use super::place::PlaceArgs;
use super::several::SeveralArgs;
use super::text::TextArgs;
use std::path::PathBuf;

/// Run every cell of the notebook and write a report; without RUN, on the bundled demo
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae analyze --out report
  sae analyze runs/20251213_174540_llama3_8b --dataset 'pile/*.jsonl.zst' --out report
  sae analyze RUN --model model/ --dataset text.jsonl --prompt 'The capital of France is' \\
      --answer Paris --out report
  sae analyze 'runs/l{layer}' --layers 0..16 --dataset text/ --out layers
  sae analyze runs/l8 runs/l12 --dataset text/ --together --out pair

Conventions are the notebook's: nothing is masked in the losses, position 0 is left out of L0 when rows begin with BOS, and the \
SAE's full forward pass replaces the activation. The folder gets report.json, report.html and the plots as SVG; of several SAEs, \
which share one run of the model, a folder of these for each, and index.html and report.json of all.")]
pub(crate) struct Args {
    /// The SAE's run, a folder or on the Hub organisation/name[@revision][:folder]; the bundled demo by default. Several for a report of each
    pub(crate) run: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
    /// The run, as the other commands name it
    #[arg(long, value_name = "RUN", conflicts_with = "run")]
    pub(crate) sae: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) several: SeveralArgs,
    /// Text: a file, a folder or a pattern; by default what cfg.json names, if it is on this machine
    #[arg(long, value_name = "SRC")]
    pub(crate) dataset: Option<String>,
    /// Rows of token ids, as `sae tokenize` writes them: .safetensors, .parquet, or a folder of shards
    #[arg(long, value_name = "FILE|DIR", conflicts_with_all = ["dataset", "context_size"])]
    pub(crate) tokens: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) text: TextArgs,
    /// Tokens in a row; by default what cfg.json says
    #[arg(long, value_name = "N", value_parser = context_sizes())]
    pub(crate) context_size: Option<usize>,
    /// Rows to measure on
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) sequences: u64,
    /// Rows per forward pass
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch_size: Option<u32>,
    /// The prompt of the prompt check
    #[arg(
        long,
        value_name = "TEXT",
        requires = "answer",
        allow_hyphen_values = true
    )]
    pub(crate) prompt: Option<String>,
    /// The answer that the prompt check expects
    #[arg(
        long,
        value_name = "STR",
        requires = "prompt",
        allow_hyphen_values = true
    )]
    pub(crate) answer: Option<String>,
    /// The folder to write
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Also write the plots as PNG, at twice their size
    #[arg(long)]
    pub(crate) png: bool,
    /// Link features to this page, which `sae dashboard` wrote
    #[arg(long, value_name = "DIR|FILE.html")]
    pub(crate) features_page: Option<PathBuf>,
}

impl Args {
    pub(crate) fn is_demo(&self) -> bool {
        self.run.is_empty() && self.sae.is_empty()
    }
}
