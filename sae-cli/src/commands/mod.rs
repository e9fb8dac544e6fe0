//! One module per verb: its arguments, and what it does with them.

// Doc comments of arguments are their help on the terminal, where backticks would be noise.
#![allow(clippy::doc_markdown)]

pub(crate) mod activations;
pub(crate) mod analyze;
pub(crate) mod dashboard;
pub(crate) mod devices;
pub(crate) mod encode;
pub(crate) mod eval;
pub(crate) mod info;
pub(crate) mod prompt;
pub(crate) mod serve;
mod token_output;
pub(crate) mod tokenize;

use crate::UsageError;
use crate::adapters::SplitLlama;
use crate::afar::{self, Part};
use crate::cli::{Cli, Command, Global};
use crate::inputs::{self, FoundModel};
use crate::output::{self, Output};
use anyhow::{Context, Result, bail};
use clap::Args;
use llama_hooked::{HookPoint, Llama};
use sae_core::{RunDir, SaeMetadata};
use std::num::NonZeroUsize;
use std::path::Path;

/// Runs the command.
pub(crate) fn run(cli: Cli) -> Result<()> {
    let Cli { global, command } = cli;
    if let Some(threads) = global.threads {
        // Far more threads than cores spend their time on waking each other.
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = usize::from(threads).min(cores.max(64));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build_global().context("--threads")?;
    }
    // The report's folder may be the one that the JSON goes to, and is not made yet.
    if let Some(path) = &global.json
        && !matches!(command, Command::Analyze(_))
    {
        output::check_text_file("--json", path)?;
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
        Command::Dashboard(args) => dashboard::run(&args, &global),
        Command::Serve(args) => serve::run(&args, &global),
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
    ///
    /// The names of the hooks are checked here, before anything large is loaded.
    pub(crate) fn open(&self, path: &Path, quiet: bool) -> Result<RunDir> {
        if let Some(Err(error)) = self.hook.as_deref().map(str::parse::<HookPoint>) {
            bail!("--hook: {error}");
        }
        let mut run = afar::open_run(path, Part::All, quiet)?;
        let cfg = run.dir.join("cfg.json");
        if let Some(hook) = &self.hook {
            run.cfg.metadata.hook_name = Some(hook.clone());
        }
        let metadata = &run.cfg.metadata;
        if metadata.hook_name.is_none() {
            bail!(UsageError(format!(
                "where does the SAE belong? {}: names no hook (metadata.hook_name): give --hook NAME",
                cfg.display()
            )));
        }
        let recorded = [
            ("hook_name", &metadata.hook_name),
            ("hook_name_out", &metadata.hook_name_out),
        ];
        for (key, name) in recorded {
            if let Some(Err(error)) = name.as_deref().map(str::parse::<HookPoint>) {
                bail!("{}: {key}: {error}", cfg.display());
            }
        }
        Ok(run)
    }

    /// Finds the model that was given, or that the SAE's configuration names.
    pub(crate) fn find_model(
        &self,
        metadata: Option<&SaeMetadata>,
        quiet: bool,
    ) -> Result<FoundModel> {
        inputs::find_model(self.model.as_deref(), metadata, quiet)
    }
}

/// Cuts the model where the run's SAE belongs.
pub(crate) fn split<'a>(model: &'a Llama, run: &RunDir) -> Result<SplitLlama<'a>> {
    SplitLlama::new(model, &run.cfg)
        .with_context(|| format!("the SAE of {} does not fit the model", run.dir.display()))
}
