//! `sae encode`

use crate::args::Global;
use crate::args::encode::Args;
use crate::job::outputs::check_file;
use crate::job::targets::Targets;
use crate::job::{device, run};
use crate::terminal::progress::Bar;
use anyhow::{Result, anyhow};
use sae_core::SaeConfig;
use sae_llama::record::{EncodeInput, RecordError};
use sae_llama::resolve::RunPart;
use serde_json::{Map, json};

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    check_file("--out", &args.out)?;
    let targets = Targets::new(global, [("--out", args.out.as_path())])?;
    targets.spare([&args.input])?;
    let on = device::choose(global)?;
    let run = run::find(&args.sae, &args.files, RunPart::All, global.quiet)?;
    targets.spare(run.files())?;
    let input = open(args, &run.cfg).map_err(in_flags)?;
    let sae = run::load(&run, &on)?;

    let (rows, positions) = input.rows();
    let bar = Bar::new(global.quiet, "encoding", Some(rows as u64), positions);
    let shapes = input.encode(&sae, &args.out, &mut bar.recording())?;
    drop(bar);
    let mut text = format!("{} tokens in {}\n", input.n_tokens(), args.out.display());
    let mut tensors = Map::new();
    for (name, shape) in shapes {
        text.push_str(&format!("  {name} {shape:?}\n"));
        tensors.insert(name, json!(shape));
    }
    global
        .output()
        .emit(&text, &json!({ "out": args.out, "tensors": tensors }))
}

/// The tensor that was asked for; else the one of the usual name, else the one of the SAE's hook, as `sae activations` names it.
fn open(args: &Args, cfg: &SaeConfig) -> Result<EncodeInput, RecordError> {
    let open = |key: &str| EncodeInput::open(&args.input, key, cfg);
    if let Some(key) = &args.key {
        return open(key);
    }
    let usual = open("acts");
    match (&usual, &cfg.metadata.hook_name) {
        (Err(error), Some(hook)) if is_not_there(error) => match open(hook) {
            Err(error) if is_not_there(&error) => usual,
            found => found,
        },
        _ => usual,
    }
}

fn is_not_there(error: &RecordError) -> bool {
    matches!(error, RecordError::Input { problem, .. } if problem.starts_with("has no tensor"))
}

/// A message about the tensor, with the option that helps.
fn in_flags(error: RecordError) -> anyhow::Error {
    if is_not_there(&error) {
        anyhow!("{error}: choose with --key")
    } else {
        error.into()
    }
}
