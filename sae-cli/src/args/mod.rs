//! The arguments of the command line.

// Doc comments of arguments are their help on the terminal, where backticks would be noise.
#![allow(clippy::doc_markdown)]

pub(crate) mod activations;
pub(crate) mod analyze;
pub(crate) mod attribute;
pub(crate) mod bad_rows;
pub(crate) mod bench;
mod choice;
pub(crate) mod contrast;
pub(crate) mod convert;
pub(crate) mod dashboard;
pub(crate) mod devices;
pub(crate) mod encode;
pub(crate) mod eval;
pub(crate) mod files;
mod formats;
pub(crate) mod generate;
pub(crate) mod graph;
mod hints;
pub(crate) mod info;
pub(crate) mod input;
mod json_flag;
pub(crate) mod layers;
pub(crate) mod lens;
pub(crate) mod list;
pub(crate) mod masking;
pub(crate) mod memory;
pub(crate) mod merge;
pub(crate) mod packing;
pub(crate) mod patch;
pub(crate) mod place;
pub(crate) mod prompt;
pub(crate) mod serve;
pub(crate) mod settings;
pub(crate) mod several;
mod shard;
pub(crate) mod sheet;
pub(crate) mod source;
pub(crate) mod steer;
pub(crate) mod text;
pub(crate) mod tokenize;
pub(crate) mod train;

pub(crate) use hints::with_hint;
pub(crate) use json_flag::expand;
pub(crate) use shard::log_found;

use crate::terminal::Output;
use clap::{Args, Parser, Subcommand, ValueEnum};
use sae_backend::DeviceChoice;
use std::path::PathBuf;

/// Is a sparse autoencoder trained on a Llama any good?
#[derive(Debug, Parser)]
#[command(name = "sae", version, max_term_width = 110, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  sae analyze --out report                          everything, on the bundled demo
  sae info runs/20251213_174540_llama3_8b           what a training run left behind
  sae analyze RUN --dataset 'pile/*.jsonl.zst' --out report
  sae eval --sae RUN --tokens tokens.safetensors --json metrics.json

Exit status: 0 done, 1 failed, 2 called wrongly. Results go to stdout, progress and logs to stderr.";

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Device: auto (a GPU if there is one), cpu, cuda, metal or vulkan; the Nth of these with :N, counted from 0
    #[arg(
        long,
        global = true,
        help_heading = "Everywhere",
        default_value = "auto",
        value_name = "DEVICE"
    )]
    pub(crate) device: DeviceChoice,
    /// Number format of the model; by default bf16 on CUDA and f32 elsewhere
    #[arg(long, global = true, help_heading = "Everywhere", value_enum)]
    pub(crate) dtype: Option<Dtype>,
    /// Threads to use; by default one per core
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Write the result as JSON: to stdout, or to a file (FILE.json, or --json=FILE for any name)
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    pub(crate) json: Option<PathBuf>,
    /// Show no progress and no warnings
    #[arg(
        short,
        long,
        global = true,
        help_heading = "Everywhere",
        conflicts_with = "verbose"
    )]
    pub(crate) quiet: bool,
    /// Log more to stderr; repeat for even more
    #[arg(short, long, global = true, help_heading = "Everywhere", action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Number formats that models run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dtype {
    /// 32 bits
    F32,
    /// bfloat16: 16 bits with the range of f32
    Bf16,
    /// 16 bits with a digit more, and nothing beyond 65,504
    F16,
}

impl Global {
    /// Where results go.
    pub(crate) fn output(&self) -> Output<'_> {
        Output::new(self.json.as_deref())
    }

    /// Threads that were asked for; 0 for all there are.
    pub(crate) fn threads(&self) -> usize {
        self.threads.map_or(0, usize::from)
    }
}

impl From<Dtype> for sae_backend::Dtype {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::Bf16 => Self::Bf16,
            Dtype::F16 => Self::F16,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Devices(devices::Args),
    List(list::Args),
    Info(info::Args),
    Convert(convert::Args),
    Tokenize(tokenize::Args),
    Train(Box<train::Args>),
    Activations(activations::Args),
    Encode(encode::Args),
    Eval(Box<eval::Args>),
    Merge(merge::Args),
    Prompt(prompt::Args),
    Graph(Box<graph::Args>),
    Lens(lens::Args),
    Patch(Box<patch::Args>),
    Attribute(Box<attribute::Args>),
    Generate(Box<generate::Args>),
    Analyze(analyze::Args),
    Dashboard(Box<dashboard::Args>),
    Contrast(Box<contrast::Args>),
    Bench(Box<bench::Args>),
    Serve(Box<serve::Args>),
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_make_sense() {
        Cli::command().debug_assert();
    }
}
