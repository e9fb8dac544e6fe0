//! What the command line may say.

use crate::commands;
use crate::device::DeviceChoice;
use clap::{Args, Parser, Subcommand, ValueEnum};
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
    /// Where to compute: auto (a GPU if there is one), cpu, cuda or cuda:N
    #[arg(
        long,
        global = true,
        help_heading = "Everywhere",
        default_value = "auto",
        value_name = "DEVICE"
    )]
    pub(crate) device: DeviceChoice,
    /// Number format of the model: f32 on the CPU and bf16 on a GPU unless said otherwise
    #[arg(long, global = true, help_heading = "Everywhere", value_enum)]
    pub(crate) dtype: Option<Dtype>,
    /// Threads to use; all there are by default
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Write the result as JSON: to stdout, or to a file (FILE.json, or --json=FILE for any name)
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    pub(crate) json: Option<PathBuf>,
    /// No progress, no warnings
    #[arg(
        short,
        long,
        global = true,
        help_heading = "Everywhere",
        conflicts_with = "verbose"
    )]
    pub(crate) quiet: bool,
    /// Say more on stderr; twice for still more
    #[arg(short, long, global = true, help_heading = "Everywhere", action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Number formats that models run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dtype {
    /// 32 bits
    F32,
    /// 16 bits, 8 of them exponent
    Bf16,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Devices(commands::devices::Args),
    Info(commands::info::Args),
    Tokenize(commands::tokenize::Args),
    Activations(commands::activations::Args),
    Encode(commands::encode::Args),
    Eval(Box<commands::eval::Args>),
    Prompt(commands::prompt::Args),
    Analyze(commands::analyze::Args),
    Dashboard(Box<commands::dashboard::Args>),
    Serve(Box<commands::serve::Args>),
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
