//! `--saebench`: SAEBench's files, in a folder.

use super::evaluation::report;
use super::outputs::check_folder;
use anyhow::{Result, bail};
use sae_core::{RunDir, Sae};
use sae_llama::plan::Plan;
use sae_llama::resolve::published;
use sae_metrics::{Evaluation, Report};
use sae_report::EvalCfg;
use sae_report::saebench::{CoreConfig, CoreMetrics, CoreWeights, SaeBenchName};
use std::path::{Path, PathBuf};

/// Where the files go: an existing folder, or one that is made.
pub(crate) fn files(folder: Option<&Path>, saes: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let Some(folder) = folder else {
        return Ok(Vec::new());
    };
    if !folder.is_dir() {
        check_folder("--saebench", folder)?;
    }
    let mut files: Vec<PathBuf> = Vec::new();
    for sae in saes {
        let file = folder.join(name(sae)?.file_name());
        if files.contains(&file) {
            bail!(
                "--saebench: two SAEs would be written to {}; measure them in two calls, into two folders",
                file.display()
            );
        }
        files.push(file);
    }
    Ok(files)
}

/// What SAEBench calls it: by its release, else by the name of its folder.
pub(crate) fn name(sae: &Path) -> Result<SaeBenchName> {
    if let Some(named) = published(sae)? {
        return Ok(SaeBenchName::published(&named.release.name, &named.sae.id));
    }
    let whole = sae.display().to_string();
    let trimmed = whole.trim_matches(|c| c == '/' || c == '.');
    Ok(SaeBenchName::custom(if trimmed.is_empty() {
        "sae"
    } else {
        trimmed
    }))
}

/// SAEBench's figures of an evaluation, if they are wanted. Its doubts are given.
pub(crate) fn core(
    folder: Option<&Path>,
    (evaluation, figures): (&Evaluation, &Report),
    sae: &Sae,
    batch_size: usize,
) -> Option<CoreMetrics> {
    folder?;
    let weights = CoreWeights::of(sae);
    let core = CoreMetrics::new(evaluation, figures, &weights, batch_size);
    Some(core)
}

/// As [`report`], with SAEBench's figures of the same.
pub(crate) fn figures(
    folder: Option<&Path>,
    evaluation: &Evaluation,
    sae: &Sae,
    batch_size: usize,
) -> (Report, Option<CoreMetrics>) {
    let figures = report(evaluation, sae);
    let core = core(folder, (evaluation, &figures), sae, batch_size);
    (figures, core)
}

/// Warnings, and what to know of SAEBench's figures.
pub(crate) fn with_doubts(mut warnings: Vec<String>, core: Option<&CoreMetrics>) -> Vec<String> {
    warnings.extend(core.iter().flat_map(|core| core.doubts()).cloned());
    warnings
}

/// Writes the file of one SAE, if there is to be one.
pub(crate) fn write(
    (file, core): (Option<&PathBuf>, Option<&CoreMetrics>),
    sae: &Path,
    run: &RunDir,
    cfg: &EvalCfg<Plan>,
) -> Result<()> {
    let (Some(file), Some(core)) = (file, core) else {
        return Ok(());
    };
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let text = cfg.dataset.as_deref().or(cfg.tokens.as_deref());
    let dtype = match cfg.model.dtype.as_str() {
        "f32" => "float32",
        "bf16" => "bfloat16",
        "f16" => "float16",
        other => other,
    };
    let model = &cfg.model.name;
    let of_text = (text.unwrap_or_default(), cfg.context_size);
    let config = CoreConfig::new(model, dtype, cfg.batch_size, of_text);
    let sae_cfg = serde_json::from_str(&run.cfg.to_json())?;
    let result = core.result(&name(sae)?, &config, sae_cfg);
    whole_file::write(file, result.to_json().as_bytes())?;
    Ok(())
}
