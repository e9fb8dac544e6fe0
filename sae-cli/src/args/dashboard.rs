//! The arguments of `sae dashboard`.

use super::choice::Choice;
use super::formats::FormatArgs;
use super::memory::Size;
use super::source::SourceArgs;
use std::path::PathBuf;

/// Pages that show what each feature responds to, from one pass over the text
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae dashboard --sae RUN --dataset 'pile/*.jsonl.zst' --max-tokens 500000 --out features/
  sae dashboard --sae RUN --tokens tokens.safetensors --features 200 --out features.html
  sae dashboard --sae RUN --tokens tokens/ --format html,neuronpedia,parquet --out features/
  sae dashboard --sae RUN --tokens tokens/ --format delphi,questions --out judged/
  sae dashboard --sae RUN --tokens tokens/ --work work0 --shard 0/2 --log-only
  sae dashboard --sae RUN --tokens tokens/ --merge work0 --merge work1 --out features/

The text goes through the model once, whatever the number of features. A folder holds a page for any number of them; a file ending in .html is \
one page to send to somebody, for some hundred. Several formats are folders of their names in OUT, which appears with all of them.")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Which features get a page: all, how many, a list such as 3,17,100-199, or a file with such a list
    #[arg(long, value_name = "all|N|LIST|FILE", default_value = "all")]
    pub(crate) features: Choice,
    /// The logit lens without the final norm's weight
    #[arg(long)]
    pub(crate) raw_lens: bool,
    /// Tokens shown before the one that an example is about
    #[arg(long, value_name = "N", default_value_t = 48)]
    pub(crate) before: usize,
    /// Tokens shown after it
    #[arg(long, value_name = "N", default_value_t = 24)]
    pub(crate) after: usize,
    /// What samples are drawn from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Bytes of activations that are gathered at a time; less memory, more scans
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    pub(crate) gather: Size,
    /// Stop once the activations are in --work: one shard's part, for a later --merge
    #[arg(long, requires = "work")]
    pub(crate) log_only: bool,
    /// Use the activations that shards left in these --work folders, with the same --tokens, instead of running the model
    #[arg(long, value_name = "DIR", conflicts_with_all = ["work", "shard", "dataset"])]
    pub(crate) merge: Vec<PathBuf>,
    /// Labels, notes and stars to show: a file of `sae serve --labels`, or Neuronpedia's explanations; they become explanations of `export`
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
    /// A folder; for html alone also one file that ends in .html. It must not exist yet
    #[arg(
        long,
        value_name = "DIR|FILE.html",
        required_unless_present = "log_only"
    )]
    pub(crate) out: Option<PathBuf>,
}
