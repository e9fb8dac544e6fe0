//! The arguments of `sae bench`.

use super::memory::MemoryArgs;
use super::place::PlaceArgs;
use std::path::PathBuf;

/// SAEBench's evaluations on labelled texts: sparse probing, and targeted probe perturbation
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae bench --sae RUN --data ag_news/ --out results/
  sae bench --sae RUN --data bios/ --text-column hard_text --label-column profession --train-size 4000 --test-size 1000 --out results/
  sae bench --sae RUN --data news/ --data code/ --k 1,2,5,10 --n 2,10,50 --csv bench.csv --out results/

A data set is a folder with train.jsonl and test.jsonl, each line a text and its label. OUT gets SAEBench's files, sparse_probing/NAME_eval_results.json and \
tpp/NAME_eval_results.json.")]
pub(crate) struct Args {
    /// The SAE's run, a folder or on the Hub organisation/name[@revision][:folder]
    #[arg(long, value_name = "DIR|ID", required = true)]
    pub(crate) sae: PathBuf,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// A folder with train.jsonl and test.jsonl; several times for several data sets
    #[arg(long, value_name = "DIR", required = true, help_heading = "Data")]
    pub(crate) data: Vec<PathBuf>,
    /// The key of the text in each line
    #[arg(
        long,
        value_name = "KEY",
        default_value = "text",
        help_heading = "Data"
    )]
    pub(crate) text_column: String,
    /// The key of the label
    #[arg(
        long,
        value_name = "KEY",
        default_value = "label",
        help_heading = "Data"
    )]
    pub(crate) label_column: String,
    /// Texts to fit a probe on, half of them of its class
    #[arg(long, value_name = "N", default_value_t = 4000, help_heading = "Data", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub(crate) train_size: u32,
    /// Texts to test it on
    #[arg(long, value_name = "N", default_value_t = 1000, help_heading = "Data", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub(crate) test_size: u32,
    /// Cut texts after so many tokens
    #[arg(long, value_name = "N", default_value_t = 128, help_heading = "Data", value_parser = clap::value_parser!(u32).range(2..=1 << 20))]
    pub(crate) context_size: u32,
    /// What texts are drawn by, and probes trained
    #[arg(long, value_name = "N", default_value_t = 42, help_heading = "Data")]
    pub(crate) seed: u64,
    /// Features of the sparse probes
    #[arg(long, value_name = "K,..", value_delimiter = ',', default_value = "1,2,5", help_heading = "Evaluations", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) k: Vec<u32>,
    /// Features that targeted probe perturbation takes out
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_value = "2,5,10,20,50,100,500", help_heading = "Evaluations", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) n: Vec<u32>,
    /// Leave targeted probe perturbation out
    #[arg(long, help_heading = "Evaluations")]
    pub(crate) no_tpp: bool,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
    /// Also write every figure as CSV (dataset, evaluation, class, metric, value)
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub(crate) csv: Option<PathBuf>,
    /// A folder for SAEBench's files, which is made
    #[arg(long, value_name = "DIR", help_heading = "Results")]
    pub(crate) out: PathBuf,
}
