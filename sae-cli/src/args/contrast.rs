//! The arguments of `sae contrast`.

use super::layers::Layers;
use super::memory::MemoryArgs;
use super::place::PlaceArgs;
use clap::{ArgGroup, ValueEnum};
use std::path::PathBuf;

/// Which features tell two sets of prompts apart: effect sizes, tests, sparse probes, and the prompts in colour
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("first").args(["a", "pairs"]).required(true))]
#[command(after_help = "Examples:
  sae contrast --a monitored.txt --b unmonitored.txt --sae RUN --out contrast/
  sae contrast --pairs pairs.jsonl --chat --system system.txt --exclude-special-tokens --sae RUN --probe 1,2,5 --out contrast/
  sae contrast --a a.jsonl --b b.jsonl --template 'User: {text}' --sae 'runs/l{layer}' --layers 0..32 --out contrast/
  sae contrast --a a.txt --b b.txt --sae RUN --dashboard features/ --out contrast/

A prompt becomes one value a feature: by default the maximum over its tokens, without the BOS at the start. Positive effects are more in a.
Then open OUT/index.html; contrast.csv and contrast.parquet have every feature.")]
pub(crate) struct Args {
    /// Prompts: text with one a line, .jsonl with text or messages, or .parquet
    #[arg(long, value_name = "FILE", requires = "b")]
    pub(crate) a: Option<PathBuf>,
    /// The prompts to compare them with
    #[arg(long, value_name = "FILE", requires = "a")]
    pub(crate) b: Option<PathBuf>,
    /// Pairs of prompts, {"a": …, "b": …} a line, each text or messages: paired tests
    #[arg(long, value_name = "FILE.jsonl", conflicts_with_all = ["a", "b"])]
    pub(crate) pairs: Option<PathBuf>,
    /// Prompts of --a and --b belong together, the first with the first and so on
    #[arg(long, conflicts_with = "pairs")]
    pub(crate) paired: bool,
    /// The SAE's run, a folder or on the Hub organisation/name[@revision][:folder]; several times for several SAEs
    #[arg(long, value_name = "DIR|ID", required = true)]
    pub(crate) sae: Vec<PathBuf>,
    /// Layers that {layer} in --sae and --dashboard stands for: A..B without B, or a list
    #[arg(long, value_name = "A..B|LIST")]
    pub(crate) layers: Option<Layers>,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) prompt: PromptArgs,
    /// How the tokens of a prompt become one value
    #[arg(long, value_enum, default_value = "max")]
    pub(crate) reduce: ReduceChoice,
    /// Leave out every special token, chat markers among them, and not only the BOS at the start
    #[arg(long)]
    pub(crate) exclude_special_tokens: bool,
    #[command(flatten)]
    pub(crate) tests: TestArgs,
    /// Fit probes on so many features
    #[arg(long, help_heading = "Results", value_name = "K,..", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) probe: Vec<u32>,
    /// Features that are shown in detail
    #[arg(long, help_heading = "Results", value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) top: u32,
    /// Prompts of each set that are shown with each of them
    #[arg(long, help_heading = "Results", value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=50))]
    pub(crate) examples: u32,
    /// Pages of the SAE's features that sae dashboard wrote, to link to; once for each --sae
    #[arg(long, help_heading = "Results", value_name = "DIR|FILE.html")]
    pub(crate) dashboard: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
    /// A folder
    #[arg(long, help_heading = "Results", value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// How prompts become tokens.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Prompts")]
pub(crate) struct PromptArgs {
    /// Text around each prompt, which goes where {text} stands
    #[arg(long, value_name = "'…{text}…'", allow_hyphen_values = true)]
    pub(crate) template: Option<String>,
    /// Send each prompt through the model's chat template, as the user's message
    #[arg(long)]
    pub(crate) chat: bool,
    /// The chat template, if not the model's
    #[arg(long, value_name = "FILE.jinja", requires = "chat")]
    pub(crate) chat_template: Option<PathBuf>,
    /// A system message, from a file
    #[arg(long, value_name = "FILE", requires = "chat")]
    pub(crate) system: Option<PathBuf>,
    /// End with the user's message, not where the model would answer
    #[arg(long, requires = "chat")]
    pub(crate) no_generation_prompt: bool,
    /// Do not put BOS before plain prompts; by default as the SAE was trained
    #[arg(long, conflicts_with = "chat")]
    pub(crate) no_bos: bool,
    /// Cut prompts after so many tokens; by default what the model was trained for
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1 << 20))]
    pub(crate) context_size: Option<u32>,
}

/// What is tested, and how.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Tests")]
pub(crate) struct TestArgs {
    /// Permutations for p_permutation; 0 for none
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(crate) permutations: u32,
    /// What permutations and the probes' split are drawn from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Test features that fire in so many prompts at least
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) min_fired: u32,
    /// What features are ranked by
    #[arg(long, value_enum, default_value = "cohens_d")]
    pub(crate) rank_by: RankChoice,
    /// The q up to which a difference counts as significant
    #[arg(long, value_name = "Q", default_value_t = 0.05, value_parser = share)]
    pub(crate) alpha: f64,
}

/// `--reduce`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReduceChoice {
    /// The largest
    Max,
    /// Their mean, as SAEBench's probes have it
    Mean,
    /// That of the last token
    Last,
}

/// `--rank-by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum RankChoice {
    /// Cohen's d
    CohensD,
    /// The effect of pairs
    #[value(name = "d_z")]
    DZ,
    /// Welch's t, or the paired one
    T,
    /// How far the AUROC is from 0.5
    Auroc,
    /// The difference of the frequencies
    Frequency,
    /// The difference of the means
    Mean,
}

fn share(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "is not a number".to_owned())?;
    if number > 0.0 && number < 1.0 {
        return Ok(number);
    }
    Err("expected a number between 0 and 1".to_owned())
}
