//! Parts of an evaluation: what one worker measured, in a file that `sae merge` reads.

mod asked;
mod join;

pub(crate) use asked::asked;
pub(crate) use join::{Joined, join};

use anyhow::{Context, Result, bail, ensure};
use dataset_stream::Shard;
use sae_llama::difference;
use sae_metrics::{Evaluation, FeatureWeights};
use sae_report::Nominal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

const FORMAT: &str = "sae eval part 1";
/// Statistics are some hundred bytes a feature, and what `explained_variance_legacy` needs is bounded; beyond this, a file is something else.
const MOST_BYTES: u64 = 4 << 30;

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
            warnings: crate::terminal::warnings(),
        }
    }

    /// Reads a part.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let wrong = || {
            format!(
                "{}: is not a part that `sae eval --parts` of this version has written",
                path.display()
            )
        };
        let file = File::open(path).with_context(|| format!("{}", path.display()))?;
        let found = file.metadata().with_context(wrong)?;
        ensure!(found.is_file() && found.len() <= MOST_BYTES, wrong());
        // The library's message would not help anyone.
        let part: Result<Self, _> = ciborium::from_reader(BufReader::new(file));
        let Ok(part) = part else { bail!(wrong()) };
        let is_ordered = part.shards.is_sorted_by(|a, b| a < b);
        let is_within = part.shards.last().is_some_and(|last| *last < part.of);
        ensure!(part.format == FORMAT && is_ordered && is_within, wrong());
        Ok(part)
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let mut bytes = Vec::new();
        ciborium::into_writer(self, &mut bytes).context("the part cannot be written down")?;
        Ok(whole_file::write(path, &bytes)?)
    }
}

/// The place of a shard's part.
#[derive(Debug)]
pub(crate) struct PartFile {
    pub(crate) path: PathBuf,
    pub(crate) shard: Shard,
}

impl PartFile {
    /// In a folder, which is made if it is not there; without a shard, everything is the one part.
    pub(crate) fn new(folder: &Path, shard: Option<Shard>) -> Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("--parts {}: cannot be made", folder.display()))?;
        let shard = match shard {
            Some(shard) => shard,
            None => Shard::new(0, 1)?,
        };
        let name = format!("part-{:05}-of-{:05}.cbor", shard.index(), shard.of());
        let path = folder.join(name);
        super::outputs::check_file("--parts", &path)?;
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
                tracing::warn!("{error}; it is measured again");
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
