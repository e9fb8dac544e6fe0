//! Parts become one: in the order of their shards, whatever the order of the call.

use super::{EvalPart, first_shard};
use anyhow::{Context, Result, bail, ensure};
use sae_llama::difference;
use std::path::{Path, PathBuf};

/// Shards that a message names, of those that are missing.
const NAMED: usize = 20;

/// All parts as one.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) part: EvalPart,
    /// Shards that no part has.
    pub(crate) missing: Vec<u32>,
}

/// Reads and merges parts: files, and folders of them.
pub(crate) fn join(given: &[PathBuf]) -> Result<Joined> {
    // Sums in an order of their own, so that the order of the call changes no bit. A part's sums are in memory only while they are added.
    let mut parts = Vec::new();
    for path in files(given)? {
        parts.push((first_shard(&path)?, path));
    }
    parts.sort();
    let mut parts = parts.into_iter().map(|(_, path)| path);
    let first = parts.next().context("no part is given")?;
    let mut all = EvalPart::read(&first)?;
    let mut owners: Vec<(u32, PathBuf)> = owners(&all, &first);
    for path in parts {
        let part = EvalPart::read(&path)?;
        let shown = (path.display(), first.display());
        if let Some(difference) = difference("", &all.made_from, &part.made_from) {
            bail!(
                "{}: does not go together with {}: it was made with another {difference}; measure it again as the others",
                shown.0,
                shown.1
            );
        }
        ensure!(
            part.of == all.of,
            "{}: is of {} shards, and {} is of {}; parts of one division go together",
            shown.0,
            part.of,
            shown.1,
            all.of
        );
        let twice = owners.iter().find(|(shard, _)| part.shards.contains(shard));
        if let Some((shard, owner)) = twice {
            bail!(
                "shard {shard} is both in {} and in {}; leave one of them out",
                owner.display(),
                shown.0
            );
        }
        all.evaluation
            .merge(&part.evaluation)
            .with_context(|| format!("{}", path.display()))?;
        all.bad_rows += part.bad_rows;
        for warning in &part.warnings {
            if !all.warnings.contains(warning) {
                all.warnings.push(warning.clone());
            }
        }
        owners.extend(self::owners(&part, &path));
    }
    all.shards = owners.into_iter().map(|(shard, _)| shard).collect();
    all.shards.sort_unstable();
    let missing = (0..all.of).filter(|shard| all.shards.binary_search(shard).is_err());
    let missing = missing.collect();
    Ok(Joined { part: all, missing })
}

impl Joined {
    /// The missing shards, in words.
    pub(crate) fn lacks(&self) -> Option<String> {
        let n = self.missing.len();
        let named: Vec<_> = self
            .missing
            .iter()
            .take(NAMED)
            .map(u32::to_string)
            .collect();
        let more = match n.saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (n > 0).then(|| {
            format!(
                "{n} of {} shards are missing: {}{more}",
                self.part.of,
                named.join(", ")
            )
        })
    }
}

fn owners(part: &EvalPart, path: &Path) -> Vec<(u32, PathBuf)> {
    let shards = part.shards.iter();
    shards.map(|shard| (*shard, path.to_owned())).collect()
}

/// The files themselves; of a folder, those that are named as parts are.
fn files(given: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in given {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        let inside = path
            .read_dir()
            .with_context(|| format!("{}: cannot be listed", path.display()))?;
        for entry in inside {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("part-") && name.ends_with(".cbor") {
                files.push(entry.path());
            }
        }
        files[before..].sort();
        ensure!(
            files.len() > before,
            "{}: holds no part; `sae eval --parts {0}` writes some there, named part-*.cbor",
            path.display()
        );
    }
    Ok(files)
}
