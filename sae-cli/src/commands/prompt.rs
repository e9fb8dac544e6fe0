//! `sae prompt`

use super::{Place, split};
use crate::adapters::SplitLlama;
use crate::cli::Global;
use crate::device::Chosen;
use crate::inputs;
use crate::plan::{MemoryArgs, Work};
use crate::prompt_check::Question;
use crate::report::warnings::of_place;
use crate::targets::Targets;
use anyhow::Result;
use clap::ArgGroup;
use sae_core::{Architecture, SaeConfig};
use std::path::PathBuf;

/// Ask for the next token after a prompt, plain and through an SAE: the notebook's prompt check
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("who").args(["sae", "model"]).multiple(true).required(true))]
#[command(after_help = "Examples:
  sae prompt 'When John and Mary went to the shops, John gave the bag to' --answer ' Mary' \\
      --sae RUN
  sae prompt 'The capital of France is' --answer Paris --model model/

A space is put before the answer if it has none. Ranks count from 0. The SAE's full forward pass replaces the activation.")]
pub(crate) struct Args {
    /// The prompt
    #[arg(allow_hyphen_values = true)]
    text: String,
    /// What should come next
    #[arg(long, value_name = "STR", allow_hyphen_values = true)]
    answer: String,
    /// The SAE's run: a folder, or on the Hub organisation/name[@revision][:folder]
    #[arg(long, value_name = "DIR|ID")]
    sae: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    memory: MemoryArgs,
    /// No BOS before the prompt
    #[arg(long)]
    no_bos: bool,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let on = Chosen::new(global)?;
    let run = args
        .sae
        .as_deref()
        .map(|path| args.place.open(path, global.quiet))
        .transpose()?;
    let metadata = run.as_ref().map(|run| &run.cfg.metadata);
    let found = args.place.find_model(metadata, global.quiet)?;
    let targets = Targets::new(global, None)?;
    targets.spare(run.iter().flat_map(inputs::run_files).chain(found.paths()))?;
    let tokenizer = found.tokenizer()?;
    let question = Question::new(&tokenizer, &args.text, &args.answer, !args.no_bos)?;
    let work = Work {
        rows: Some(1),
        ..Work::new(&found.config()?, &on, question.n_tokens())
    };
    let work = match &run {
        Some(run) => work.with_sae(run)?,
        None => work,
    };
    let Some(plan) = work.settle(&args.memory, &on, global)? else {
        return Ok(());
    };
    let model = found.load(&on, plan.placement)?;
    question.warn_if_too_long(&model);
    if let Some(warning) = run.as_ref().and_then(|run| of_place(&run.cfg)) {
        tracing::warn!("{warning}");
    }
    let split = match &run {
        Some(run) => split(&model, run)?,
        None => SplitLlama::new(&model, &anywhere(model.config().d_model))?,
    };
    let sae = run
        .as_ref()
        .map(|run| inputs::load_sae(run, &on))
        .transpose()?;
    let check = question.ask(&tokenizer, &split, sae.as_ref())?;
    check.warn_if_undefined();
    global.output().emit(&check.text(), &check)
}

/// Where to cut a model when there is no SAE: it does not matter, as nothing is put in.
fn anywhere(d_model: usize) -> SaeConfig {
    let mut cfg = SaeConfig::new(Architecture::Standard, d_model, 1);
    cfg.metadata.hook_name = Some("hook_embed".to_owned());
    cfg
}
