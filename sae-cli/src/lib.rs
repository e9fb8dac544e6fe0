//! The `sae` command, as a library: [`main`] is the whole program.
//!
//! Nothing here computes. Arguments (`args`) are settled into names, plans and outputs (`job`), a library is called (`commands`), and
//! the result goes to the terminal or a file (`terminal`). Each of these knows only those before it: terminal, args, job, commands.
//!
//! # Tasks
#![doc = include_str!("../README.md")]

mod args;
mod commands;
mod error;
mod job;
mod terminal;

use clap::Parser;
use std::process::ExitCode;
use terminal::interrupt;

/// Runs the program: 0 done, 1 failed, 2 called wrongly, 130 interrupted.
#[must_use]
pub fn main() -> ExitCode {
    let line = args::expand(std::env::args_os());
    let cli = match args::Cli::try_parse_from(&line) {
        Ok(cli) => cli,
        Err(error) => args::with_hint(error, &line).exit(),
    };
    terminal::start_logging(cli.global.verbose, cli.global.quiet);
    args::log_found();
    interrupt::watch();
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        // Any error after that comes from the interruption.
        Err(_) if interrupt::is_asked() => {
            terminal::print_line(interrupt::message());
            ExitCode::from(interrupt::EXIT_CODE)
        }
        Err(error) => {
            terminal::print_error(&error);
            ExitCode::from(error::exit_code(&error))
        }
    }
}
