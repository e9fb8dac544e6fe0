//! Parts of an evaluation: what one worker measured, in a file that `sae merge` reads.

mod asked;
mod join;

pub(crate) use asked::asked;
pub(crate) use join::{Joined, join};

use super::outputs::{check_file, check_folder};
use crate::error::UsageError;
use anyhow::{Context, Result, anyhow, bail, ensure};
use dataset_stream::Shard;
use sae_llama::difference;
use sae_metrics::{Evaluation, FeatureWeights};
use sae_report::Nominal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

const FORMAT: &str = "sae eval part 1";
/// Statistics are some hundred bytes a feature, and what `explained_variance_legacy` needs is bounded; beyond this, a file is something else.
const MOST_BYTES: u64 = 4 << 30;
/// Those that are missing are listed.
const MOST_SHARDS: u32 = 1 << 20;
/// What a worker is warned of that has to do with itself alone, by how it begins or ends: a part does not depend on who measured it.
const OWN_WARNINGS: [&str; 2] = ["--shard auto:", "; it is measured again"];

/// Statistics of some shards. Nothing in it depends on who measured them or when. CBOR, so that no bit of a sum is lost.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EvalPart {
    format: String,
    /// Everything that the figures depend on, files by their content; the same in all parts that may be merged.
    pub(crate) made_from: Value,
    /// Shards that there are.
    pub(crate) of: u32,
    /// Those measured here, in order: one, or more after a merge.
    pub(crate) shards: Vec<u32>,
    pub(crate) evaluation: Evaluation,
    /// Rows of text left out.
    pub(crate) bad_rows: u64,
    /// The same of every part: what figures and warnings need of the SAE and of the call.
    pub(crate) about: About,
    /// What the workers were warned of.
    pub(crate) warnings: Vec<String>,
}

/// What figures and warnings need beside the statistics.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) sae_cfg: Value,
    pub(crate) eval_cfg: Value,
    pub(crate) weights: FeatureWeights,
    /// The L0 to expect.
    pub(crate) nominal: Option<Nominal>,
    /// Whether rows begin with BOS, where that is known.
    pub(crate) begins_with_bos: Option<bool>,
    pub(crate) place_warning: Option<String>,
}

impl EvalPart {
    /// Of one shard.
    pub(crate) fn new(
        made_from: Value,
        shard: Shard,
        evaluation: Evaluation,
        bad_rows: u64,
        about: About,
    ) -> Self {
        Self {
            format: FORMAT.to_owned(),
            made_from,
            of: shard.of(),
            shards: vec![shard.index()],
            evaluation,
            bad_rows,
            about,
            warnings: warnings(),
        }
    }

    /// Reads a part.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let part: Self = read(path)?;
        check(path, &part.format, &part.shards, part.of)?;
        Ok(part)
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            let cannot = || format!("{}: cannot be made", folder.display());
            std::fs::create_dir_all(folder).with_context(cannot)?;
        }
        let mut bytes = Vec::new();
        ciborium::into_writer(self, &mut bytes).context("the part cannot be written down")?;
        Ok(whole_file::write(path, &bytes)?)
    }
}

/// What a part is called by, without its sums.
#[derive(Deserialize)]
struct Head {
    format: String,
    of: u32,
    shards: Vec<u32>,
}

/// The first shard of a part.
pub(super) fn first_shard(path: &Path) -> Result<u32> {
    let head: Head = read(path)?;
    check(path, &head.format, &head.shards, head.of)?;
    Ok(head.shards[0])
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let found = path.metadata().with_context(|| {
        format!(
            "{}: cannot be read; expected a part, or a folder of parts, that `sae eval --parts` has written",
            path.display()
        )
    })?;
    ensure!(found.is_file() && found.len() <= MOST_BYTES, wrong(path));
    let file = File::open(path).with_context(|| format!("{}", path.display()))?;
    // The library's message would not help anyone.
    let part: Result<T, _> = ciborium::from_reader(BufReader::new(file));
    part.map_err(|_| anyhow!(wrong(path)))
}

fn check(path: &Path, format: &str, shards: &[u32], of: u32) -> Result<()> {
    let is_ordered = shards.is_sorted_by(|a, b| a < b);
    let is_within = shards.last().is_some_and(|last| *last < of) && of <= MOST_SHARDS;
    ensure!(format == FORMAT && is_ordered && is_within, wrong(path));
    Ok(())
}

fn wrong(path: &Path) -> String {
    format!(
        "{}: is not a part that `sae eval --parts` of this version has written",
        path.display()
    )
}

/// What any worker would have been warned of.
fn warnings() -> Vec<String> {
    let mut warnings = crate::terminal::warnings();
    let [launcher, damaged] = OWN_WARNINGS;
    warnings.retain(|warning| !(warning.starts_with(launcher) || warning.ends_with(damaged)));
    warnings
}

/// The place of a shard's part.
#[derive(Debug)]
pub(crate) struct PartFile {
    pub(crate) path: PathBuf,
    pub(crate) shard: Shard,
}

impl PartFile {
    /// In a folder, which is made with the part if it is not there; without a shard, everything is the one part.
    pub(crate) fn new(folder: &Path, shard: Option<Shard>) -> Result<Self> {
        let shard = match shard {
            Some(shard) => shard,
            None => Shard::new(0, 1)?,
        };
        ensure!(
            shard.of() <= MOST_SHARDS,
            UsageError(format!(
                "--shard: parts go together up to {MOST_SHARDS} shards"
            ))
        );
        let name = format!("part-{:05}-of-{:05}.cbor", shard.index(), shard.of());
        let path = folder.join(name);
        if folder.is_dir() {
            check_file("--parts", &path)?;
        } else {
            check_folder("--parts", folder)?;
        }
        Ok(Self { path, shard })
    }

    /// The part, if it has been measured before, from the same. One that cannot be read is measured again.
    pub(crate) fn found(&self, made_from: &Value) -> Result<Option<EvalPart>> {
        if !self.path.exists() {
            return Ok(None);
        }
        let part = match EvalPart::read(&self.path) {
            Ok(part) => part,
            Err(error) => {
                tracing::warn!("{error}{}", OWN_WARNINGS[1]);
                return Ok(None);
            }
        };
        if let Some(difference) = difference("", &part.made_from, made_from) {
            bail!(
                "{}: is there already, made with another {difference}; remove it, or give --parts another folder",
                self.path.display()
            );
        }
        ensure!(
            part.of == self.shard.of() && part.shards == [self.shard.index()],
            "{}: is there already and holds other shards than its name says; remove it",
            self.path.display()
        );
        Ok(Some(part))
    }
}
