//! The `sae` command, as a library: its adapters serve tests and benchmarks, [`main`] is the whole program.
//!
//! Nothing here computes: arguments come in, the crates that know are called, results go out. [`adapters`] is where a Llama and an
//! SAE meet, as the traits of `sae_metrics`.

pub mod adapters;
mod afar;
mod bad_rows;
mod checkpoint;
mod cli;
mod clock;
mod commands;
mod dashboards;
mod demo;
mod device;
mod eval_state;
mod fingerprint;
mod inputs;
mod interrupt;
mod json_flag;
mod masking_args;
mod output;
mod plan;
mod progress;
mod prompt_check;
mod report;
mod rows;
mod targets;
mod tensor_file;
mod text_args;
mod token_origin;

use anyhow::Error;
use clap::Parser;
use std::process::ExitCode;

/// Runs the program: 0 done, 1 failed, 2 called wrongly, 130 interrupted.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse_from(json_flag::expand(std::env::args_os())) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    output::start_logging(cli.global.verbose, cli.global.quiet);
    interrupt::watch();
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        // Whatever broke off then did so for this reason.
        Err(_) if interrupt::is_asked() => {
            output::print_line(interrupt::message());
            ExitCode::from(interrupt::EXIT_CODE)
        }
        Err(error) => {
            output::print_error(&error);
            ExitCode::from(exit_code(&error))
        }
    }
}

/// A contradiction in the arguments that only shows once a file has been read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

fn exit_code(error: &Error) -> u8 {
    if error.is::<UsageError>() { 2 } else { 1 }
}

/// The README's example is run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
