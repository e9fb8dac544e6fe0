//! The cache of latents that delphi explains and scores features from (EleutherAI's delphi 0.1.1: `LatentCache`, read by `LatentDataset`).
//!
//! `OUT/{hook}/{first}_{last}.safetensors` hold the activations of the latents `first` to `last`: `locations`, `[n, 3]` (row, position, latent −
//! first), `activations`, `[n]`, and `tokens`, `[rows, context size]`. `OUT/{hook}/config.json` says what they were made from.

mod split;
#[cfg(test)]
mod tests;

use super::folder::write_error;
use super::{ExportError, Logged};
use crate::Overview;
use crate::place::is_taken;
use serde_json::json;
use split::Split;
use std::fs;
use std::path::Path;
use whole_file::WholeFolder;

/// Files that a dictionary is split into, at least: delphi's default.
const N_SPLITS: usize = 5;

/// Writes delphi's cache of the features that the overview shows. The folder appears whole or not at all.
///
/// As in delphi's own cache, activations of 10⁻⁵ and less are left out, and values are rounded to 16 bits; where one is beyond these (65,504), the
/// file has 32 bits. Tokens that do not count have no activations. Rows are the contexts of the log, in its order.
///
/// # Errors
/// If the folder is there already or cannot be written, the hook's name cannot name a folder, or tokens of a context are missing.
pub fn write(path: &Path, overview: &Overview, logged: &Logged<'_>) -> Result<(), ExportError> {
    let hook_name = &overview.source.hook_name;
    if !names_a_folder(hook_name) {
        return Err(ExportError::Module {
            hook_name: hook_name.clone(),
        });
    }
    if is_taken(path) {
        return Err(ExportError::Exists {
            path: path.to_owned(),
        });
    }
    let folder = WholeFolder::create(path)?;
    let module = folder.temporary().join(hook_name);
    let failed = |error| write_error(path, error);
    fs::create_dir(&module).map_err(failed)?;
    let d_sae = overview.d_sae as usize;
    let per_split = d_sae.div_ceil(N_SPLITS).max(1);
    let mut shown = overview.shown.as_slice();
    let (mut first, mut n_splits) = (0, 0_usize);
    while first < d_sae {
        let end = (first + per_split).min(d_sae);
        let here = shown.partition_point(|&feature| (feature as usize) < end);
        let (tile, activations) = logged.gather(&shown[..here]);
        // A split ends early where its activations do not fit in memory. Splits follow on each other: delphi finds a latent by that.
        let end = match shown[..here].get(tile.len()) {
            Some(&next) => next as usize,
            None => end,
        };
        let split = Split {
            logged,
            features: tile,
            activations: &activations,
            first: first as u32,
        };
        split.write(
            &module.join(format!("{first}_{}.safetensors", end - 1)),
            &failed,
        )?;
        shown = &shown[tile.len()..];
        first = end;
        n_splits += 1;
    }
    let context_size = logged.context_size();
    let config = json!({
        "dataset_repo": overview.source.dataset,
        "dataset_split": "",
        "dataset_name": "",
        "dataset_column": "text",
        "batch_size": 1,
        "cache_ctx_len": context_size,
        "n_tokens": logged.log.n_contexts() * context_size,
        "n_splits": n_splits,
        "model_name": overview.source.model,
    });
    fs::write(module.join("config.json"), format!("{config:#}\n")).map_err(failed)?;
    Ok(folder.finish()?)
}

/// Whether a name from a file is safe as that of a folder.
fn names_a_folder(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && name.len() <= 200 && name.chars().all(is_plain) && !name.starts_with('.')
}
