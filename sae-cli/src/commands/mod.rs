//! One module per verb: a job is settled, a library is called, and the result is printed or written.

mod activation_shards;
mod activations;
mod analyze;
mod analyze_several;
mod attribute;
mod bench;
mod contrast;
mod convert;
mod dashboard;
mod devices;
mod encode;
mod eval;
mod eval_layers;
mod eval_several;
mod generate;
mod graph;
mod info;
mod lens;
mod list;
mod merge;
mod patch;
mod prompt;
mod serve;
mod tokenize;
mod train;
mod train_cached;

use crate::args::{Cli, Command};
use crate::job::outputs::check_text_file;
use anyhow::{Context, Result};
use std::num::NonZeroUsize;

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
        && !matches!(command, Command::Analyze(_) | Command::Contrast(_))
    {
        check_text_file("--json", path)?;
    }
    match command {
        Command::Devices(_) => devices::run(&global),
        Command::List(args) => list::run(&args, &global),
        Command::Info(args) => info::run(&args, &global),
        Command::Convert(args) => convert::run(&args, &global),
        Command::Tokenize(args) => tokenize::run(&args, &global),
        Command::Train(args) => match &args.activations {
            Some(folder) => train_cached::run(&args, folder, &global),
            None => train::run(&args, &global),
        },
        Command::Activations(args) if args.shards => activation_shards::run(&args, &global),
        Command::Activations(args) => activations::run(&args, &global),
        Command::Encode(args) => encode::run(&args, &global),
        Command::Eval(args) => eval::run(&args, &global),
        Command::Merge(args) => merge::run(&args, &global),
        Command::Prompt(args) => prompt::run(&args, &global),
        Command::Graph(args) => graph::run(&args, &global),
        Command::Lens(args) => lens::run(&args, &global),
        Command::Patch(args) => patch::run(&args, &global),
        Command::Attribute(args) => attribute::run(&args, &global),
        Command::Generate(args) => generate::run(&args, &global),
        Command::Analyze(args) => analyze::run(&args, &global),
        Command::Dashboard(args) => dashboard::run(&args, &global),
        Command::Contrast(args) => contrast::run(&args, &global),
        Command::Bench(args) => bench::run(&args, &global),
        Command::Serve(args) => serve::run(&args, &global),
    }
}
