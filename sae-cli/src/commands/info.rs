//! `sae info`

use crate::afar::{Part, open_run};
use crate::cli::Global;
use crate::inputs::{describe_run, run_files};
use crate::targets::Targets;
use anyhow::Result;
use sae_core::RunDir;
use std::path::PathBuf;

/// Show what a training run left behind: configuration and recorded sparsity, no weights loaded
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sae info runs/20251213_174540_llama3_8b\n  sae info RUN/final_sae --json\n  sae info organisation/saes:layers.15"
)]
pub(crate) struct Args {
    /// The run's folder, its final_sae, or on the Hub organisation/name[@revision][:folder]
    run: PathBuf,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let run = open_run(&args.run, Part::Description, global.quiet)?;
    Targets::new(global, None)?.spare(run_files(&run))?;
    global.output().emit(&summary(&run), &describe_run(&run))
}

/// What the notebook prints of a loaded SAE, and the rest that one wants to know.
pub(crate) fn summary(run: &RunDir) -> String {
    let (cfg, meta) = (&run.cfg, &run.cfg.metadata);
    let or_unknown = |text: Option<&str>| text.unwrap_or("not recorded").to_owned();
    let hook = match (meta.hook_name.as_deref(), meta.hook_name_out.as_deref()) {
        (Some(read), Some(write)) if read != write => format!("{read} -> {write}"),
        (name, _) => or_unknown(name),
    };
    let bos = match meta.prepend_bos {
        Some(true) => ", BOS first",
        Some(false) => ", no BOS",
        None => "",
    };
    let context = meta
        .context_size
        .map_or_else(|| "not recorded".to_owned(), |n| format!("{n} tokens{bos}"));
    let sparsity = match (run.mean_log_sparsity(), run.dead_fraction()) {
        (Some(mean), Some(dead)) => format!("mean log10 {mean:.3}, {:.2} % dead", 100.0 * dead),
        _ if run.log_sparsity.is_some() => "recorded, but not as numbers (NaN)".to_owned(),
        _ => "not recorded".to_owned(),
    };
    let head = meta
        .hook_head_index
        .map_or_else(|| "none".to_owned(), |head| head.to_string());
    let b_dec = if cfg.apply_b_dec_to_input {
        "subtracted from the input"
    } else {
        "left out of the input"
    };
    let lines = [
        ("architecture", cfg.architecture.name().to_owned()),
        (
            "size",
            format!(
                "d_in={}, d_sae={} ({:.1}x), d_out={}",
                cfg.d_in,
                cfg.d_sae,
                cfg.d_sae as f64 / cfg.d_in as f64,
                cfg.d_out
            ),
        ),
        ("hook", hook),
        ("head index", head),
        ("model", or_unknown(meta.model_name.as_deref())),
        ("data set", or_unknown(meta.dataset_path.as_deref())),
        ("context", context),
        ("dtype", cfg.dtype.clone()),
        ("normalisation", cfg.normalize_activations.name().to_owned()),
        ("reshaping", cfg.reshape_activations.name().to_owned()),
        ("b_dec", b_dec.to_owned()),
        ("sparsity", sparsity),
        ("path", run.dir.display().to_string()),
    ];
    lines
        .map(|(name, value)| format!("{name:14} {value}\n"))
        .concat()
}
