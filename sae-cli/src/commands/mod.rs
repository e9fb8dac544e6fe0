//! One module per verb: its arguments, and what it does with them.

pub(crate) mod activations;
pub(crate) mod analyze;
pub(crate) mod devices;
pub(crate) mod encode;
pub(crate) mod eval;
pub(crate) mod info;
pub(crate) mod prompt;
pub(crate) mod tokenize;

use crate::cli::{Cli, Command, Global};
use crate::output::Output;
use anyhow::{Context, Result};
use clap::Args;
use sae_core::RunDir;

/// Runs the command.
pub(crate) fn run(cli: Cli) -> Result<()> {
    let Cli { global, command } = cli;
    if let Some(threads) = global.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.into());
        pool.build_global().context("--threads")?;
    }
    match command {
        Command::Devices(args) => devices::run(&args, &global),
        Command::Info(args) => info::run(&args, &global),
        Command::Tokenize(args) => tokenize::run(&args, &global),
        Command::Activations(args) => activations::run(&args, &global),
        Command::Encode(args) => encode::run(&args, &global),
        Command::Eval(args) => eval::run(&args, &global),
        Command::Prompt(args) => prompt::run(&args, &global),
        Command::Analyze(args) => analyze::run(&args, &global),
    }
}

impl Global {
    pub(crate) fn output(&self) -> Output<'_> {
        Output {
            json: self.json.as_deref(),
        }
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads.map_or(0, usize::from)
    }
}

/// Where the SAE belongs, if not where `cfg.json` says.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The model: a folder or a Hub id; by default what cfg.json names
    #[arg(long, value_name = "DIR|ID")]
    pub(crate) model: Option<String>,
    /// The hook the SAE reads at, and writes at unless cfg.json has hook_name_out; by default what cfg.json names
    #[arg(long, value_name = "NAME")]
    pub(crate) hook: Option<String>,
}

impl Place {
    /// Opens a run and puts what was given in place of what its configuration says.
    pub(crate) fn open(&self, path: &std::path::Path) -> Result<RunDir> {
        let mut run = RunDir::open(path)?;
        if let Some(hook) = &self.hook {
            run.cfg.metadata.hook_name = Some(hook.clone());
        }
        Ok(run)
    }
}
