//! The arguments of `sae generate`.

use super::memory::MemoryArgs;
use super::steer::SteerArgs;
use clap::ArgGroup;
use std::path::PathBuf;

/// Continue prompts and conversations, steered by features of SAEs or as they are: text as it comes, or JSON with every token's probability
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("what").args(["prompt", "chat", "prompts"]).required(true))]
#[command(after_help = "Examples:
  sae generate 'The capital of France is' --model model/ --max-new-tokens 20
  sae generate --chat talk.json --model meta-llama/Llama-3.2-1B-Instruct --sample --seed 7
  sae generate 'Who are you?' --chat-template --system 'Answer in one word.' --model model/
  sae generate --prompts prompts.txt --model model/ --n 4 --temperature 0.8 --json answers.json
  sae generate 'I went to' --model model/ --sae RUN --steer 12=add:20 --compare
  sae generate 'I went to' --model model/ --sae runs/l8 --figures pages/l8 --steer 7=clamp:2x

A prompt is plain text after BOS, unless --chat-template or --system makes it what a user says. Settings that are not given
are those of the model's generation_config.json, else those of transformers. A stop text is not part of the text.")]
pub(crate) struct Args {
    /// The text to go on from
    #[arg(allow_hyphen_values = true)]
    pub(crate) prompt: Option<String>,
    /// A conversation to answer, through the model's chat template: JSON messages, or one conversation a line
    #[arg(long, value_name = "FILE")]
    pub(crate) chat: Option<PathBuf>,
    /// Many prompts: a text a line, or a .jsonl file with text or messages
    #[arg(long, value_name = "FILE")]
    pub(crate) prompts: Option<PathBuf>,
    /// The model: a folder or a Hub id
    #[arg(long, value_name = "DIR|ID")]
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) chatting: ChatArgs,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
    /// Rows that are generated at a time; by default as many as fit
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch_size: Option<u32>,
    /// Do not put BOS before a plain prompt
    #[arg(long)]
    pub(crate) no_bos: bool,
    #[command(flatten)]
    pub(crate) steering: SteerArgs,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
}

/// How conversations become text.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Conversations")]
pub(crate) struct ChatArgs {
    /// Take plain prompts for what a user says, and put them through the model's chat template
    #[arg(long)]
    pub(crate) chat_template: bool,
    /// What the system says first: a text, or the name of a file
    #[arg(long, value_name = "TEXT|FILE")]
    pub(crate) system: Option<String>,
    /// Which template, of a model that has several
    #[arg(long, value_name = "NAME")]
    pub(crate) template: Option<String>,
    /// The date that the template writes, as 2024-07-26; by default today
    #[arg(long, value_name = "DATE")]
    pub(crate) date: Option<String>,
}

/// How the next token is chosen.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Tokens")]
pub(crate) struct SamplingArgs {
    /// Tokens of a continuation at most
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_new_tokens: u32,
    /// Take the likeliest token, whatever the model's files say
    #[arg(long, conflicts_with_all = ["sample", "temperature", "top_k", "top_p", "min_p"])]
    pub(crate) greedy: bool,
    /// Draw tokens by chance; so do the next four options
    #[arg(long)]
    pub(crate) sample: bool,
    /// Divide logits by this
    #[arg(long, value_name = "T")]
    pub(crate) temperature: Option<f32>,
    /// Only the likeliest K tokens; 0 for all
    #[arg(long, value_name = "K")]
    pub(crate) top_k: Option<u32>,
    /// Only the likeliest tokens that have probability P together
    #[arg(long, value_name = "P")]
    pub(crate) top_p: Option<f32>,
    /// Only tokens at least P times as likely as the likeliest
    #[arg(long, value_name = "P")]
    pub(crate) min_p: Option<f32>,
    /// Make tokens that were there before less likely; 1 changes nothing
    #[arg(long, value_name = "P")]
    pub(crate) repetition_penalty: Option<f32>,
    /// Seed of the random numbers
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Stop at this text; may be repeated
    #[arg(long, value_name = "STR", allow_hyphen_values = true)]
    pub(crate) stop: Vec<String>,
    /// Continuations of each prompt
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) n: u32,
    /// List this many of the likeliest tokens at each place, in the JSON
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) top: u32,
}
