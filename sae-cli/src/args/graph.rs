//! The arguments of `sae graph`.

use super::memory::MemoryArgs;
use std::path::PathBuf;

/// Attribution graph of a prompt: which transcoder features cause which, and the next token
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae graph 'The capital of the state containing Dallas is' --model model/ \\
      --sae 'transcoders/layer_{layer}' --out graphs/
  sae graph 'Fact: 2 + 2 =' --model model/ --sae t/0 t/1 t/2 --target ' 4' --out graphs/

Every MLP of the model needs a transcoder; {layer} stands for each block's number. Open graphs/NAME.html in a browser; graphs/ is also a folder \
that circuit-tracer's viewer serves.")]
pub(crate) struct Args {
    /// The prompt
    #[arg(allow_hyphen_values = true)]
    pub(crate) prompt: String,
    /// The model: a folder or a Hub id; by default what cfg.json names
    #[arg(long, value_name = "DIR|ID")]
    pub(crate) model: Option<String>,
    /// The transcoders' runs, one a block, in any order; or one name with {layer} in it
    #[arg(long, value_name = "DIR|ID", num_args = 1.., required = true)]
    pub(crate) sae: Vec<String>,
    /// The folder for the graph; graphs of other names in it stay
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The graph's name; by default made of the prompt
    #[arg(long, value_name = "NAME")]
    pub(crate) slug: Option<String>,
    /// What circuit-tracer's viewer is to call the transcoders; by default the model's name
    #[arg(long, value_name = "NAME")]
    pub(crate) scan: Option<String>,
    /// Features that get a node at the most, those of most influence
    #[arg(long, value_name = "N", default_value_t = 7500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) max_feature_nodes: u32,
    /// Keep nodes with this share of the influence
    #[arg(long, value_name = "SHARE", default_value_t = 0.8, value_parser = share)]
    pub(crate) node_threshold: f64,
    /// Keep edges with this share of the influence
    #[arg(long, value_name = "SHARE", default_value_t = 0.98, value_parser = share)]
    pub(crate) edge_threshold: f64,
    /// Explain the likeliest tokens, so many at the most
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) logits: u32,
    /// Explain the likeliest tokens until they have this probability together
    #[arg(long, value_name = "SHARE", default_value_t = 0.95, value_parser = share)]
    pub(crate) logit_probability: f64,
    /// Explain this token instead; given again, each
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, conflicts_with_all = ["logits", "logit_probability"])]
    pub(crate) target: Vec<String>,
    /// Leave out features and errors of so many tokens at the beginning
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) zero_positions: u32,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
    /// Do not put BOS before the prompt
    #[arg(long)]
    pub(crate) no_bos: bool,
}

/// A number from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    let share: Option<f64> = text.parse().ok();
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "is not a share; expected a number from 0 to 1".to_owned())
}
